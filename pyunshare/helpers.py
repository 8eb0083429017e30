"""The helper processes: one binds the namespace files, one writes the id maps.

Both jobs need what the launching process gives up in unshare(2): the mounts, and the power over
ids, of the namespaces that it leaves.
"""

import posix

from .errors import LaunchError, SilentFailure, attempt, finish
from .files import write_file
from .processes import Helper
from .program import Environment, start_program
from .syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    MS_BIND,
    mount,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .idmaps import Range
    from .request import Request

# The files in /proc/PID/ns, in the order in which they are bound. A process is not in the new
# PID and time namespaces itself, so these are looked for under the name of its children's.
NAMESPACE_FILES = (
    (CLONE_NEWUSER, "user"),
    (CLONE_NEWCGROUP, "cgroup"),
    (CLONE_NEWIPC, "ipc"),
    (CLONE_NEWUTS, "uts"),
    (CLONE_NEWNET, "net"),
    (CLONE_NEWPID, "pid_for_children"),
    (CLONE_NEWNS, "mnt"),
    (CLONE_NEWTIME, "time_for_children"),
)

MAP_LIMIT = 4096  # bytes that the kernel takes in the one write that a map may have


def start_binder(request: "Request", command: str) -> "Helper | None":
    """Start a helper for the persistent files if binding them will be out of our power."""
    if not request.files or not request.flags & (CLONE_NEWNS | CLONE_NEWUSER):
        return None
    process = posix.getpid()
    return Helper("binder", command, lambda: bind_namespaces(request.files, process))


def start_mapper(request: "Request", command: str) -> "Helper | None":
    """Start a helper for the id maps that have more in them than the worker may write."""
    maps = {
        id_map.kind: id_map.joined_ranges()
        for id_map in (request.users, request.groups)
        if id_map.needs_mapper
    }
    if not maps:
        return None
    process = posix.getpid()
    return Helper("mapper", command, lambda: write_id_maps(maps, process, command))


def bind(request: "Request", binder: "Helper | None") -> None:
    """Make namespaces persistent. Those for children exist from the first fork on."""
    if binder:
        binder.do_job()
    else:
        bind_namespaces(request.files, posix.getpid())


def bind_namespaces(files: "dict[int, str]", process: int) -> int:
    """Make the new namespaces of a process persistent, each bound on its file."""
    for flag, name in NAMESPACE_FILES:
        if flag in files:
            source, target = f"/proc/{process}/ns/{name}", files[flag]
            wording = "mount %s on %s failed", source, target
            attempt(wording, mount, source, target, None, MS_BIND)
    return 0


def write_id_maps(maps: "dict[str, list[Range]]", process: int, command: str) -> int:
    """Write the "uid" and "gid" maps of the user namespace that a process has made.

    Root does it by itself; anybody else has newuidmap(1) and newgidmap(1) do it, which know
    the ids that are the user's to give.
    """
    from .idmaps import map_lines

    for kind, ranges in maps.items():
        if posix.geteuid() == 0:
            _write_map(f"/proc/{process}/{kind}_map", map_lines(ranges))
        else:
            numbers = [number for block in ranges for number in block.as_tuple()]
            _run([f"new{kind}map", str(process), *map(str, numbers)], command)
    return 0


def _write_map(path: str, lines: str) -> None:
    if len(lines) > MAP_LIMIT:
        raise LaunchError(("%s too large for kernel 4k limit", path))
    write_file(path, lines, ("failed to open %s", path), ("failed to write %s", path))


def _run(words: "list[str]", command: str) -> None:
    """Run a program and wait for it. Raises SilentFailure with its status if it fails."""
    process = attempt("fork failed", posix.fork)
    if process == 0:
        finish(command, start_program, words, Environment())
    status = attempt("waitpid failed", posix.waitpid, process, 0)[1]
    if posix.WIFSIGNALED(status):
        raise LaunchError(f"{words[0]} was killed by signal {posix.WTERMSIG(status)}")
    if status:
        raise SilentFailure(posix.WEXITSTATUS(status), f"{words[0]} failed")
