"""The helper processes: one binds the namespace files, one writes the id maps.

Both jobs need what the launching process gives up in unshare(2): the mounts, and the power over
ids, of the namespaces that it leaves.
"""

import posix

from ..errors import Failure, attempt, finish
from ..files import write_file
from ..syscalls import (
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
from .processes import Gate, wait_for
from .program import start_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..options.idmaps import Range
    from ..options.request import Request

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


class Helper:
    """A process that stays behind in the old namespaces to do one job there when told to.

    When the process that started it dies or dismisses it, it ends at once, the job undone.
    Helpers are to be dismissed in the reverse order of their start, for each has a copy of the
    write end of the gate that an earlier one waits at.
    """

    def __init__(self, name: str, command: str, job: "Callable[[], int]") -> None:
        self._name = name
        self._gate = Gate()
        self._process = attempt("fork failed", posix.fork)
        self._is_waiting = True
        if self._process == 0:
            self._gate.shut()
            finish(command, lambda: job() if self._gate.wait() else 0)

    def do_job(self) -> None:
        """See the job done. Raises Failure."""
        self._gate.open()
        _check_end(self._name, self._see_it_end())

    def dismiss(self) -> None:
        """See the helper end, the job undone unless it was done before."""
        if self._is_waiting:
            self._see_it_end()

    def _see_it_end(self) -> int:
        self._is_waiting = False
        self._gate.shut()
        return wait_for(self._process)


def start_binder(request: "Request", command: str) -> "Helper | None":
    """Start a helper for the persistent files if binding them will be out of our power."""
    if not request.files or not request.flags & (CLONE_NEWNS | CLONE_NEWUSER):
        return None
    process = posix.getpid()
    return Helper("binder", command, lambda: bind_namespaces(request.files, process))


def start_mapper(request: "Request", command: str) -> "Helper | None":
    """Start a helper for the id maps that have more in them than the worker may write."""
    id_maps = [id_map for id_map in (request.users, request.groups) if id_map.needs_mapper]
    if not id_maps:
        return None
    from ..options.idmaps import joined_ranges

    maps = {id_map.kind: joined_ranges(id_map) for id_map in id_maps}
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
    from ..options.idmaps import map_lines

    for kind, ranges in maps.items():
        if posix.geteuid() == 0:
            _write_map(f"/proc/{process}/{kind}_map", map_lines(ranges))
        else:
            numbers = [number for block in ranges for number in block.as_tuple()]
            _run([f"new{kind}map", str(process), *map(str, numbers)], command)
    return 0


def _write_map(path: str, lines: str) -> None:
    if len(lines) > MAP_LIMIT:
        raise Failure(("%s too large for kernel 4k limit", path))
    write_file(path, lines, ("failed to open %s", path), ("failed to write %s", path))


def _run(words: "list[str]", command: str) -> None:
    """Run a program and wait for it. Raises Failure, with its status if it has reported why."""
    # To spawn would take half as long, but could not pass on an environment with a variable
    # twice, and glibc has signals of its own ignored in what it spawns.
    process = attempt("fork failed", posix.fork)
    if process == 0:
        finish(command, start_program, words)
    _check_end(words[0], wait_for(process))


def _check_end(name: str, status: int) -> None:
    """Raise the Failure that a wait status calls for: a process that was not killed has told."""
    if posix.WIFSIGNALED(status):
        raise Failure(f"{name} was killed by signal {posix.WTERMSIG(status)}")
    if status:
        raise Failure(f"{name} failed", status=posix.WEXITSTATUS(status), is_told=True)
