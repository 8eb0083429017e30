"""Sandboxes of this machine's kernel, in which every launch is compared with the reference."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable

from tests.debian_roots import CLONE
from tests.everywhere.environment import CannotBeMade, Environment, Visit
from tests.everywhere.kit import kit
from tests.everywhere.pythons import launches, plain_root

LAUNCHES = [sys.executable, "-IS", str(Path(__file__).with_name("launches.py"))]
EPERM, ENOSYS = 1, 38

# What a container of Docker keeps of root's capabilities: CHOWN, DAC_OVERRIDE, FOWNER, FSETID,
# KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP
CAPABILITIES_OF_DOCKER = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")
# What its filter refuses without CAP_SYS_ADMIN and the like
NAMESPACE_FLAGS = 0x7E020000
REFUSED_BY_DOCKER = (
    *("bpf", "fsconfig", "fsmount", "fsopen", "keyctl", "mount", "mount_setattr", "move_mount"),
    *("open_tree", "pivot_root", "setdomainname", "sethostname", "setns", "umount2", "unshare"),
    f"clone:{NAMESPACE_FLAGS}",
)

ONLY_BUSYBOX = """
cp /bin/busybox /busybox
cp /usr/bin/python3.13 /python
/busybox rm -rf /usr/bin /usr/sbin /usr/share /var/lib /opt/packages /opt/minimal
/busybox mkdir /usr/bin /usr/sbin
/busybox mv /python /usr/bin/python3
/busybox mv /busybox /usr/bin
/usr/bin/busybox --install -s
"""
# The names say whether useradd gives them subordinate ids
USERS = ("with-ids", "without-ids")
MAKE_USERS = f"""
apt-get -qq install --no-install-recommends uidmap
useradd --create-home {USERS[0]}
useradd --create-home --system {USERS[1]}
for user in {" ".join(USERS)}; do cp -r {CLONE} /home/$user; chown -R $user: /home/$user; done
"""
TESTS_BY_A_USER = """
cd
cd pyunshare
/usr/bin/python3 -m pytest -m 'not thorough'
"""

Words = Sequence[str]
Kit = Mapping[str, str]


def conditions(*words: str) -> Callable[[Kit], dict[str, Words]]:
    """Return what sets conditions by `start`."""

    def parts(kit: Kit) -> dict[str, Words]:
        start = f"{kit['PYUNSHARE_COMPILED']}/start"
        return {"launches": [start, *words, "--", start]}

    return parts


def refusing(error: int, *calls: str) -> list[str]:
    """Return the conditions under which calls fail."""
    return [
        f"refuse_call={error}:{name}{colon}{flags}"
        for name, colon, flags in (call.partition(":") for call in calls)
    ]


def docker(kit: Kit) -> dict[str, Words]:
    """Return what starts programs as in a container of Docker: capabilities, filter, /proc/sys."""
    last = int(LAST_CAPABILITY.read_text())
    dropped = sorted({*range(last + 1)} - CAPABILITIES_OF_DOCKER)
    filters = [*refusing(EPERM, *REFUSED_BY_DOCKER), *refusing(ENOSYS, "clone3")]
    words = [*filters, *(f"bounding={number}" for number in dropped)]
    return conditions("unshare=0x20000000", *words)(kit)


def bubblewrap(kit: Kit) -> dict[str, Words]:
    """Return what starts programs by bwrap: by root, with and without privileges, and by a user."""
    if not shutil.which("bwrap"):
        raise CannotBeMade("missing tool: bwrap")
    bwrap = ["bwrap", "--dev-bind", "/", "/"]
    everything = [*bwrap, "--unshare-all", "--proc", "/proc"]
    return {
        "launches by root": [*bwrap, "--proc", "/proc", "--cap-add", "ALL", "--"],
        "launches by root, no capabilities": [*everything, "--"],
        "launches by a user": [
            *[f"{kit['PYUNSHARE_COMPILED']}/start", "user=61002:61002:", "--"],
            *["/usr/bin/bwrap", *everything, "--"],
        ],
    }


def read_only(kit: Kit) -> dict[str, Words]:
    """Return what starts programs where nothing can be written to."""
    start = f"{kit['PYUNSHARE_COMPILED']}/start"
    remount = 'mount -o remount,bind,ro / && exec "$@"'
    return {"launches": [start, "mounts", "--", "/bin/sh", "sh", "-c", remount, "sh"]}


def nested(kit: Kit) -> dict[str, Words]:
    """Return what starts programs as deep in namespaces as the kernel allows, and one less deep."""
    reference = kit["PYUNSHARE_REFERENCE"]
    users = deepest([reference, "-r"])
    processes = deepest([reference, "-p", "-f", "--mount-proc"])
    return {
        f"launches in {users} user namespaces": [reference, "-r"] * users,
        f"launches in {users - 1} user namespaces": [reference, "-r"] * (users - 1),
        f"launches in {processes} PID namespaces": [reference, "-p", "-f", "--mount-proc"]
        * processes,
    }


def deepest(step: Sequence[str]) -> int:
    """Return how often a step into namespaces can be taken."""
    for times in range(1, 100):
        done = subprocess.run([*step * times, "true"], stderr=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            return times - 1
    raise CannotBeMade("this kernel has no limit of nested namespaces")


def busybox(visit: Visit) -> None:
    """Compare the launches where there is no other program than busybox and Python."""
    with plain_root(visit) as (root, variables):
        visit.do(root, ONLY_BUSYBOX)
        visit.run("launches", launches(root, variables))


def ordinary_users(visit: Visit) -> None:
    """Run the tests as users who are not root: what needs root is skipped."""
    with plain_root(visit) as (root, variables):
        visit.do(root, MAKE_USERS)
        del variables["PYUNSHARE_COMMAND"]  # theirs is that of the clone
        for user in USERS:
            given = {**variables, "HOME": f"/home/{user}", "HYPOTHESIS_PROFILE": "few"}
            words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
            line = [*words, "sh", "-euc", TESTS_BY_A_USER]
            visit.run(f"tests by a user {user.replace('-', ' ')}", root.line(line, given))


def run(parts: Callable[[Kit], Mapping[str, Words]], visit: Visit) -> None:
    """Compare the launches in a sandbox."""
    given = kit(visit.directory / "kit")
    visit.directory.chmod(0o755)
    for what, before in parts(given).items():
        visit.run(what, [*LAUNCHES, *before], given)


def sandbox(
    name: str, purpose: str, parts: Callable[[Kit], Mapping[str, Words]], made: str = "a filter"
) -> Environment:
    """Return the environment of a sandbox."""
    return Environment(name, purpose, made, functools.partial(run, parts), is_quick=True)


ENVIRONMENTS = [
    sandbox("bwrap", "bubblewrap, as root and as a user", bubblewrap, "bubblewrap of Debian"),
    sandbox(
        "docker", "Docker's capabilities and filter", docker, "a bounding set and seccomp filters"
    ),
    sandbox(
        "enosys",
        "a filter that denies that there is unshare(2), mount(2), pidfd_open(2) and clone3(2)",
        conditions(*refusing(ENOSYS, "unshare", "mount", "pidfd_open", "clone3")),
    ),
    sandbox("killing", "a filter that kills at unshare(2)", conditions("kill_at=unshare")),
    sandbox("no-new-privs", "no_new_privs", conditions("no_new_privs"), "prctl(2)"),
    sandbox("no-proc", "no /proc", conditions("mounts", "tmpfs=/proc"), "an empty /proc"),
    sandbox("read-only", "nothing can be written", read_only, "a remount"),
    Environment(
        "busybox",
        "no other programs than busybox and Python",
        "busybox-static and python3 of trixie, all other programs removed",
        busybox,
        is_quick=True,
    ),
    Environment(
        "ordinary-users",
        "users who are not root, with and without subordinate ids",
        "python3 of trixie",
        ordinary_users,
        is_quick=True,
    ),
    sandbox(
        "nested", "no more namespaces can be nested", nested, "32 user or PID namespaces"
    )._replace(is_quick=False),
]
