"""What the options ask for: the actions that few launches need, by the option's name.

Each is given the name of its option, and the value: text where the option requires
one, and text or None where the value is optional.
"""

from ..errors import Failure
from ..syscalls import CLOCK_BOOTTIME, CLOCK_MONOTONIC, MS_PRIVATE, MS_SHARED, MS_SLAVE
from .request import BINFMT_MISC, PROC, IdMap, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

PROPAGATION = {"slave": MS_SLAVE, "private": MS_PRIVATE, "shared": MS_SHARED, "unchanged": 0}


def _forward_signals(request: Request, name: str, value: "str | None") -> None:
    request.fork = True
    request.forward_signals = True


def _mount_binfmt(request: Request, name: str, value: "str | None") -> None:
    if value is None:
        _mount_binfmt_at_its_place(request)
    else:
        request.binfmt_misc = value


def _load_interp(request: Request, name: str, value: str) -> None:
    if request.binfmt_misc is None:
        _mount_binfmt_at_its_place(request)
    request.binary_format = value


def _mount_binfmt_at_its_place(request: Request) -> None:
    request.binfmt_misc = BINFMT_MISC
    if request.proc is None:  # its place is in /proc, and in the new one
        request.proc = PROC


def _map_user(request: Request, name: str, value: str) -> None:
    from .values import user_or_group_id

    request.users.single = user_or_group_id("uid", value)


def _map_group(request: Request, name: str, value: str) -> None:
    from .values import user_or_group_id

    request.groups.single = user_or_group_id("gid", value)


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


def _map_users(request: Request, name: str, value: str) -> None:
    _add_ranges(request.users, value)


def _map_groups(request: Request, name: str, value: str) -> None:
    _add_ranges(request.groups, value)


def _map_auto(request: Request, name: str, value: "str | None") -> None:
    _add_ranges(request.users, "auto")
    _add_ranges(request.groups, "auto")


def _map_subids(request: Request, name: str, value: "str | None") -> None:
    _add_ranges(request.users, "subids")
    _add_ranges(request.groups, "subids")


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


def _keep_caps(request: Request, name: str, value: "str | None") -> None:
    request.keep_capabilities = True


def _setuid(request: Request, name: str, value: str) -> None:
    from .values import unsigned

    request.uid = unsigned(value, "failed to parse uid")


def _setgid(request: Request, name: str, value: str) -> None:
    from .values import unsigned

    request.gid = unsigned(value, "failed to parse gid")


def _root(request: Request, name: str, value: str) -> None:
    request.root = value


def _wd(request: Request, name: str, value: str) -> None:
    request.working_directory = value


def _clock_offset(request: Request, name: str, value: str) -> None:
    from .values import signed

    clock = CLOCK_MONOTONIC if name == "monotonic" else CLOCK_BOOTTIME
    request.clock_offsets[clock] = signed(value, f"failed to parse {name} offset")


def _clear_env(request: Request, name: str, value: "str | None") -> None:
    request.clear_environment = True


def _whitelist_env(request: Request, name: str, value: str) -> None:
    request.clear_environment = True
    request.kept_variables += value.split(",")


ACTIONS: "dict[str, Callable[..., None]]" = {
    "forward-signals": _forward_signals,
    "mount-binfmt": _mount_binfmt,
    "map-user": _map_user,
    "map-users": _map_users,
    "map-group": _map_group,
    "map-groups": _map_groups,
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
