"""Why namespaces cannot be made, or give no power: see user_namespaces(7), namespaces(7)."""

from __future__ import annotations

import posix
import sys
from errno import EAGAIN, EINVAL, ENOSPC, EPERM, EUSERS

from ..syscalls import CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER
from .commands import Command
from .hint import LIFTING, FailureContext, Hint, tool
from .probes import (
    CAP_SETGID,
    CAP_SYS_ADMIN,
    filter_refuses,
    filter_refuses_mount,
)
from .programs import soon_cannot_fork
from .system import NAMESPACES, PID_DEPTH, UNLIMITED, Namespace, real_path, release_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options.idmaps import IdMap

USERNS_CLONE = "kernel.unprivileged_userns_clone"  # Debian's and Arch's own
APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"  # Ubuntu's, since 23.10

# The profile in packaging/apparmor: where packages have it, where it is enabled, and what it is for
PROFILE_AS_DOCUMENTATION = "/usr/share/doc/pyunshare/apparmor/pyunshare"
PROFILE = "/etc/apparmor.d/pyunshare"
PROFILE_NOTE = "the profile gives it to pyunshare, and so to everybody who may run that"
CONFINED_BY_PROFILE = tuple(
    f"{prefix}/bin/pyunshare" for prefix in ("/usr", "/usr/local", "/opt/pyunshare")
)

# Switches, with the values by which user namespaces are for root only, and for everybody; the
# last one is ALT's
SWITCHES = ((USERNS_CLONE, 0, 1), ("kernel.userns_restrict", 1, 0))


# ---- refused -----------------------------------------------------------------------------------


def refused_by_filter(context: FailureContext) -> Hint | None:
    """A seccomp(2) filter answers before the kernel does."""
    system = context.system
    if system.status("Seccomp") == "0":
        return None
    if context.failure.step == "mount":
        call, is_refused = "mount(2)", filter_refuses_mount()
    else:
        call, is_refused = "unshare(2)", filter_refuses(context.request.flags)
    if not is_refused:
        return None
    engine = system.container_engine
    if engine and system.first_process_has_filter:
        return Hint(
            f"the seccomp filter of this container refuses {call}: start it with a profile that "
            f"allows it, or with {LIFTING[engine]['seccomp']}, which lifts the filter for all that "
            "runs in it"
        )
    if system.unit:
        return Hint(
            f"a seccomp filter refuses {call}, such as RestrictNamespaces= or SystemCallFilter= in "
            "the unit {} sets",
            system.unit,
        )
    return Hint(f"a seccomp filter, set by what started this process, refuses {call}")


def in_chroot(context: FailureContext) -> Hint | None:
    """Where the root directory is not the mount namespace's, there is no new user namespace."""
    if context.asks(CLONE_NEWUSER) and context.system.is_chrooted:
        return Hint(
            "the kernel makes no user namespace inside a chroot: start it outside, with --root "
            "and the directory"
        )
    return None


def switched_off(context: FailureContext) -> Hint | None:
    """A switch of the distribution's leaves user namespaces to root."""
    system = context.system
    if not context.asks(CLONE_NEWUSER) or system.has_capability(CAP_SYS_ADMIN):
        return None
    for switch, off, on in SWITCHES:
        if system.sysctl(switch) == off:
            note = f"{switch}={on} lets every user make user namespaces"
            return Hint(
                f"{switch} is {off}: only root may make user namespaces",
                type=(context.line_as_root(), context.setting(switch, on, note)),
            )
    return None


def needs_boot_parameter(context: FailureContext) -> Hint | None:
    """The kernel of RHEL 7 has user namespaces only if it is started with a parameter."""
    system = context.system
    if not context.asks(CLONE_NEWUSER) or ".el7" not in system.kernel:
        return None
    given = system.read("/proc/cmdline").split()
    is_off = context.failure.errno == EINVAL
    parameter = "user_namespace.enable=1" if is_off else "namespace.unpriv_enable=1"
    if parameter.encode() in given:
        return None
    return Hint(
        f"this kernel, {{}}, has to be started with {parameter} for that, which lets every user "
        "make user namespaces",
        system.kernel,
    )


def is_windows(context: FailureContext) -> Hint | None:
    """WSL 1 is no Linux, and has few namespaces."""
    if not context.system.kernel.endswith("-Microsoft"):
        return None
    return Hint("this is WSL 1, which has few of the namespaces: WSL 2 has them")


def restricted_by_apparmor(context: FailureContext) -> Hint | None:
    """AppArmor refuses user namespaces to ordinary users, or gives them no capabilities."""
    system = context.system
    is_for_root = not context.asks(CLONE_NEWUSER) or not context.request.users.caller
    if is_for_root or not system.sysctl(APPARMOR):
        return None
    # A program with a profile of its own is not restricted; the others get this one for it.
    if system.security_label and not system.security_label.startswith("unprivileged_userns "):
        return None
    cause = f"{APPARMOR} is 1: AppArmor gives ordinary users' user namespaces no power"
    note = f"{APPARMOR}=0 lifts this for every program"
    return Hint(
        f"{cause}, except those of programs with a profile that allows it",
        type=(_profile_loaded(context), context.setting(APPARMOR, 0, note)),
    )


def _profile_loaded(context: FailureContext) -> Command | None:
    """Return the command that enables the profile for this command, where it is installed."""
    if real_path(sys.argv[0]) not in CONFINED_BY_PROFILE:
        return None
    loading = Command(tool("apparmor_parser"), "--replace", PROFILE, note=PROFILE_NOTE)
    if not context.system.exists(PROFILE):
        if not context.system.exists(PROFILE_AS_DOCUMENTATION):
            return None
        directory = PROFILE.rpartition("/")[0] + "/"
        copying = Command("install", "-m", "644", PROFILE_AS_DOCUMENTATION, directory)
        loading = copying.then(loading)
    return context.as_root(loading)


def confined(context: FailureContext) -> Hint | None:
    """AppArmor or SELinux confines this process, as they do in containers: EACCES."""
    label = context.system.security_label
    if label.endswith(" (enforce)"):
        profile = label.partition(" (")[0]
        cause = "AppArmor's profile {}, which confines this process, does not allow it"
        engine = context.system.container_engine
        if engine:
            cause += (
                f": start the container with one that does, or with {LIFTING[engine]['apparmor']}, "
                "which lifts it for all that runs in it"
            )
        return Hint(cause, profile)
    fields = label.split(":")
    if len(fields) >= 4 and fields[2] not in ("unconfined_t", "init_t", "kernel_t"):
        return Hint(
            "SELinux does not allow it to this process, whose type is {}: `ausearch -m avc` tells "
            "what was refused",
            fields[2],
        )
    return None


def unmapped_caller(context: FailureContext) -> Hint | None:
    """Without an id in this user namespace, nobody may make another one in it."""
    if not context.asks(CLONE_NEWUSER):
        return None
    for id_map in (context.request.users, context.request.groups):
        if not context.system.exists(f"/proc/self/{id_map.kind}_map"):
            continue
        is_mapped = any(line.has(id_map.caller) for line in context.system.id_map(id_map.kind))
        if not is_mapped or _only_looks_mapped(context, id_map):
            return Hint(
                f"your {id_map.kind} is not mapped in the user namespace that you are in, where it "
                f"shows as {id_map.caller}, and then it can have none inside"
            )
    return None


def _only_looks_mapped(context: FailureContext, id_map: IdMap) -> bool:
    """Return whether an id is the one that all ids without a mapping show as.

    That one may be mapped, to another: then one cannot become it.
    """
    if id_map.caller != context.system.sysctl(f"kernel.overflow{id_map.kind}"):
        return False
    if id_map.kind == "uid":
        return context.system.outcome(lambda: posix.setresuid(-1, id_map.caller, -1)) == EPERM
    return context.system.outcome(lambda: posix.setresgid(-1, id_map.caller, -1)) == EPERM


def owner_is_for_root(context: FailureContext) -> Hint | None:
    """The namespace was to be given to another owner, who one has to become first."""
    owner = context.request.users.owner, context.request.groups.owner
    if owner == (None, None) or context.system.has_capability(CAP_SETGID):
        return None
    return Hint(
        "only root may give the new user namespace to another owner",
        type=(context.line_as_root(),),
    )


def without_power(context: FailureContext) -> Hint | None:
    """Without a user namespace of its own, a process needs CAP_SYS_ADMIN for the others."""
    if context.asks(CLONE_NEWUSER) or context.system.has_capability(CAP_SYS_ADMIN):
        return None
    own = _in_own_user_namespace(context)
    command = context.offer(own) if own else None
    if context.request.users.caller == 0:
        engine = context.system.container_engine
        is_so_for_all = not context.system.can_ever_have(CAP_SYS_ADMIN, "1")
        outside = (
            f": only {LIFTING[engine]['capability']} gives it that, and with it most of the power "
            "over this machine"
            if engine and is_so_for_all
            else ""
        )
        return Hint(f"this root has no CAP_SYS_ADMIN, as in a container{outside}", type=(command,))
    cause = "only root may do this"
    if command:
        cause += ", or you in a user namespace of your own"
        if soon_cannot_fork(context):
            cause += "; with --fork, for a shell could soon start no command otherwise"
    return Hint(cause, type=(command, context.line_as_root()))


def _in_own_user_namespace(context: FailureContext) -> list[str]:
    """Return the user's own command line in a user namespace, if that works."""
    request = context.request
    # Inside one, files cannot be bound in the namespaces outside, nor ids be had other than 0 for
    # the user; and setgroups(2), which --setgid begins with, is denied.
    if request.files or request.uid not in (None, 0) or request.gid is not None:
        return []
    letters = ""
    if request.proc is not None:  # it is of a PID namespace, that one has to have power over
        letters += "" if context.asks(CLONE_NEWPID) else "p"
    if not request.fork and (request.proc is not None or soon_cannot_fork(context)):
        letters += "f"
    for user in ("-r", "-U"):
        line = context.line(user + letters)
        if context.works(line):
            return line
    return []


# ---- there are too many ------------------------------------------------------------------------


def limit_of_zero(context: FailureContext) -> Hint | None:
    """There may be none: ENOSPC, or EINVAL on RHEL 7."""
    system = context.system
    for namespace in NAMESPACES:
        name = namespace.limit_name
        if context.asks(namespace.flag) and system.sysctl(name) == 0:
            return Hint(
                f"{name} is 0: no {namespace.option} namespaces can be made here",
                type=(context.setting(name, system.default_limit()),),
            )
    return None


def limit_reached(context: FailureContext) -> Hint | None:
    """There are as many namespaces as there may be: ENOSPC, or EUSERS before Linux 4.9."""
    system = context.system
    for namespace in NAMESPACES:
        if context.asks(namespace.flag):
            flags = namespace.flag | context.request.flags & CLONE_NEWUSER
            if system.outcome_of_unshare(flags) in (ENOSPC, EUSERS):
                return _limit_of(context, namespace)
    return None


def _limit_of(context: FailureContext, namespace: Namespace) -> Hint | None:
    """Say which limit is reached, as far as that can be known."""
    system = context.system
    # The mounted proc may not show all of them: that of a container begins with the container's.
    if namespace.flag == CLONE_NEWPID and system.pid_depth >= PID_DEPTH - _HIDDEN_DEPTH:
        return Hint(
            f"PID namespaces can be nested {PID_DEPTH} deep, counted from the machine's own, and "
            f"this is the last one: it is {system.pid_depth} deep as seen from here"
        )
    name = namespace.limit_name
    limit = system.sysctl(name)
    if limit is None:
        return None
    if limit == UNLIMITED or not system.is_in_initial_user_namespace:
        too_deep = f", or it is nested too deep, {PID_DEPTH} being the limit" * (
            namespace.flag == CLONE_NEWUSER
        )
        if limit == UNLIMITED:
            return Hint(
                f"a user namespace around this one allows no more {namespace.option} "
                f"namespaces{too_deep}: start it further out"
            )
        return Hint(
            f"there are as many {namespace.option} namespaces as {name} allows in this user "
            f"namespace, {limit}, or one around it allows no more{too_deep}",
            type=(context.setting(name, 2 * limit),),
        )
    return Hint(
        f"you have as many {namespace.option} namespaces as {name} allows, {limit}: `lsns` lists "
        "them",
        type=(context.setting(name, 2 * limit),),
    )


_HIDDEN_DEPTH = 8  # as deep as containers in containers can reasonably be


def cannot_fork(context: FailureContext) -> Hint | None:
    """fork(2) is refused: there are too many processes, or the PID namespace has ended."""
    if context.system.outcome(lambda: None) == 0:
        return None  # by now it works
    if context.failure.errno == EAGAIN:
        limit = context.system.limit_of_processes
        if limit is None:
            return None
        return Hint("there are as many processes as {} allows, {}", *limit)
    if not context.asks(CLONE_NEWPID) and children_are_elsewhere(context):
        return Hint(
            "the first process of the PID namespace that children go to has ended, and then "
            "there can be no other: add --fork to the unshare that started this shell"
        )
    return None


# ---- not there ---------------------------------------------------------------------------------


def not_in_kernel(context: FailureContext) -> Hint | None:
    """The kernel is too old for a kind of namespace, or is built without it: EINVAL."""
    system = context.system
    for namespace in NAMESPACES:
        if context.asks(namespace.flag) and system.has_namespace(namespace) is False:
            release = system.kernel
            if is_older(release, namespace.since):
                cause = f"--{namespace.option} needs Linux {namespace.since}, and this is {{}}"
            else:
                cause = f"this kernel, {{}}, is built without {namespace.setting}"
            left_out = context.offer(_left_out(context, namespace))
            return Hint(f"{cause}; leave --{namespace.option} out", release, type=(left_out,))
    return None


def _left_out(context: FailureContext, namespace: Namespace) -> list[str]:
    """Return the user's own command line without a kind of namespace."""
    names = [namespace.option]
    if namespace.flag == CLONE_NEWTIME:
        names += ["monotonic", "boottime"]
    return context.line(without=tuple(names))


def is_older(release: str, version: str) -> bool:
    """Return whether a release, such as 4.18.0-553.el8, is older than a version, such as 5.6."""
    return release_numbers(release) < release_numbers(version)


def second_pid_namespace(context: FailureContext) -> Hint | None:
    """A process whose children go to a new PID namespace can ask for no further one: EINVAL."""
    if context.asks(CLONE_NEWPID) and children_are_elsewhere(context):
        return Hint(
            "the PID namespace for this process's children has been changed already: "
            "add --fork to the unshare that started this one"
        )
    return None


def children_are_elsewhere(context: FailureContext) -> bool:
    """Return whether this process and its children are in different PID namespaces."""
    system = context.system
    here = system.link("/proc/self/ns/pid")
    return here != "" and here != system.link("/proc/self/ns/pid_for_children")


def offset_out_of_range(context: FailureContext) -> Hint | None:
    """A clock would be before 0, or in the far future: ERANGE."""
    return Hint(
        "a clock with this offset would be below 0, or beyond what the kernel can count (146 years)"
    )
