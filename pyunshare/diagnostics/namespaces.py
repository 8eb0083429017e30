"""Why namespaces cannot be made, or give no power: see user_namespaces(7), namespaces(7)."""

from __future__ import annotations

from errno import ENOSPC

from ..syscalls import CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER
from .advice import Advice, Case
from .probes import (
    CAP_SETGID,
    CAP_SYS_ADMIN,
    filter_refuses,
    has_capability,
    outcome_of_unshare,
)
from .system import NAMESPACES, PID_DEPTH, UNLIMITED, Namespace

USERNS_CLONE = "kernel.unprivileged_userns_clone"  # Debian's and Arch's own
APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"  # Ubuntu's, since 23.10


def refused_by_filter(case: Case) -> Advice | None:
    """A seccomp(2) filter answers before the kernel does."""
    machine = case.machine
    if machine.status("Seccomp") == "0" or not filter_refuses(case.request.flags):
        return None
    engine = machine.container_engine
    if engine and machine.first_process_has_filter:
        return Advice(
            "the seccomp filter of this container refuses unshare(2); start it with",
            f"{engine} run --security-opt seccomp=unconfined ...",
        )
    return Advice("a seccomp filter, set by what started this process, refuses unshare(2)")


def in_chroot(case: Case) -> Advice | None:
    """Where the root directory is not the mount namespace's, there is no new user namespace."""
    if case.asks(CLONE_NEWUSER) and case.machine.is_chrooted:
        return Advice(
            "the kernel makes no user namespace inside a chroot; start it outside, in this way",
            case.command("--root", "DIRECTORY", without=("root",)),
        )
    return None


def switched_off(case: Case) -> Advice | None:
    """A switch of the distribution's leaves user namespaces to root."""
    if not case.asks(CLONE_NEWUSER) or has_capability(CAP_SYS_ADMIN):
        return None
    if case.machine.sysctl(USERNS_CLONE) == 0:
        return Advice(
            f"{USERNS_CLONE} is 0: only root may make user namespaces",
            case.as_root(f"sysctl -w {USERNS_CLONE}=1"),
        )
    return restricted_by_apparmor(case)


def restricted_by_apparmor(case: Case) -> Advice | None:
    """AppArmor refuses user namespaces to ordinary users, or gives them no capabilities."""
    if case.asks(CLONE_NEWUSER) and case.request.users.caller and case.machine.sysctl(APPARMOR):
        return Advice(
            f"{APPARMOR} is 1: AppArmor gives user namespaces of ordinary users no power",
            case.as_root(f"sysctl -w {APPARMOR}=0"),
        )
    return None


def unmapped_caller(case: Case) -> Advice | None:
    """Who has no id in this user namespace may not make another one in it."""
    if not case.asks(CLONE_NEWUSER):
        return None
    for id_map in (case.request.users, case.request.groups):
        if not case.machine.exists(f"/proc/self/{id_map.kind}_map"):
            continue
        blocks = case.machine.mapped(id_map.kind)
        if not any(start <= id_map.caller < start + count for start, count in blocks):
            return Advice(
                f"your {id_map.kind}, {id_map.caller}, is not mapped in the user namespace that "
                "you are in, and then it can have none inside"
            )
    return None


def owner_is_for_root(case: Case) -> Advice | None:
    """The namespace was to be given to another owner, who one has to become first."""
    owner = case.request.users.owner, case.request.groups.owner
    if owner == (None, None) or has_capability(CAP_SETGID):
        return None
    cause = "only root may give the new user namespace to another owner"
    return Advice(cause, case.as_root(case.command()))


def without_power(case: Case) -> Advice | None:
    """Without a user namespace of its own, a process needs CAP_SYS_ADMIN for the others."""
    if case.asks(CLONE_NEWUSER) or has_capability(CAP_SYS_ADMIN):
        return None
    request = case.request
    own = _in_own_user_namespace(case)
    if request.users.caller == 0:
        engine = case.machine.container_engine
        is_so_for_all = not case.machine.first_process_may_have >> CAP_SYS_ADMIN & 1
        outside = f"{engine} run --cap-add SYS_ADMIN ..." if engine and is_so_for_all else ""
        return Advice("this root has no CAP_SYS_ADMIN, as in a container", own, outside)
    cause = "only root may do this" + (", or you in a user namespace of your own" if own else "")
    return Advice(cause, own, case.as_root(case.command()))


def _in_own_user_namespace(case: Case) -> str:
    """Return the user's own command line with -r, if that can do what is asked for."""
    request = case.request
    # Inside one, files cannot be bound in the namespaces outside, nor ids be had other than 0 for
    # the user; and setgroups(2), which --setgid begins with, is denied.
    needs_more = request.files or request.uid not in (None, 0) or request.gid is not None
    if needs_more or outcome_of_unshare(CLONE_NEWUSER | request.flags):
        return ""
    letters = "-r"
    if request.proc is not None:  # it is of a PID namespace, that one has to have power over
        letters += "" if case.asks(CLONE_NEWPID) else "p"
        letters += "" if request.fork else "f"
    return case.command(letters)


def limit_reached(case: Case) -> Advice | None:
    """There are as many namespaces as there may be: ENOSPC."""
    machine = case.machine
    asked = [namespace for namespace in NAMESPACES if case.asks(namespace.flag)]
    for namespace in asked:
        if machine.sysctl(namespace.limit_name) == 0:
            return Advice(
                f"{namespace.limit_name} is 0: no {namespace.option} namespaces may be made here",
                case.as_root(f"sysctl -w {namespace.limit_name}={machine.default_limit()}"),
            )
    for namespace in asked:
        if outcome_of_unshare(namespace.flag | case.request.flags & CLONE_NEWUSER) == ENOSPC:
            return _limit_of(case, namespace)
    return None


def _limit_of(case: Case, namespace: Namespace) -> Advice | None:
    """Say which limit is reached, where it is sure which one it is."""
    machine = case.machine
    if namespace.flag == CLONE_NEWPID and machine.pid_depth >= PID_DEPTH:
        return Advice(f"PID namespaces can be nested {PID_DEPTH} deep, and this is the last one")
    limit = machine.sysctl(namespace.limit_name)
    if limit and machine.is_in_initial_user_namespace:
        return Advice(
            f"{namespace.limit_name} is {limit}, and you have that many",
            case.as_root(f"sysctl -w {namespace.limit_name}={2 * limit}"),
        )
    if limit == UNLIMITED:
        return Advice(
            f"this user namespace is nested too deep: those around it, of which there can be "
            f"{PID_DEPTH}, allow no more {namespace.option} namespaces in it; start it further out"
        )
    return None


def not_in_kernel(case: Case) -> Advice | None:
    """The kernel is too old for a kind of namespace, or is built without it: EINVAL."""
    machine = case.machine
    for namespace in NAMESPACES:
        if case.asks(namespace.flag) and machine.has_namespace(namespace) is False:
            release = machine.kernel
            if is_older(release, namespace.since):
                cause = f"--{namespace.option} needs Linux {namespace.since}, and this is {release}"
            else:
                cause = f"this kernel, {release}, is built without {namespace.setting}"
            return Advice(f"{cause}; leave --{namespace.option} out", _left_out(case, namespace))
    return None


def _left_out(case: Case, namespace: Namespace) -> str:
    """Return the user's own command line without a kind of namespace."""
    names = [namespace.option]
    if namespace.flag == CLONE_NEWTIME:
        names += ["monotonic", "boottime"]
    return case.command(without=tuple(names))


def is_older(release: str, version: str) -> bool:
    """Tell whether a release, such as 4.18.0-553.el8, is older than a version, such as 5.6."""
    return _numbers(release) < _numbers(version)


def _numbers(text: str) -> list[int]:
    found = []
    for part in text.split("-")[0].split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
    return found


def children_elsewhere(case: Case) -> Advice | None:
    """A process whose children go to a new PID namespace can ask for no further one: EINVAL."""
    here = case.machine.link("/proc/self/ns/pid")
    if case.asks(CLONE_NEWPID) and here != case.machine.link("/proc/self/ns/pid_for_children"):
        return Advice(
            "the PID namespace for this process's children has been changed already: "
            "add --fork to the unshare that started this one"
        )
    return None
