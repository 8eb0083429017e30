"""The helper processes: one binds the namespace files, one writes the id maps.

Both jobs need what the launching process gives up in unshare(2): the mounts, and the power over
ids, of the namespaces that it leaves.
"""

import posix

from ..errors import Failure, checked
from ..files import write_file
from ..messages import run_and_exit
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
from .processes import BINDER, MAPPER, wait_for
from .program import start_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..messages import AnyReporter
    from ..options.ranges import Range
    from ..options.request import Request
    from .processes import SyncLock

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

    It waits at the lock, and ends with the job undone where that is closed instead.
    """

    def __init__(
        self,
        name: str,
        lock: "SyncLock",
        turn: int,
        reporter: "AnyReporter",
        job: "Callable[[], int]",
    ) -> None:
        self._name = name
        self._lock = lock
        self._turn = turn
        self._pid = checked("fork", "fork failed", posix.fork)
        self._is_running = True
        if self._pid == 0:
            run_and_exit(reporter, self._be_helper, job)

    def _be_helper(self, job: "Callable[[], int]") -> int:
        is_released = self._lock.wait(self._turn)
        self._lock.close()  # the job may need the descriptor
        return job() if is_released else 0

    def do_job(self) -> None:
        """Have the job done, and wait for that. Raises Failure."""
        self._lock.release(self._turn)
        _check_status(self._name, self._wait())

    def wait_for_end(self) -> None:
        """Wait until the helper has ended, after its job or after the lock was closed."""
        if self._is_running:
            self._wait()

    def _wait(self) -> int:
        self._is_running = False
        return wait_for(self._pid)


def start_binder(request: "Request", lock: "SyncLock", reporter: "AnyReporter") -> "Helper | None":
    """Start a helper for the persistent files if binding them will be out of our power."""
    if not request.files or not request.flags & (CLONE_NEWNS | CLONE_NEWUSER):
        return None
    pid = posix.getpid()
    return Helper("binder", lock, BINDER, reporter, lambda: bind_namespaces(request.files, pid))


def start_mapper(request: "Request", lock: "SyncLock", reporter: "AnyReporter") -> "Helper | None":
    """Start a helper for the id maps that have more in them than a process may write for itself."""
    id_maps = [id_map for id_map in (request.users, request.groups) if id_map.needs_mapper]
    if not id_maps:
        return None
    from ..options.ranges import joined_ranges

    maps = {id_map.kind: joined_ranges(id_map) for id_map in id_maps}
    pid = posix.getpid()
    return Helper("mapper", lock, MAPPER, reporter, lambda: write_id_maps(maps, pid, reporter))


def bind(request: "Request", binder: "Helper | None") -> None:
    """Make namespaces persistent. Those for children exist from the first fork on."""
    if binder:
        binder.do_job()
    else:
        bind_namespaces(request.files, posix.getpid())


def bind_namespaces(files: "dict[int, str]", pid: int) -> int:
    """Make the new namespaces of a process persistent, each bound on its file."""
    for flag, name in NAMESPACE_FILES:
        if flag in files:
            source, target = f"/proc/{pid}/ns/{name}", files[flag]
            wording = "mount %s on %s failed", source, target
            checked("mount", wording, mount, source, target, None, MS_BIND, path=target)
    return 0


def write_id_maps(maps: "dict[str, list[Range]]", pid: int, reporter: "AnyReporter") -> int:
    """Write the "uid" and "gid" maps of the user namespace that a process has made.

    Root does it by itself; anybody else has newuidmap(1) and newgidmap(1) do it, which know
    the ids that are the user's to give.
    """
    from ..options.ranges import map_lines

    for kind, ranges in maps.items():
        if posix.geteuid() == 0:
            _write_map(f"/proc/{pid}/{kind}_map", map_lines(ranges))
        else:
            numbers = [number for block in ranges for number in block.as_tuple()]
            _run([f"new{kind}map", str(pid), *map(str, numbers)], reporter)
    return 0


def _write_map(path: str, lines: str) -> None:
    if len(lines) > MAP_LIMIT:
        raise Failure(("%s too large for kernel 4k limit", path), step="write", path=path)
    write_file(path, lines, ("failed to open %s", path), ("failed to write %s", path))


def _run(argv: "list[str]", reporter: "AnyReporter") -> None:
    """Run a program and wait for it. Raises Failure, with its status if it has reported why."""
    # posix_spawn(3) would take half as long, but could not pass on an environment with a variable
    # twice, and glibc has signals of its own ignored in what it spawns.
    pid = checked("fork", "fork failed", posix.fork)
    if pid == 0:
        run_and_exit(reporter, _become, argv)
    _check_status(argv[0], wait_for(pid))


def _become(argv: "list[str]") -> int:
    start_program(argv)
    raise AssertionError("execve(2) returned")


def _check_status(name: str, status: int) -> None:
    """Raise the Failure that a wait status calls for: a process that was not killed has told."""
    if posix.WIFSIGNALED(status):
        signal = posix.WTERMSIG(status)
        raise Failure(f"{name} was killed by signal {signal}", step="helper", path=name)
    if status:
        status = posix.WEXITSTATUS(status)
        raise Failure(f"{name} failed", status=status, step="helper", path=name, reported=True)
