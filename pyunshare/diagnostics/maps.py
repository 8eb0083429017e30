"""Why ids cannot be mapped, or be taken on: see user_namespaces(7), newuidmap(1), subuid(5)."""

from __future__ import annotations

import posix
from errno import EACCES, EPERM

from ..options.ranges import Range, joined_ranges
from ..syscalls import CLONE_NEWUSER
from .commands import Command
from .hint import FailureContext, Hint, refused_option, search_path, tool
from .probes import CAP_SETFCAP, CAP_SETGID, CAP_SETUID
from .programs import ELF_MAGIC, head_of
from .system import HIGHEST_ID_COUNT, USUAL_DIRECTORIES, Block, MapLine, found_program, real_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options.idmaps import IdMap
    from ..options.request import Request

FIRST_SUBORDINATE = 100000  # what usermod(8) begins with, and how many it gives
SUBORDINATE_COUNT = 65536
MAP_LINES = 340  # user_namespaces(7)
SET_USER_ID = 0o4000  # <sys/stat.h>
WRITABLE_BY_OTHERS = 0o022

WRAPPERS_OF_NIXOS = "/run/wrappers/bin"  # where programs have the power that the store cannot give

SUBORDINATE_FILES = {"uid": "/etc/subuid", "gid": "/etc/subgid"}
CAPABILITIES = {"uid": ("CAP_SETUID", CAP_SETUID), "gid": ("CAP_SETGID", CAP_SETGID)}
OPTIONS = {"uid": "map-users", "gid": "map-groups"}
SINGLE_MAPS = ("map-root-user", "map-current-user", "map-user", "map-group")

# How newuidmap is installed, by the ID of os-release(5)
INSTALLING = {
    "debian": ("apt-get", "install", "uidmap"),
    "ubuntu": ("apt-get", "install", "uidmap"),
    "fedora": ("dnf", "install", "shadow-utils"),
    "rhel": ("dnf", "install", "shadow-utils"),
    "arch": ("pacman", "-S", "shadow"),
    "alpine": ("apk", "add", "shadow-uidmap"),
    "suse": ("zypper", "install", "shadow"),
    "opensuse": ("zypper", "install", "shadow"),
}


# ---- subordinate ids ---------------------------------------------------------------------------


def no_subordinate_ids(context: FailureContext) -> Hint | None:
    """There is no line for the user in /etc/subuid or /etc/subgid, or no such file."""
    system = context.system
    uid = context.request.users.caller
    name = system.name_of_user(uid)
    source = system.source_of_subordinate_ids
    if source:
        return Hint(
            "newuidmap takes subordinate ids from {} here, as /etc/nsswitch.conf says, and "
            "--map-auto reads /etc/subuid: give yours, which `getsubids {}` tells, as --map-users "
            "and --map-groups 0:START:COUNT",
            source,
            name,
        )
    lacking = [kind for kind in SUBORDINATE_FILES if not system.blocks_of(kind, uid)]
    if not lacking:
        return None
    giving = _giving(context, lacking)
    if not giving:
        return None
    files = " and ".join(SUBORDINATE_FILES[kind] for kind in lacking)
    return Hint(f"{{}} has no subordinate ids: no line in {files}", name, type=(giving,))


def _giving(context: FailureContext, kinds: list[str]) -> Command | None:
    """Return the command that gives the user subordinate ids, where there are any left."""
    system = context.system
    if any(map(system.is_beyond_reading, SUBORDINATE_FILES.values())):
        return None  # who knows which ids are free
    start = first_free(system.blocks("uid") + system.blocks("gid"))
    if not kinds or start + SUBORDINATE_COUNT > HIGHEST_ID_COUNT:
        return None
    name = system.name_of_user(context.request.users.caller)
    files = [SUBORDINATE_FILES[kind] for kind in kinds]
    # usermod(8) knows the users in /etc/passwd only, and makes no file.
    if (
        all(map(system.exists, files))
        and system.is_local_user(name)
        and found_program("usermod", USUAL_DIRECTORIES)
    ):
        last = start + SUBORDINATE_COUNT - 1
        options = [word for kind in kinds for word in (f"--add-sub{kind}s", f"{start}-{last}")]
        return context.as_root(Command(tool("usermod"), *options, "--", name))
    line = f"{name}:{start}:{SUBORDINATE_COUNT}"
    adding = Command("printf", r"%s\n", line).into(Command("tee", "-a", *files))
    return context.as_root(adding)


def first_free(blocks: list[Block]) -> int:
    """Return the first id from which on there are subordinate ids that nobody has."""
    return max([FIRST_SUBORDINATE, *(block.end for block in blocks)])


def unknown_user(context: FailureContext) -> Hint | None:
    """The user has no name, by which /etc/subuid could have a line."""
    return None if context.path else _nameless(context, "--map-auto")


def _nameless(context: FailureContext, who: str) -> Hint | None:
    uid = context.request.users.caller
    if context.system.name_of_user(uid) != str(uid):
        return None
    return Hint(
        f"user {uid} has no line in /etc/passwd, as where a container is started with a number: "
        f"{who} needs the name"
    )


# ---- newuidmap and newgidmap -------------------------------------------------------------------


def tool_is_missing(context: FailureContext) -> Hint | None:
    """The tool, newuidmap or newgidmap, is not in PATH."""
    name = context.path
    if found_program(name, search_path()):
        return None
    elsewhere = found_program(name, USUAL_DIRECTORIES)
    if elsewhere:
        directory = elsewhere.rpartition("/")[0]
        return Hint(
            "{} is in {}, which is not in PATH",
            name,
            directory,
            type=(context.typed(context.argv).with_path(directory),),
        )
    for distribution in context.system.distributions:
        if distribution in INSTALLING:
            installing = context.as_root(Command(*INSTALLING[distribution]))
            return Hint("{} is not installed here", name, type=(installing,))
    return Hint("{} is not installed here", name)


def tool_cannot_get_power(context: FailureContext) -> Hint | None:
    """The kernel does not execute a file that is to give more than the process may ever have."""
    kind = "uid" if context.path == "newuidmap" else "gid"
    name, capability = CAPABILITIES[kind]
    if context.system.can_ever_have(capability):
        return None
    return Hint(
        f"{{}} needs {name}, which no process here can have: it is not in the bounding set, as in "
        "containers and units that drop capabilities",
        context.path,
    )


def tool_refuses(context: FailureContext) -> Hint | None:
    """The tool has ended with an error, which it has told in its own words, or not."""
    name = context.path
    id_map = context.request.users if name == "newuidmap" else context.request.groups
    ranges = joined_ranges(id_map)
    return (
        _without_power(context, name, id_map)
        or _nameless(context, name)
        or _subordinate_file_is_a_link(context, id_map.kind)
        or not_owned(context, id_map, name)
        or impossible_map(ranges)
        or _not_mapped_around(context, id_map, ranges)
    )


def not_owned(context: FailureContext, id_map: IdMap, name: str) -> Hint | None:
    """A range has ids that are not the user's to map."""
    kind = id_map.kind
    if context.system.source_of_subordinate_ids:
        return None  # who knows what it has
    blocks = context.system.blocks_of(kind, context.request.users.caller)
    for block in joined_ranges(id_map):
        is_own = block.outer == id_map.caller and block.count == 1
        end = block.outer + block.count
        if is_own or any(owned.start <= block.outer and end <= owned.end for owned in blocks):
            continue
        owned_ids = ", ".join(_ids(owned.start, owned.count) for owned in blocks) or "none"
        option = OPTIONS[kind]
        command = None
        if blocks:
            command = context.offer(context.line(f"--{option}=auto", without=(option,)))
        else:
            lacking = [
                each
                for each in SUBORDINATE_FILES
                if not context.system.blocks_of(each, context.request.users.caller)
            ]
            command = _giving(context, lacking)
        return Hint(
            f"{name} maps the ids that {SUBORDINATE_FILES[kind]} gives you ({owned_ids}) and your "
            f"own, {id_map.caller}; {_ids(block.outer, block.count)} is not among them",
            type=(command,),
        )
    return None


def _subordinate_file_is_a_link(context: FailureContext, kind: str) -> Hint | None:
    """The tool does not follow a symbolic link, and says nothing about it."""
    file = SUBORDINATE_FILES[kind]
    if not context.system.link(file):
        return None
    copying = Command("cp", file, f"{file}.new").then(Command("mv", f"{file}.new", file))
    return Hint(
        f"{file} is a symbolic link, which new{kind}map does not follow",
        type=(context.as_root(copying),),
    )


def _without_power(context: FailureContext, name: str, id_map: IdMap) -> Hint | None:
    """The tool needs root's power, which its file gives it."""
    system = context.system
    if system.has_no_new_privs:
        return Hint(
            f"this process has no_new_privs set, which takes its power from {name}, and from sudo "
            "and su too"
        )
    found = found_program(name, search_path())
    path = real_path(found)
    if not path:
        return None
    mount = system.mount_of(path)
    if mount and "nosuid" in mount.options:
        return Hint("{} has no power on {}, which is mounted nosuid", path, mount.target)
    if not is_privileged_tool(path):
        return _gives_no_power(context, name, found, path, id_map.kind)
    if _is_set_user_id(path) and _has_file_capabilities(path):
        return Hint(
            "{} is set-user-ID and has file capabilities, and then it has these only, as another "
            "user: one of the two is too much",
            path,
            type=(context.as_root(Command("chmod", "u-s", path)),),
        )
    around = system.id_map("uid")
    if around and not any(line.has(0) for line in around):
        return Hint(
            "the owner of {}, root, is not mapped in the user namespace that you are in, so the "
            "tool has no power here",
            path,
        )
    _, capability = CAPABILITIES[id_map.kind]
    if not system.can_ever_have(capability):
        return tool_cannot_get_power(context)
    return None


def _gives_no_power(context: FailureContext, name: str, found: str, path: str, kind: str) -> Hint:
    """Say of a tool without power where there is one with it, or how to give it that."""
    for directory in (WRAPPERS_OF_NIXOS, *USUAL_DIRECTORIES):
        other = f"{directory}/{name}"
        if is_privileged_tool(other):
            return Hint(
                f"{{}} has no power of root's, and the {name} in {{}} does, which comes later in "
                "PATH, or is not in it",
                path,
                directory,
                type=(context.typed(context.argv).with_path(directory, first=True),),
            )
    commands: list[Command] = []
    is_link = path.rpartition("/")[2] != name or _is_link(found)
    if can_be_trusted(path) and not is_link:
        note = "set-user-ID gives it all of root's power, the capability less"
        commands.append(Command("chmod", "u+s", path, note=note))
        if found_program("setcap", [*search_path(), *USUAL_DIRECTORIES]):
            commands.insert(0, Command(tool("setcap"), f"cap_set{kind}+ep", path))
    return Hint(
        "{} is neither set-user-ID root nor has it file capabilities",
        path,
        type=tuple(map(context.as_root, commands)),
    )


def is_privileged_tool(path: str) -> bool:
    """Return whether a program gets root's power, or capabilities, from its file."""
    return _is_set_user_id(path) or _has_file_capabilities(path)


def _is_set_user_id(path: str) -> bool:
    try:
        return bool(posix.stat(path).st_mode & SET_USER_ID)
    except OSError:
        return False


def _has_file_capabilities(path: str) -> bool:
    try:
        return bool(posix.getxattr(path, "security.capability"))
    except OSError:
        return False


def _is_link(path: str) -> bool:
    try:
        posix.readlink(path)
    except OSError:
        return False
    return True


def can_be_trusted(path: str) -> bool:
    """Return whether nobody but root can have made, or can change, a program.

    Nothing else may get root's power by a hint. The path has no symbolic links in it.
    """
    if not path.startswith("/") or not head_of(path).startswith(ELF_MAGIC):
        return False
    while path:
        try:
            status = posix.lstat(path)
        except OSError:
            return False
        if status.st_uid != 0 or status.st_mode & WRITABLE_BY_OTHERS:
            return False
        path = path.rpartition("/")[0]
    return True


# ---- maps --------------------------------------------------------------------------------------


def impossible_map(ranges: list[Range]) -> Hint | None:
    """No user namespace can have such a map."""
    if len(ranges) > MAP_LINES:
        return Hint(f"a map has at most {MAP_LINES} ranges, and these are {len(ranges)}")
    for side in ("inner", "outer"):
        before = None
        for block in sorted(ranges, key=lambda block: (getattr(block, side), block.count)):
            start = getattr(block, side)
            if start + block.count > HIGHEST_ID_COUNT:
                return Hint(f"the {side} ids {_ids(start, block.count)} go beyond 4294967294")
            if before and getattr(before, side) + before.count > start:
                both = f"{_text(before)} and {_text(block)}"
                return Hint(f"ranges may not overlap, and {both} do, by their {side} ids")
            before = block
    return None


def map_is_refused(context: FailureContext) -> Hint | None:
    """The kernel has not taken a map that the mapper has written."""
    id_map = _id_map(context)
    ranges = joined_ranges(id_map)
    return (
        impossible_map(ranges)
        or _no_right_to_map(context, id_map)
        or _not_mapped_around(context, id_map, ranges)
        or _no_right_to_map_root(context, id_map, ranges)
    )


def _id_map(context: FailureContext) -> IdMap:
    """Return the map that the file of a failure is for."""
    is_for_users = context.path.endswith("uid_map")
    return context.request.users if is_for_users else context.request.groups


def _no_right_to_map(context: FailureContext, id_map: IdMap) -> Hint | None:
    """A map of several ids is for who has the capability for it in the namespace around."""
    name, capability = CAPABILITIES[id_map.kind]
    if context.system.has_capability(capability):
        return None
    return Hint(f"this root has no {name}, without which it can only map itself")


def _not_mapped_around(context: FailureContext, id_map: IdMap, ranges: list[Range]) -> Hint | None:
    """Each range has to be within one line of the map of the user namespace around."""
    around = context.system.id_map(id_map.kind)
    if not around:
        return None
    for block in ranges:
        if any(line.has(block.outer, block.count) for line in around):
            continue
        ids = _ids(block.outer, block.count)
        pieces = _split(block, around)
        if not pieces:
            here = ", ".join(_ids(line.inner, line.count) for line in around)
            return Hint(
                f"in the user namespace that you are in there are the ids {here}; {ids} cannot be "
                "mapped from there"
            )
        option = OPTIONS[id_map.kind]
        given = id_map.single is None and len(ranges) == len(id_map.ranges)
        others = [
            _text(each) for other in ranges for each in (pieces if other is block else [other])
        ]
        added = [word for text in others for word in (f"--{option}", text)]
        command = context.offer(context.line(*added, without=(option,))) if given else None
        return Hint(
            f"a range has to be within one line of the map of the user namespace that you are in, "
            f"and the ids {ids} are on several: map each by itself",
            type=(command,),
        )
    return None


def _split(block: Range, around: list[MapLine]) -> list[Range]:
    """Return a range divided as the lines of a map are, or nothing where some ids are on none."""
    pieces: list[Range] = []
    start, end = block.outer, block.outer + block.count
    while start < end and len(pieces) < MAP_LINES:
        for line in around:
            if line.has(start):
                stop = min(end, line.inner + line.count)
                inner = block.inner + start - block.outer
                pieces.append(Range(inner, start, stop - start))
                start = stop
                break
        else:
            return []
    return pieces if start == end else []


def _no_right_to_map_root(
    context: FailureContext, id_map: IdMap, ranges: list[Range]
) -> Hint | None:
    """Since Linux 5.12 it takes CAP_SETFCAP to map user 0."""
    maps_root = id_map.kind == "uid" and any(block.outer == 0 for block in ranges)
    if not maps_root or context.system.has_capability(CAP_SETFCAP):
        return None
    return Hint("this root has no CAP_SETFCAP, without which it cannot map user 0")


def root_cannot_map_itself(context: FailureContext) -> Hint | None:
    """The same, where the process in the new namespace maps itself.

    There it has every capability, so this goes by what else there is: nothing, for a root.
    """
    refused = context.failure.errno in (EPERM, EACCES)
    if not refused or context.request.users.caller != 0 or not context.path.endswith("uid_map"):
        return None
    needs_id = context.request.uid is not None or context.request.gid is not None
    unmapped = context.line("-U", without=SINGLE_MAPS)
    return Hint(
        "this root has no CAP_SETFCAP, without which it cannot map user 0: leave the map out",
        type=(None if needs_id else context.offer(unmapped),),
    )


def map_is_too_long(context: FailureContext) -> Hint | None:
    """The text of a map is more than the kernel takes."""
    if context.failure.errno is not None:
        return None
    count = len(joined_ranges(_id_map(context)))
    return Hint(
        f"the {count} ranges are more than fit: join neighbouring ones, to {MAP_LINES} or fewer"
    )


# ---- groups ------------------------------------------------------------------------------------


def setgroups_and_group_map(context: FailureContext) -> Hint | None:
    """Without privilege, a group can be mapped only by giving up setgroups(2)."""
    if not context.request.groups.is_single or context.request.setgroups != "allow":
        return None
    if refused_option(context.argv) != "":
        return None  # something else is wrong
    return Hint(
        "the kernel takes a group map from anybody only where setgroups(2) is denied",
        type=(context.typed(context.line(without=("setgroups",))),),
    )


def setgroups_is_decided(context: FailureContext) -> Hint | None:
    """Writing /proc/self/setgroups is refused: it can be denied once, before the group map."""
    request = context.request
    without = context.line(without=("setgroups",))
    if not context.asks(CLONE_NEWUSER):
        return Hint(
            "--setgroups is for a new user namespace", type=(context.offer(context.line("-U")),)
        )
    if request.groups.needs_mapper and request.setgroups == "deny":
        return Hint(
            "setgroups(2) can be denied before groups are mapped only, and ranges were mapped "
            "before",
            type=(context.offer(without),),
        )
    if request.setgroups == "allow" and context.system.read("/proc/self/setgroups") == b"deny\n":
        return Hint(
            "setgroups(2) is denied in the user namespace around, and so in all inside of it",
            type=(context.offer(without),),
        )
    return None


def groups_cannot_change(context: FailureContext) -> Hint | None:
    """setgroups(2), which --setgid begins with, is denied in the new user namespace."""
    groups = context.request.groups
    if not context.asks(CLONE_NEWUSER) or groups.needs_mapper:
        return None
    has_ids = context.system.blocks_of("gid", context.request.users.caller)
    command = context.typed(context.line("--map-auto")) if has_ids else None
    if groups.is_single:
        return Hint(
            "mapping one group has denied setgroups(2), which --setgid needs; ranges do not",
            type=(command,),
        )
    return Hint("no group is mapped in the new user namespace", type=(command,))


def id_is_not_mapped(context: FailureContext) -> Hint | None:
    """The user or group to become does not exist in the new user namespace: EINVAL."""
    is_user = context.failure.step == "setuid"
    id_map = context.request.users if is_user else context.request.groups
    wanted = context.request.uid if is_user else context.request.gid
    if wanted is None or not context.asks(CLONE_NEWUSER):
        return None
    word = "user" if is_user else "group"
    inside = _ids_inside(id_map)
    if any(start <= wanted < start + count for start, count in inside):
        return None
    here = ", ".join(_ids(start, count) for start, count in inside) or "no one"
    command = None
    if not id_map.needs_mapper:
        command = context.offer(context.line(last=(f"--map-{word}={wanted}",)))
    return Hint(
        f"{word} {wanted} is not mapped in the new user namespace; {here} is",
        type=(command,),
    )


def binary_formats_need_root(context: FailureContext) -> Hint | None:
    """They belong to user and group 0 of the new user namespace, if there are such: EACCES."""
    if not context.asks(CLONE_NEWUSER) or has_root(context.request):
        return None
    request = context.request
    has_ranges = request.users.needs_mapper or request.groups.needs_mapper
    return Hint(
        "without user and group 0 in the new user namespace nobody can add a binary format there",
        type=(None if has_ranges else context.offer(context.line("-r", without=SINGLE_MAPS)),),
    )


def has_root(request: Request) -> bool:
    """Return whether user and group 0 are mapped in the new user namespace."""
    return all(
        any(start == 0 for start, _ in _ids_inside(id_map))
        for id_map in (request.users, request.groups)
    )


def _ids_inside(id_map: IdMap) -> list[tuple[int, int]]:
    """Return what is mapped in the new user namespace: the first id and the count of each range."""
    if id_map.needs_mapper:
        return [(block.inner, block.count) for block in joined_ranges(id_map)]
    return [] if id_map.single is None else [(id_map.single, 1)]


def _ids(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start}-{start + count - 1}"


def _text(block: Range) -> str:
    return ":".join(map(str, block.as_tuple()))
