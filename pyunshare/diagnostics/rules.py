"""Hints: why a launch has failed on this machine, and what to type against it.

This is imported when a launch has failed and somebody is looking, or before a launch leaves what
it would be imported from. The table says what may explain which failure; the first cause that is
found on this machine is told. No cause found, no hint.
"""

from __future__ import annotations

import _signal
from errno import (
    EACCES,
    EAGAIN,
    EINVAL,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    ENOTDIR,
    EPERM,
    ERANGE,
    EROFS,
    EUSERS,
)

from ..errors import Failure
from . import files, maps, namespaces, programs
from .hint import OR, FailureContext, Hint
from .system import System

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Callable

    from ..options.request import Request
    from .hint import Rehearse

    Finder = Callable[[FailureContext], "Hint | None"]
    Rule = tuple[str, tuple[int, ...], str, tuple[Finder, ...]]

PATIENCE = 2.0  # seconds in which a hint is found, or there is none

REFUSED = (EPERM, EACCES)
ANY = ()  # whatever the errno, and none
USAGE = "usage"  # the step of an option or value that is wrong

# The step that failed, for which reasons, what the path of the file ends with that it was about,
# and what may explain it, in order
RULES: tuple[Rule, ...] = (
    (USAGE, ANY, "", (programs.signal_by_number, programs.short_option_with_value)),
    (USAGE, ANY, "", (maps.setgroups_and_group_map,)),
    ("dlopen", ANY, "", (programs.ctypes_is_missing,)),
    ("subids", ANY, "", (maps.unknown_user, maps.no_subordinate_ids)),
    ("open", (ENOENT,), "/etc/subuid", (maps.no_subordinate_ids,)),
    ("open", (ENOENT,), "/etc/subgid", (maps.no_subordinate_ids,)),
    (
        "unshare",
        REFUSED,
        "",
        (
            namespaces.refused_by_filter,
            namespaces.in_chroot,
            namespaces.switched_off,
            namespaces.unmapped_caller,
            namespaces.restricted_by_apparmor,
            namespaces.without_power,
            namespaces.needs_boot_parameter,
            namespaces.confined,
        ),
    ),
    ("unshare", (ENOSYS,), "", (namespaces.refused_by_filter,)),
    ("unshare", (ENOSPC, EUSERS), "", (namespaces.limit_of_zero, namespaces.limit_reached)),
    (
        "unshare",
        (EINVAL,),
        "",
        (
            namespaces.is_windows,
            namespaces.not_in_kernel,
            namespaces.limit_of_zero,
            namespaces.needs_boot_parameter,
            namespaces.second_pid_namespace,
        ),
    ),
    ("fork", (EAGAIN, ENOMEM), "", (namespaces.cannot_fork,)),
    ("execve", (ENOENT,), "newuidmap", (maps.tool_is_missing,)),
    ("execve", (ENOENT,), "newgidmap", (maps.tool_is_missing,)),
    ("execve", REFUSED, "newuidmap", (maps.tool_cannot_get_power,)),
    ("execve", REFUSED, "newgidmap", (maps.tool_cannot_get_power,)),
    ("helper", ANY, "newuidmap", (maps.tool_refuses,)),
    ("helper", ANY, "newgidmap", (maps.tool_refuses,)),
    ("open", (ENOENT,), "_map", (files.proc_is_missing,)),
    ("open", (ENOENT,), "/setgroups", (files.proc_is_missing,)),
    ("open", (EACCES,), "/register", (maps.binary_formats_need_root,)),
    ("open", (EROFS,), "_map", (files.proc_is_read_only,)),
    ("open", (EROFS,), "/setgroups", (files.proc_is_read_only,)),
    ("write", REFUSED, "/proc/self/setgroups", (maps.setgroups_is_decided,)),
    (
        "write",
        REFUSED,
        "/proc/self/uid_map",
        (namespaces.restricted_by_apparmor, maps.root_cannot_map_itself),
    ),
    ("write", REFUSED, "/proc/self/gid_map", (namespaces.restricted_by_apparmor,)),
    ("write", (ERANGE,), "/timens_offsets", (namespaces.offset_out_of_range,)),
    ("write", (*REFUSED, EINVAL), "_map", (maps.map_is_refused,)),
    ("write", ANY, "_map", (maps.map_is_too_long,)),
    ("mount", (ENOSYS,), "", (namespaces.refused_by_filter,)),
    ("mount", REFUSED, "", (namespaces.refused_by_filter,)),
    ("mount", (EINVAL,), "", (files.root_is_no_mount_point, files.file_is_on_shared_mount)),
    (
        "mount",
        (ENOENT,),
        "",
        (files.file_is_missing, files.mount_point_is_missing),
    ),
    ("mount", (ENOTDIR,), "", (files.file_is_a_directory,)),
    ("mount", (ENODEV,), "", (files.binfmt_misc_is_the_hosts,)),
    (
        "mount",
        (EPERM,),
        "",
        (
            files.proc_without_pid_namespace,
            files.proc_is_covered,
            files.binding_needs_power,
            files.binfmt_misc_is_the_hosts,
        ),
    ),
    ("mount", REFUSED, "", (namespaces.restricted_by_apparmor, namespaces.confined)),
    ("chroot", (EPERM,), "", (namespaces.without_power,)),
    ("chroot", (EACCES,), "", (programs.file_system_refuses_root,)),
    ("chdir", (ENOENT,), "", (files.directory_is_inside_root,)),
    ("chdir", (EACCES,), "", (programs.file_system_refuses_root,)),
    (
        "setgroups",
        (EPERM,),
        "",
        (namespaces.owner_is_for_root, namespaces.without_power, maps.groups_cannot_change),
    ),
    ("setgid", (EPERM,), "", (namespaces.without_power,)),
    ("setuid", (EPERM,), "", (namespaces.owner_is_for_root, namespaces.without_power)),
    ("setgid", (EINVAL,), "", (maps.id_is_not_mapped,)),
    ("setuid", (EINVAL,), "", (maps.id_is_not_mapped,)),
    (
        "execve",
        (ENOENT,),
        "",
        (programs.value_taken_for_program, programs.program_is_missing),
    ),
    (
        "execve",
        (EACCES,),
        "",
        (
            programs.value_taken_for_program,
            programs.program_is_not_executable,
            programs.file_system_refuses_root,
        ),
    ),
)


class Hints:
    """The hints for one launch, whose failures are yet to come.

    They are given ``rehearse``, which does all of a launch but the program, in a process that is
    made for it. Without it the root or the user is another one by now: then no other command line
    is tried, and nothing is read but the file that the failure is about.
    """

    def __init__(
        self,
        name: str,
        argv: list[str],
        request: Request,
        system: System | None = None,
    ) -> None:
        self._name = name
        self._argv = argv
        self._request = request
        self._system = system or System()
        self._before_start: Hint | None = None

    def prepare(self, rehearse: Rehearse | None = None) -> None:
        """Get ready for failures when the root or the user is another one, and for the start."""
        request = self._request
        self._before_start = programs.shell_without_fork(self._context(Failure(""), rehearse))
        if request.root is not None or request.changes_credentials:
            self._system.remember(request.users.caller)

    def about(self, failure: Failure | None, rehearse: Rehearse | None = None) -> str:
        """Return the lines that are to follow the message of a failure.

        With None, return what is to be said before the program starts.
        """
        hint = self._before_start if failure is None else self.find(failure, rehearse)
        if hint is None:
            return ""
        lines = [hint.cause]
        if hint.commands:
            lines.append("type: " + OR.join(hint.commands))
        return "".join(f"{self._name}: hint: {line}\n" for line in lines)

    def find(self, failure: Failure, rehearse: Rehearse | None = None) -> Hint | None:
        """Return the hint for a failure, if one is found in time."""
        if failure.reported and failure.status in (126, 127):
            return None  # it could not be executed, which the process has reported that tried
        if rehearse is None:
            self._system.close()
        step = failure.step or USAGE
        context = self._context(failure, rehearse)
        before = _signal.signal(_signal.SIGALRM, _give_up)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGALRM])
        _signal.setitimer(_signal.ITIMER_REAL, PATIENCE)
        try:
            for rule_step, reasons, ending, finders in RULES:
                if step != rule_step or not context.path.endswith(ending):
                    continue
                if reasons and failure.errno not in reasons:
                    continue
                for finder in finders:
                    hint = finder(context)
                    if hint:
                        return hint
        except _OutOfTime:
            pass
        finally:
            _signal.setitimer(_signal.ITIMER_REAL, 0)
            _signal.signal(_signal.SIGALRM, before)
        return None

    def _context(self, failure: Failure, rehearse: Rehearse | None) -> FailureContext:
        return FailureContext(
            self._name, self._argv, self._request, self._system, failure, rehearse
        )


class _OutOfTime(BaseException):
    """What no other code takes for an error of its own."""


def _give_up(signal: int, frame: FrameType | None) -> None:
    raise _OutOfTime
