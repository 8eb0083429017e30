"""Hints: why a launch has failed on this machine, and what to type against it.

The command imports this when a launch has failed and somebody is looking, or before it leaves
what it would be imported from. The table says which advice is about which failure; the first
that finds its cause on this machine is given. No cause found, no hint.
"""

from __future__ import annotations

from errno import EACCES, EINVAL, ENOENT, ENOSPC, EPERM

from ..errors import Failure, ReportedFailure
from ..syscalls import CLONE_NEWPID
from . import files, maps, namespaces
from .advice import OR, Advice, Case, split
from .system import Machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..options.request import Request

    Finder = Callable[[Case], "Advice | None"]

REFUSED = (EPERM, EACCES)
NOT_EXECUTED = (126, 127)  # statuses of a program that is told to have failed to execute
ANY = None  # whatever the errno, and none

# How the message of a failing step begins, the reasons, and what may explain them, in order
RULES: tuple[tuple[str, tuple[int, ...] | None, tuple[Finder, ...]], ...] = (
    (
        "unshare failed",
        REFUSED,
        (
            namespaces.refused_by_filter,
            namespaces.in_chroot,
            namespaces.switched_off,
            namespaces.unmapped_caller,
            namespaces.without_power,
        ),
    ),
    ("unshare failed", (ENOSPC,), (namespaces.limit_reached,)),
    ("unshare failed", (EINVAL,), (namespaces.not_in_kernel, namespaces.children_elsewhere)),
    ("no line matching user ", ANY, (maps.no_subordinate_ids,)),
    ("could not open '/etc/sub", (ENOENT,), (maps.no_subordinate_ids,)),
    ("failed to execute newuidmap", (ENOENT,), (maps.tool_is_missing,)),
    ("failed to execute newgidmap", (ENOENT,), (maps.tool_is_missing,)),
    ("newuidmap failed", ANY, (maps.tool_refuses,)),
    ("newgidmap failed", ANY, (maps.tool_refuses,)),
    ("failed to open /proc/", (ENOENT,), (files.proc_is_missing,)),
    ("failed to write /proc/", (*REFUSED, EINVAL), (maps.map_is_refused,)),
    ("/proc/", ANY, (maps.map_is_too_long,)),
    ("cannot open /proc/self/", (ENOENT,), (files.proc_is_missing,)),
    ("write failed /proc/self/setgroups", REFUSED, (maps.setgroups_is_decided,)),
    ("write failed /proc/self/", REFUSED, (namespaces.restricted_by_apparmor,)),
    ("options --setgroups=allow and --map-group", ANY, (maps.setgroups_and_group_map,)),
    (
        "cannot change root filesystem propagation",
        REFUSED,
        (namespaces.restricted_by_apparmor,),
    ),
    ("cannot change root filesystem propagation", (EINVAL,), (files.root_is_no_mount_point,)),
    ("cannot change root directory to ", (EPERM,), (namespaces.without_power,)),
    ("mount /proc/", (ENOENT,), (files.file_is_missing,)),
    ("mount /proc/", (EINVAL,), (files.file_is_on_shared_mount,)),
    (
        "mount ",
        (EPERM,),
        (
            files.proc_without_pid_namespace,
            files.proc_is_covered,
            files.binding_needs_power,
            files.binfmt_misc_is_the_hosts,
        ),
    ),
    ("mount ", REFUSED, (namespaces.restricted_by_apparmor,)),
    ("mount ", (ENOENT,), (files.mount_point_is_missing,)),
    (
        "setgroups failed",
        (EPERM,),
        (namespaces.owner_is_for_root, namespaces.without_power, maps.groups_cannot_change),
    ),
    ("setgid() failed", (EPERM,), (namespaces.without_power,)),
    ("setuid() failed", (EPERM,), (namespaces.owner_is_for_root, namespaces.without_power)),
    ("setgid() failed", (EINVAL,), (maps.id_is_not_mapped,)),
    ("setuid() failed", (EINVAL,), (maps.id_is_not_mapped,)),
    ("failed to execute ", (ENOENT,), (files.program_is_missing,)),
    (
        "failed to execute ",
        (EACCES,),
        (files.value_taken_for_program, files.program_is_not_executable),
    ),
)

SHELLS = ("sh", "ash", "bash", "busybox", "dash", "fish", "ksh", "mksh", "tcsh", "zsh")


class Hints:
    """The hints for one launch, whose failures are yet to come."""

    def __init__(self, name: str, argv: list[str], request: Request, root: str = "") -> None:
        self._machine = Machine(root)
        self._case = Case(name, argv, request, split(argv)[1], self._machine)
        self._before_start = ""

    def prepare(self) -> None:
        """Get ready for failures when the root or the user is another one, and for the start."""
        request = self._case.request
        self._before_start = self._lines(shell_without_fork(self._case))
        if request.root is not None or request.changes_credentials:
            self._machine.remember(request.users.caller)

    def about(self, failure: Failure | None) -> str:
        """Return the lines that are to follow the message of a failure.

        With None, return what is to be said before the program starts.
        """
        if failure is None:
            return self._before_start
        if isinstance(failure, ReportedFailure) and failure.status in NOT_EXECUTED:
            return ""
        return self._lines(find(self._case.about(failure.message, failure.errno)))

    def _lines(self, advice: Advice | None) -> str:
        if advice is None:
            return ""
        lines = [advice.cause]
        if advice.commands:
            lines.append("type: " + OR.join(advice.commands))
        start = f"{self._case.name}: hint: "
        return "".join(f"{start}{_printable(line)}\n" for line in lines)


def shell_without_fork(case: Case) -> Advice | None:
    """A launch that works, of a program that soon will not."""
    is_shell = not case.program or case.program[0].rpartition("/")[2] in SHELLS
    if not is_shell or not case.asks(CLONE_NEWPID) or case.request.fork:
        return None
    return Advice(
        "without --fork, the shell is outside of the new PID namespace, and when its first "
        "command has ended it can start no other",
        case.command("--fork"),
    )


def find(case: Case) -> Advice | None:
    """Return the first advice that the table has for a failure."""
    for beginning, reasons, finders in RULES:
        if case.message.startswith(beginning) and (reasons is ANY or case.errno in reasons):
            for finder in finders:
                advice = finder(case)
                if advice:
                    return advice
    return None


def _printable(text: str) -> str:
    """Return text for a terminal: a name from a new root may be made to confuse it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
