"""Why ids cannot be mapped, or be taken on: see user_namespaces(7), newuidmap(1), subuid(5)."""

from __future__ import annotations

import posix

from ..options.ranges import joined_ranges
from ..syscalls import CLONE_NEWUSER
from .advice import Advice, Case, search_path
from .probes import CAP_SETFCAP, CAP_SETGID, CAP_SETUID, has_capability
from .system import HIGHEST_ID_COUNT, USUAL_DIRECTORIES, Block, found_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options.idmaps import IdMap
    from ..options.ranges import Range

FIRST_SUBORDINATE = 100000  # what usermod(8) begins with, and how many it gives
SUBORDINATE_COUNT = 65536
MAP_LINES = 340  # user_namespaces(7)
SET_USER_ID = 0o4000  # <sys/stat.h>

# How newuidmap is installed, by the ID of os-release(5)
INSTALLING = {
    "debian": "apt-get install uidmap",
    "ubuntu": "apt-get install uidmap",
    "fedora": "dnf install shadow-utils",
    "rhel": "dnf install shadow-utils",
    "arch": "pacman -S shadow",
    "alpine": "apk add shadow-uidmap",
    "suse": "zypper install shadow",
    "opensuse": "zypper install shadow",
}


def no_subordinate_ids(case: Case) -> Advice | None:
    """There is no line for the user in /etc/subuid or /etc/subgid, or no such file."""
    machine = case.machine
    user = posix.geteuid()
    name = machine.name_of_user(user)
    files = {kind: f"/etc/sub{kind}" for kind in ("uid", "gid")}
    lacking = [kind for kind in files if not machine.blocks_of(kind, user)]
    start = first_free(machine.blocks("uid") + machine.blocks("gid"))
    if not lacking or start + SUBORDINATE_COUNT > HIGHEST_ID_COUNT:
        return None
    named = " and ".join(files[kind] for kind in lacking)
    cause = f"{name} has no subordinate ids: no line in {named}"
    missing = [files[kind] for kind in lacking if not machine.exists(files[kind])]
    if missing or not found_program("usermod", USUAL_DIRECTORIES):
        line = f"{name}:{start}:{SUBORDINATE_COUNT}"
        into = " ".join(files[kind] for kind in lacking)
        return Advice(cause, f"echo {line} | {case.as_root(f'tee -a {into}')}")
    last = start + SUBORDINATE_COUNT - 1
    options = " ".join(f"--add-sub{kind}s {start}-{last}" for kind in lacking)
    return Advice(cause, case.as_root(f"usermod {options} {name}"))


def first_free(blocks: list[Block]) -> int:
    """Return the first id from which on there are subordinate ids that nobody has."""
    return max([FIRST_SUBORDINATE, *(block.end for block in blocks)])


def tool_is_missing(case: Case) -> Advice | None:
    """The tool, newuidmap or newgidmap, is not in PATH."""
    tool = case.message.rpartition(" ")[2]
    if found_program(tool, search_path()):
        return None
    elsewhere = found_program(tool, USUAL_DIRECTORIES)
    if elsewhere:
        directory = elsewhere.rpartition("/")[0]
        command = case.command()
        return Advice(
            f"{tool} is in {directory}, which is not in PATH",
            command and f"PATH=$PATH:{directory} {command}",
        )
    installing = [INSTALLING[name] for name in case.machine.distributions if name in INSTALLING]
    return Advice(f"{tool} is not installed here", *map(case.as_root, installing[:1]))


def tool_refuses(case: Case) -> Advice | None:
    """The tool has ended with an error, which it has told in its own words."""
    tool = case.message.partition(" ")[0]
    id_map = case.request.users if tool == "newuidmap" else case.request.groups
    return (
        not_owned(case, id_map, tool)
        or impossible_map(joined_ranges(id_map))
        or _tool_without_power(case, tool)
    )


def not_owned(case: Case, id_map: IdMap, tool: str) -> Advice | None:
    """A range has ids that are not the user's to map."""
    user = posix.getuid()
    kind = id_map.kind
    blocks = case.machine.blocks_of(kind, user)
    own = user if kind == "uid" else posix.getgid()
    for block in joined_ranges(id_map):
        is_own = block.outer == own and block.count == 1
        end = block.outer + block.count
        if is_own or any(owned.start <= block.outer and end <= owned.end for owned in blocks):
            continue
        owned_ids = ", ".join(_ids(owned.start, owned.count) for owned in blocks) or "none"
        option = "map-users" if kind == "uid" else "map-groups"
        return Advice(
            f"{tool} maps the ids that /etc/sub{kind} gives you ({owned_ids}) and your own, {own}; "
            f"{_ids(block.outer, block.count)} is not among them",
            case.command(f"--{option}=auto", without=(option,)) if blocks else "",
        )
    return None


def _ids(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start}-{start + count - 1}"


def impossible_map(ranges: list[Range]) -> Advice | None:
    """No user namespace can have such a map."""
    if len(ranges) > MAP_LINES:
        return Advice(f"a map has at most {MAP_LINES} ranges, and these are {len(ranges)}")
    for side in ("inner", "outer"):
        before = None
        for block in sorted(ranges, key=lambda block: (getattr(block, side), block.count)):
            start = getattr(block, side)
            if start + block.count > HIGHEST_ID_COUNT:
                return Advice(f"the {side} ids {_ids(start, block.count)} go beyond 4294967294")
            if before and getattr(before, side) + before.count > start:
                both = f"{_text(before)} and {_text(block)}"
                return Advice(f"ranges may not overlap, and {both} do, by their {side} ids")
            before = block
    return None


def _text(block: Range) -> str:
    return ":".join(map(str, block.as_tuple()))


def _tool_without_power(case: Case, tool: str) -> Advice | None:
    """The tool needs root's power, which its file gives it."""
    if case.machine.status("NoNewPrivs") == "1":
        return Advice(f"this process has no_new_privs set, which takes its power from {tool}")
    path = found_program(tool, search_path())
    if not path:
        return None
    mount = case.machine.mount_of(path)
    if mount and "nosuid" in mount.options:
        return Advice(f"{path} has no power on {mount.target}, which is mounted nosuid")
    if not is_privileged_tool(path):
        return Advice(
            f"{path} is neither set-user-ID root nor has it file capabilities",
            case.as_root(f"chmod u+s {path}"),
        )
    return None


def is_privileged_tool(path: str) -> bool:
    """Tell whether a program gets root's power, or capabilities, from its file."""
    if posix.stat(path).st_mode & SET_USER_ID:
        return True
    try:
        return bool(posix.getxattr(path, "security.capability"))
    except OSError:
        return False


def map_is_refused(case: Case) -> Advice | None:
    """The kernel has not taken a map that the mapper has written."""
    id_map = case.request.users if "uid_map" in case.message else case.request.groups
    ranges = joined_ranges(id_map)
    return impossible_map(ranges) or _no_right_to_map(case, id_map, ranges)


def _no_right_to_map(case: Case, id_map: IdMap, ranges: list[Range]) -> Advice | None:
    """Only ids of the user namespace around can be mapped, by who has the capabilities there."""
    needed = {"uid": ("CAP_SETUID", CAP_SETUID), "gid": ("CAP_SETGID", CAP_SETGID)}
    name, capability = needed[id_map.kind]
    if not has_capability(capability):
        return Advice(f"this root has no {name}, without which it can only map itself")
    available = case.machine.mapped(id_map.kind)
    for block in ranges:
        end = block.outer + block.count
        if not any(start <= block.outer and end <= start + count for start, count in available):
            here = ", ".join(_ids(start, count) for start, count in available) or "none"
            return Advice(
                f"in the user namespace that you are in there are the ids {here}; "
                f"{_ids(block.outer, block.count)} cannot be mapped from there"
            )
        if id_map.kind == "uid" and block.outer == 0 and not has_capability(CAP_SETFCAP):
            return Advice("this root has no CAP_SETFCAP, without which it cannot map user 0")
    return None


def map_is_too_long(case: Case) -> Advice | None:
    """The text of a map is more than the kernel takes."""
    id_map = case.request.users if "uid_map" in case.message else case.request.groups
    count = len(joined_ranges(id_map))
    return Advice(
        f"the {count} ranges are more than fit: join neighbouring ones, to {MAP_LINES} or fewer"
    )


def setgroups_and_group_map(case: Case) -> Advice | None:
    """Who maps a group without privilege has to give up setgroups(2)."""
    return Advice(
        "the kernel takes a group map from anybody only where setgroups(2) is denied",
        case.without("setgroups"),
    )


def setgroups_is_decided(case: Case) -> Advice | None:
    """Writing /proc/self/setgroups is refused: it can be denied once, before the group map."""
    if not case.asks(CLONE_NEWUSER):
        return Advice("--setgroups is for a new user namespace", case.command("-U"))
    if case.request.groups.needs_mapper and case.request.setgroups == "deny":
        return Advice(
            "setgroups(2) can be denied before groups are mapped only, and ranges were mapped "
            "before",
            case.without("setgroups"),
        )
    if case.request.setgroups == "allow" and case.machine.text("/proc/self/setgroups") == "deny\n":
        return Advice(
            "setgroups(2) is denied in the user namespace around, and so in all inside of it",
            case.without("setgroups"),
        )
    return None


def groups_cannot_change(case: Case) -> Advice | None:
    """setgroups(2), which --setgid begins with, is denied in the new user namespace."""
    if not case.asks(CLONE_NEWUSER):
        return None
    if case.request.groups.is_single:
        user = case.request.users.caller
        has_ids = case.machine.blocks_of("gid", user)
        return Advice(
            "mapping one group has denied setgroups(2), which --setgid needs; ranges do not",
            case.command("--map-auto") if has_ids else "",
        )
    if not case.request.groups.needs_mapper:
        return Advice("no group is mapped in the new user namespace", case.command("--map-auto"))
    return None


def id_is_not_mapped(case: Case) -> Advice | None:
    """The user or group to become does not exist in the new user namespace: EINVAL."""
    is_user = case.message.startswith("setuid")
    id_map = case.request.users if is_user else case.request.groups
    wanted = case.request.uid if is_user else case.request.gid
    if wanted is None or not case.asks(CLONE_NEWUSER):
        return None
    word = "user" if is_user else "group"
    inside = [(id_map.single, 1)] if id_map.is_single else []
    if id_map.needs_mapper:
        inside = [(block.inner, block.count) for block in joined_ranges(id_map)]
    if any(start is not None and start <= wanted < start + count for start, count in inside):
        return None
    here = ", ".join(_ids(start, count) for start, count in inside if start is not None) or "none"
    return Advice(
        f"{word} {wanted} does not exist in the new user namespace, where there is {here}",
        "" if id_map.needs_mapper else case.command(last=(f"--map-{word}={wanted}",)),
    )
