"""What was asked: the options with their values checked, and nothing done yet.

A value is checked when it is met, as options act from left to right. The only things read from
the machine are those that a value stands for: user names, subordinate ids, the caller's map.
"""

import posix

from .errors import UsageError
from .options import Option
from .syscalls import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLONE_NEWTIME,
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .idmaps import Range

PROC = "/proc"
BINFMT_MISC = "/proc/sys/fs/binfmt_misc"
PROPAGATION = {"slave": MS_SLAVE, "private": MS_PRIVATE, "shared": MS_SHARED, "unchanged": 0}


class IdMap:
    """What was asked of one of the two id maps of a user namespace, see user_namespaces(7).

    ``kind`` is "uid" or "gid", ``caller`` is the effective id at the start, ``single`` the id
    that is to be the caller's inside, ``ranges`` are those asked for, in order, and ``owner``
    is the id that is to own the namespace.
    """

    def __init__(self, kind: str, caller: int) -> None:
        self.kind = kind
        self.caller = caller
        self.single: int | None = None
        self.ranges: list[Range] = []
        self.owner: int | None = None

    @property
    def needs_mapper(self) -> bool:
        """Whether there is more to map than a process in the namespace may map by itself."""
        if self.single is None:
            return any(block.count for block in self.ranges)
        return bool(self.ranges) or self.owner is not None

    @property
    def is_single(self) -> bool:
        """Whether the single mapping is the whole map."""
        return self.single is not None and not self.needs_mapper

    def joined_ranges(self) -> "list[Range]":
        """Return the ranges to map, with the single mapping, if there is one, before them."""
        ranges = [block for block in self.ranges if block.count]
        if self.single is None:
            return ranges
        from .idmaps import with_single

        return with_single(ranges, self.single, self.caller)


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
        self.keep_capabilities = False
        self.uid: int | None = None
        self.gid: int | None = None
        self.root: str | None = None
        self.working_directory: str | None = None
        self.clock_offsets: dict[int, int] = {}  # seconds, by clock number
        self.clear_environment = False
        self.kept_variables: list[str] = []

    def add(self, option: Option, value: "str | None") -> None:
        """Take in one option of the command line. Raises UsageError for a value that is none."""
        self.flags |= option.flags
        _ACTIONS[option.name](self, option, value)

    def check(self) -> None:
        """Raise UsageError if the options, each of them good, do not go together."""
        if self.clock_offsets and not self.flags & CLONE_NEWTIME:
            raise UsageError(
                "options --monotonic and --boottime require unsharing of a time namespace (-T)"
            )


# The actions. Each is given the option that it is called for, and its value: text where the
# option requires one, and text or None where the value is optional.


def _namespace(request: Request, option: Option, value: "str | None") -> None:
    if value is not None:
        request.files[option.flags] = value


def _fork(request: Request, option: Option, value: "str | None") -> None:
    request.fork = True


def _kill_child(request: Request, option: Option, value: "str | None") -> None:
    from .values import signal_number

    request.fork = True
    request.kill_child = signal_number("KILL" if value is None else value)


def _forward_signals(request: Request, option: Option, value: "str | None") -> None:
    request.fork = True
    request.forward_signals = True


def _mount_proc(request: Request, option: Option, value: "str | None") -> None:
    request.proc = PROC if value is None else value


def _mount_binfmt(request: Request, option: Option, value: "str | None") -> None:
    if value is None:
        _mount_binfmt_at_its_place(request)
    else:
        request.binfmt_misc = value


def _load_interp(request: Request, option: Option, value: str) -> None:
    if request.binfmt_misc is None:
        _mount_binfmt_at_its_place(request)
    request.binary_format = value


def _mount_binfmt_at_its_place(request: Request) -> None:
    request.binfmt_misc = BINFMT_MISC
    if request.proc is None:  # its place is in /proc, and in the new one
        request.proc = PROC


def _map_user(request: Request, option: Option, value: str) -> None:
    from .values import user_or_group_id

    request.users.single = user_or_group_id("uid", value)


def _map_group(request: Request, option: Option, value: str) -> None:
    from .values import user_or_group_id

    request.groups.single = user_or_group_id("gid", value)


def _map_root_user(request: Request, option: Option, value: "str | None") -> None:
    request.users.single = request.groups.single = 0


def _map_current_user(request: Request, option: Option, value: "str | None") -> None:
    request.users.single = request.users.caller
    request.groups.single = request.groups.caller


def _add_ranges(id_map: IdMap, value: str) -> None:
    from .idmaps import Range, parse_range

    if value in ("auto", "subids"):
        from .accounts import subordinate_ids

        start, count = subordinate_ids(id_map.kind)
        inner = 0 if value == "auto" else start
        ranges = [Range(inner, start, count, shifts=value == "auto")]
    elif value == "all":
        from .accounts import mapped_ids

        ranges = [Range(start, start, count) for start, count in mapped_ids(id_map.kind)]
    else:
        ranges = [parse_range(value)]
    id_map.ranges += ranges


def _map_users(request: Request, option: Option, value: str) -> None:
    _add_ranges(request.users, value)


def _map_groups(request: Request, option: Option, value: str) -> None:
    _add_ranges(request.groups, value)


def _map_auto(request: Request, option: Option, value: "str | None") -> None:
    _add_ranges(request.users, "auto")
    _add_ranges(request.groups, "auto")


def _map_subids(request: Request, option: Option, value: "str | None") -> None:
    _add_ranges(request.users, "subids")
    _add_ranges(request.groups, "subids")


def _owner(request: Request, option: Option, value: str) -> None:
    from .values import owner

    request.users.owner, request.groups.owner = owner(value)


def _propagation(request: Request, option: Option, value: str) -> None:
    if value not in PROPAGATION:
        raise UsageError(f"unsupported propagation mode: {value}")
    request.propagation = PROPAGATION[value]


def _setgroups(request: Request, option: Option, value: str) -> None:
    if value not in ("allow", "deny"):
        raise UsageError(f"unsupported --setgroups argument '{value}'")
    request.setgroups = value


def _keep_caps(request: Request, option: Option, value: "str | None") -> None:
    request.keep_capabilities = True


def _setuid(request: Request, option: Option, value: str) -> None:
    from .values import unsigned

    request.uid = unsigned(value, "failed to parse uid")


def _setgid(request: Request, option: Option, value: str) -> None:
    from .values import unsigned

    request.gid = unsigned(value, "failed to parse gid")


def _root(request: Request, option: Option, value: str) -> None:
    request.root = value


def _wd(request: Request, option: Option, value: str) -> None:
    request.working_directory = value


def _clock_offset(request: Request, option: Option, value: str) -> None:
    from .values import signed

    clock = CLOCK_MONOTONIC if option.name == "monotonic" else CLOCK_BOOTTIME
    request.clock_offsets[clock] = signed(value, f"failed to parse {option.name} offset")


def _clear_env(request: Request, option: Option, value: "str | None") -> None:
    request.clear_environment = True


def _whitelist_env(request: Request, option: Option, value: str) -> None:
    request.clear_environment = True
    request.kept_variables += value.split(",")


_ACTIONS: "dict[str, Callable[..., None]]" = {
    "mount": _namespace,
    "uts": _namespace,
    "ipc": _namespace,
    "net": _namespace,
    "pid": _namespace,
    "user": _namespace,
    "cgroup": _namespace,
    "time": _namespace,
    "fork": _fork,
    "kill-child": _kill_child,
    "forward-signals": _forward_signals,
    "mount-proc": _mount_proc,
    "mount-binfmt": _mount_binfmt,
    "map-user": _map_user,
    "map-users": _map_users,
    "map-group": _map_group,
    "map-groups": _map_groups,
    "map-root-user": _map_root_user,
    "map-current-user": _map_current_user,
    "map-auto": _map_auto,
    "map-subids": _map_subids,
    "owner": _owner,
    "propagation": _propagation,
    "setgroups": _setgroups,
    "keep-caps": _keep_caps,
    "setuid": _setuid,
    "setgid": _setgid,
    "root": _root,
    "wd": _wd,
    "monotonic": _clock_offset,
    "boottime": _clock_offset,
    "load-interp": _load_interp,
    "clear-env": _clear_env,
    "whitelist-env": _whitelist_env,
}
