"""What was asked: the options with their values checked, and nothing done yet.

A value is checked when it is met, as options act from left to right. The only things read from
the machine are those that a value stands for: user names, subordinate ids, the caller's map.
"""

import _signal
import posix

from ..errors import Failure
from ..syscalls import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
)
from .idmaps import IdMap
from .table import ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable

PROC = "/proc"
BINFMT_MISC = "/proc/sys/fs/binfmt_misc"

PROPAGATION = {"slave": MS_SLAVE, "private": MS_PRIVATE, "shared": MS_SHARED, "unchanged": 0}

_FLAGS = {name: flags for name, _, _, flags, _, _ in ROWS}


class Request:
    """A launch as it was asked for; None, False or empty is "not asked for"."""

    def __init__(self) -> None:
        self.flags = 0  # CLONE_NEW* bits
        self.files: dict[int, str] = {}  # where to bind a new namespace, by its bit
        self.fork = False
        self.kill_child: int | None = None
        self.forward_signals = False
        self.proc: str | None = None
        self.binfmt_misc: str | None = None
        self.binary_format: str | None = None
        self.users = IdMap("uid", posix.geteuid())
        self.groups = IdMap("gid", posix.getegid())
        self.propagation = MS_PRIVATE  # 0: left as it is
        self.setgroups: str | None = None
        self.keep_caps = False
        self.uid: int | None = None
        self.gid: int | None = None
        self.root: str | None = None
        self.wd: str | None = None
        self.clock_offsets: dict[int, int] = {}  # seconds, by clock number
        self.clear_env = False
        self.kept_variables: list[str] = []

    @classmethod
    def from_options(cls, options: "Iterable[tuple[str, str | None]]") -> "Request":
        """Return what these options ask for, each a name and a value. Raises Failure."""
        request = cls()
        for name, value in options:
            request.add(name, value)
        request.check()
        return request

    def add(self, name: str, value: "str | None") -> None:
        """Take in one option. Raises Failure for a value that is none.

        It does so too where the machine does not have what the value stands for.
        """
        self.flags |= _FLAGS[name]
        _ACTIONS[name](self, name, value)

    def check(self) -> None:
        """Raise Failure if the options, each of them good, do not go together."""
        self.fork = self.fork or self.forward_signals or self.kill_child is not None
        if self.clock_offsets and not self.flags & CLONE_NEWTIME:
            raise Failure(
                "options --monotonic and --boottime require unsharing of a time namespace (-T)"
            )

    def check_setgroups(self) -> None:
        """Raise Failure if setgroups(2) is to be allowed, but one group mapped.

        That mapping denies it. The command looks only when it comes to the map, as the reference
        does.
        """
        if self.groups.is_single and self.setgroups == "allow":
            raise Failure("options --setgroups=allow and --map-group are mutually exclusive")

    @property
    def needs_helper(self) -> bool:
        """Whether files are to be bound or ranges of ids mapped, by a process for it or by this."""
        return bool(self.files) or self.users.needs_mapper or self.groups.needs_mapper

    @property
    def changes_credentials(self) -> bool:
        """Whether user or group are to be changed, before unshare(2) or after."""
        ids = self.users.owner, self.groups.owner, self.uid, self.gid
        return ids != (None, None, None, None)

    @property
    def keeps_capabilities(self) -> bool:
        """Whether there will be capabilities to keep, those that a user namespace gives."""
        return self.keep_caps and bool(self.flags & CLONE_NEWUSER)

    @property
    def needs_c_library(self) -> bool:
        """Whether there is something to call that CPython has no function for."""
        makes_mounts = self.flags & CLONE_NEWNS or self.files
        return bool(makes_mounts) or self.keeps_capabilities or self.kill_child is not None

    @property
    def needs_hints_early(self) -> bool:
        """Whether hints cannot wait for a failure: the root or the user will be another by then.

        Or the failure is the program's: a shell outside of its PID namespace.
        """
        lacks_fork = self.flags & CLONE_NEWPID and not self.fork
        return self.root is not None or self.changes_credentials or bool(lacks_fork)


# What each option does to a request. Each function is given the option's name and its value: text
# where the option requires one, and text or None where the value is optional.


def _set(request: Request, name: str, value: "str | None") -> None:
    setattr(request, name.replace("-", "_"), True if value is None else value)


def _bind(request: Request, name: str, value: "str | None") -> None:
    if value is not None:
        request.files[_FLAGS[name]] = value


def _kill_child(request: Request, name: str, value: "str | None") -> None:
    request.kill_child = _signal.SIGKILL
    if value is not None:
        from .signals import signal_number

        request.kill_child = signal_number(value)


def _set_proc(request: Request, name: str, value: "str | None") -> None:
    request.proc = PROC if value is None else value


def _mount_binfmt(request: Request, name: str, value: "str | None") -> None:
    request.binfmt_misc = BINFMT_MISC if value is None else value
    if value is None and request.proc is None:  # its place is in /proc, and in the new one
        request.proc = PROC


def _load_interp(request: Request, name: str, value: str) -> None:
    if request.binfmt_misc is None:
        _mount_binfmt(request, name, None)
    request.binary_format = value


def _map_id(request: Request, name: str, value: str) -> None:
    from .accounts import user_or_group_id

    id_map = request.users if name == "map-user" else request.groups
    id_map.single = user_or_group_id(id_map.kind, value)


def _map_to_caller(request: Request, name: str, value: None) -> None:
    for id_map in (request.users, request.groups):
        id_map.single = 0 if name == "map-root-user" else id_map.caller


def _map_ranges(request: Request, name: str, value: str) -> None:
    from .ranges import ranges_for

    id_map = request.users if name == "map-users" else request.groups
    id_map.ranges += ranges_for(id_map.kind, value)


def _map_subordinate_ids(request: Request, name: str, value: None) -> None:
    from .ranges import ranges_for

    for id_map in (request.users, request.groups):
        id_map.ranges += ranges_for(id_map.kind, name[len("map-") :])


def _owner(request: Request, name: str, value: str) -> None:
    from .values import owner

    request.users.owner, request.groups.owner = owner(value)


def _propagation(request: Request, name: str, value: str) -> None:
    if value not in PROPAGATION:
        raise Failure(("unsupported propagation mode: %s", value))
    request.propagation = PROPAGATION[value]


def _setgroups(request: Request, name: str, value: str) -> None:
    if value not in ("allow", "deny"):
        raise Failure(("unsupported --setgroups argument '%s'", value))
    request.setgroups = value


def _change_id(request: Request, name: str, value: str) -> None:
    from .values import unsigned

    kind = name[len("set") :]
    setattr(request, kind, unsigned(value, f"failed to parse {kind}"))


def _clock_offset(request: Request, name: str, value: str) -> None:
    from .values import signed

    clock = CLOCK_MONOTONIC if name == "monotonic" else CLOCK_BOOTTIME
    request.clock_offsets[clock] = signed(value, f"failed to parse {name} offset")


def _whitelist_env(request: Request, name: str, value: str) -> None:
    request.clear_env = True
    request.kept_variables += value.split(",")


_ACTIONS: "dict[str, Callable[..., None]]" = {
    "mount": _bind,
    "uts": _bind,
    "ipc": _bind,
    "net": _bind,
    "pid": _bind,
    "user": _bind,
    "cgroup": _bind,
    "time": _bind,
    "fork": _set,
    "kill-child": _kill_child,
    "forward-signals": _set,
    "mount-proc": _set_proc,
    "mount-binfmt": _mount_binfmt,
    "map-user": _map_id,
    "map-users": _map_ranges,
    "map-group": _map_id,
    "map-groups": _map_ranges,
    "map-root-user": _map_to_caller,
    "map-current-user": _map_to_caller,
    "map-auto": _map_subordinate_ids,
    "map-subids": _map_subordinate_ids,
    "owner": _owner,
    "propagation": _propagation,
    "setgroups": _setgroups,
    "keep-caps": _set,
    "setuid": _change_id,
    "setgid": _change_id,
    "root": _set,
    "wd": _set,
    "monotonic": _clock_offset,
    "boottime": _clock_offset,
    "load-interp": _load_interp,
    "clear-env": _set,
    "whitelist-env": _whitelist_env,
}
