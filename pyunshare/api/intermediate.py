"""The process that does a launch which a thread of the calling process cannot do.

It may be a copy of the calling process, or a new interpreter that is handed a job and files over a
socket. Such an interpreter serves once, and becomes the program itself or its parent; or it serves
a Launcher, and has a copy of itself do each launch. In every case what is given for the program is
only data here, until execve(2): nothing of it acts on code that has the rights of the calling
process. What fails is not printed, but reported over a socket.
"""

import _signal
import _socket
import errno
import marshal
import posix
import sys

from ..errors import Failure
from ..launch.program import execute_file, start_program
from ..launch.startup import reserve_stdio_fds
from ..launch.steps import enter, require_c_library
from ..messages import STANDARD_ERROR, run_and_exit
from ..options.parser import take_options
from ..options.request import Request
from ..syscalls import (
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_PARENT,
    clone,
    fsdecode,
    fsencode,
    load_c_library,
    set_parent_death_signal,
    unshare,
)
from ..version import __version__
from .status import EXECUTING, FORKED, STARTED, UNAVAILABLE, Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, NoReturn

    Placement = tuple[list[tuple[int, int]], list[int], list[int], list[int]]

STANDARD_FDS = {0, 1, 2}

OUTSIDE = 0  # the id of a parent in another PID namespace: pid_namespaces(7)

# Of a record with a part of a job, in bytes, and of the files that come with one
LONGEST_PART = 1 << 16
MOST_FILES = 250  # SCM_MAX_FD, unix(7), is 253
SIZE_OF_INT = 4


_is_loaded = False  # all that a launch may need


def do_job(
    job: "dict[str, Any]",
    request: Request,
    placement: "Placement",
    reporter: Reporter,
    is_inside: bool = False,
) -> int:
    """Do a launch and become the program; return its status in the parent of a forked one.

    Signals that this process has a handler for are those of the job. Where it ``is_inside`` the
    new namespaces from its beginning, it is the forked one.
    """
    try:
        _place_files(placement, job["fds"], reporter)
        _set_up(job)
    except OSError as error:
        return reporter.refuse(error)
    if not {*job["fds"]} >= STANDARD_FDS:
        reserve_stdio_fds()
    set_signals(job["reset"], _signal.SIG_DFL)
    set_signals(job["ignored"], _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, job["blocked"])
    if request.kill_child is not None:
        require_c_library()
    has_entry_without_name = b"" in (job["env"] or ())
    if has_entry_without_name:
        import ctypes  # noqa: F401  # for set_entries()

        from ..launch.environ import set_entries
    if is_inside or not needs_fork(request):
        request.fork = False  # this process is a child of the calling one
    change = _change_nothing if is_inside else unshare
    child = enter(request, reporter, hold=True, fork=copy_process, unshare=change)
    if child:
        try:
            if request.kill_child is not None:
                _die_with(job["parent"], _signal.SIGKILL)
            # A caller with a PID namespace for its children knows them by other ids.
            is_known = posix.getppid() == job["parent"]
            reporter.send(FORKED + (str(child.pid).encode() if is_known else b""))
            reporter.close()
        except BaseException:
            child.close_lock()
            child.wait_for_end()
            raise
        child.release()
        return child.wait()
    if request.kill_child is not None and not request.fork:
        _die_with(job["parent"], request.kill_child)

    if has_entry_without_name:  # which posix.execve() refuses, and subprocess passes
        set_entries([name + b"=" + value for name, value in job["env"].items()])

    def execute(path: str, argv: "list[str]", env: "Mapping[bytes, bytes] | None") -> None:
        reporter.send(EXECUTING)
        execute_file(path, argv, None if has_entry_without_name else env)

    start_program(job["argv"], job["env"], job["name"], execute)
    raise AssertionError("execve(2) returned")


def needs_fork(request: Request) -> bool:
    """Return whether the program is to be the child of another process than the calling one."""
    is_for_children = request.flags & (CLONE_NEWPID | CLONE_NEWTIME)
    return request.fork and bool(is_for_children or request.files)


def _change_nothing(_: int) -> None:
    """Be in the new namespaces as it is."""


def load_all() -> None:
    """Load what any launch may need, for all copies of this process at once."""
    global _is_loaded
    try:
        import _ctypes  # noqa: F401  # in the ordinary way, before load_c_library() has its own

        from .. import capabilities  # noqa: F401
        from ..launch import binfmt, helpers  # noqa: F401
        from ..options import ranges  # noqa: F401

        load_c_library()
        _is_loaded = True
    except (ImportError, OSError):  # built without ctypes, or a subinterpreter
        pass


def copy_process() -> int:
    """Copy this process, which has one thread; return the id of the copy, and 0 in that.

    The copy has but a launch to do. fork(2) would have Python, and all modules that ask for it,
    prepare it for a longer life, which takes longer than the launch, and may do anything.
    """
    if _is_loaded:
        try:
            return clone(0, _signal.SIGCHLD)
        except OSError:  # a kernel, or a filter, that does not know the call; or a limit
            pass
    return posix.fork()


def _die_with(parent: int, signal: int) -> None:
    """Have the kernel send a signal to this process, or the program, when its parent ends.

    If the parent is dead already, the signal would not come, and this process ends.
    """
    set_parent_death_signal(signal)
    if posix.getppid() not in (parent, OUTSIDE):
        posix._exit(1)


def set_signals(signals: "Iterable[int]", disposition: "Any") -> None:
    """Have these signals ignored, or their default done."""
    for signal in signals:
        try:
            _signal.signal(signal, disposition)
        except (OSError, ValueError):
            pass  # SIGKILL, or the like; a seccomp(2) filter refuses that; another thread's matter


# ---- a new interpreter --------------------------------------------------------------------------


def main() -> "NoReturn":
    """Serve at the socket that is the standard input, in the way that ``sys.argv`` says."""
    set_signals(_signal.valid_signals(), _signal.SIG_DFL)
    if sys.argv[1] == "hint":
        run_and_exit(Reporter(-1), _send_hint, 0)
    if sys.argv[1] == "once":
        _do_job(0)
    _serve(_socket.socket(fileno=0))


def _serve(control: "_socket.socket") -> "NoReturn":
    """Have copies of this process do the launches whose sockets come over ``control``.

    One copy is always there before it is needed, and tells over a pipe that it begins. One that
    ends without that has nobody left to serve, and the calling process, whose child it is, is told
    to wait for it.
    """
    load_all()
    parent = posix.getppid()
    set_parent_death_signal(_signal.SIGKILL)
    control.send(str(parent).encode())
    while not _is_closed(control):
        ended, has_begun = posix.pipe()
        try:
            pid = clone(CLONE_PARENT, 0)
            if pid == 0:
                run_and_exit(Reporter(-1), _serve_once, control, has_begun, parent)
        except OSError:  # a kernel, or a filter, that does not know the call; or a limit
            pid = 0
            _, files = _receive_part(control)
            for file in files[:1]:
                Reporter(file).send(UNAVAILABLE)
            for file in files:
                posix.close(file)
            posix.write(has_begun, b"\n")
        posix.close(has_begun)
        if not posix.read(ended, 1):
            try:
                control.send(str(pid).encode())
            except OSError:  # nobody listens any more
                pass
            break
        posix.close(ended)
    posix._exit(0)


def _is_closed(control: "_socket.socket") -> bool:
    """Return whether nobody is left who could send more."""
    try:
        return not control.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False


def _serve_once(control: "_socket.socket", has_begun: int, parent: int) -> int:
    """Wait for a launch and do it. The first of its files is where to report to."""
    set_parent_death_signal(_signal.SIGKILL)
    if posix.getppid() == parent:
        _touch_memory(has_begun)
        begin, files = _receive_part(control)
        if files:
            set_parent_death_signal(0)
            posix.write(has_begun, b"\n")
            posix.close(has_begun)
            control.close()
            _do_job(files[0], begin, files[1:])
    return 0


def _touch_memory(fd: int) -> None:
    """Do what a launch does, to no effect: memory is only copied when it is first written to."""
    marshal.loads(marshal.dumps(dict(posix.environ)))
    _place_files(placement([], [], [], fd), [], Reporter(fd))
    _set_environment(dict(posix.environ))
    set_signals([_signal.SIGPIPE], _signal.SIG_DFL)
    request = Request.from_options(take_options(["--map-root-user"]))
    request.check_setgroups()
    try:
        start_program(["/"], {}, "/", execute_file)
    except Failure:
        pass


def _do_job(channel: int, begin: bytes = b"", files: "Iterable[int]" = ()) -> "NoReturn":
    """Do the launch that is described over ``channel``, where it does not ``begin`` elsewhere."""
    reporter = Reporter(channel)
    run_and_exit(reporter, _receive_and_do, reporter, begin, [*files])


def _receive_and_do(reporter: Reporter, begin: bytes, files: "list[int]") -> int:
    reporter.send(STARTED + str(posix.getpid()).encode())
    job = _receive_job(reporter.fd, begin, files)
    others = [0, 1, 2, *files]
    try:
        if "directory" in job:
            posix.fchdir(files.pop())
        _set_environment(job["environ"])
        if job["entries"] is not None:
            from ..launch.environ import set_entries

            set_entries(job["entries"])
    except OSError as error:
        return reporter.refuse(error)
    request = Request.from_options(take_options(job["options"]))
    where = placement(files, job["fds"], others, reporter.fd)
    return do_job(job, request, where, reporter)


def _send_hint(channel: int) -> int:
    """Find what may help against the failure of a launch, which the hints of the command say."""
    from ..diagnostics.hint import OR
    from ..diagnostics.rules import Hints
    from ..launch.rehearsal import rehearse

    job = _receive_job(channel, b"", [])
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    _set_environment(job["environ"])
    request = Request.from_options(take_options(job["options"]))
    hints = Hints("pyunshare", [*job["options"], "--", *job["argv"]], request)
    failure = Failure(job["message"], job["errno"], step=job["step"], path=job["path"])
    hint = hints.find(failure, rehearse)
    if hint:
        commands = [f"type: {OR.join(hint.commands)}"] if hint.commands else []
        posix.write(channel, fsencode("\n".join([hint.cause, *commands])))
    return 0


def _receive_job(channel: int, data: bytes, files: "list[int]") -> "dict[str, Any]":
    """Return what is to be done, and add the files that belong to it.

    ``data`` and ``files`` have what has been received so far.
    """
    with_parts = _socket.socket(fileno=channel)
    try:
        if not data:
            data, files[:] = _receive_part(with_parts)
        line, _, data = data.partition(b"\n")
        version, _, sizes = line.decode().partition(" ")
        if version != __version__:
            raise Failure(
                f"pyunshare {__version__} has taken the place of pyunshare {version}, which this"
                " process has loaded: start it again"
            )
        size, number_of_files = map(int, sizes.split())
        while len(data) < size or len(files) < number_of_files:
            part, more = _receive_part(with_parts)
            if not part:
                posix._exit(1)
            data += part
            files += more
    finally:
        with_parts.detach()
    return marshal.loads(data)  # type: ignore[no-any-return]


def _receive_part(channel: "_socket.socket") -> "tuple[bytes, list[int]]":
    space = _socket.CMSG_SPACE(SIZE_OF_INT * MOST_FILES)
    part, ancillary, flags, _ = channel.recvmsg(LONGEST_PART, space, _socket.MSG_CMSG_CLOEXEC)
    numbers = b"".join(data for _, _, data in ancillary)
    if flags & _socket.MSG_CTRUNC:
        raise OSError(errno.EMFILE, posix.strerror(errno.EMFILE))
    return part, [
        int.from_bytes(numbers[start : start + SIZE_OF_INT], sys.byteorder)
        for start in range(0, len(numbers), SIZE_OF_INT)
    ]


def placement(
    files: "list[int]", targets: "list[int]", others: "list[int]", channel: int
) -> "Placement":
    """Return how to give the files these descriptors and to close all others but the channel.

    These are pairs of a file and its place, the files to be moved out of the way before that,
    those that are in their place already, and those to be closed, which may be by then.
    """
    to_move = [(file, target) for file, target in zip(files, targets) if file != target]
    taken = {*targets, 0, 1, 2}
    in_the_way = [*({channel, *(file for file, _ in to_move)} & taken)]
    to_close = {*others, *(file for file, _ in to_move)} - {*targets, channel}
    return to_move, in_the_way, [*({*targets} & {*files})], [*to_close]


def _place_files(placement: "Placement", targets: "list[int]", reporter: Reporter) -> None:
    """Place files, and have the reporter write to the channel where that is by then."""
    channel = reporter.fd
    to_move, in_the_way, in_place, to_close = placement
    copies: dict[int, int] = {}
    for file in in_the_way:
        found = [posix.dup(file)]
        while found[-1] in targets or found[-1] <= STANDARD_ERROR:
            found.append(posix.dup(file))
        copies[file] = found.pop()
        to_close += [fd for fd in found if fd not in targets]
    reporter.fd = copies.get(channel, channel)
    for file in in_place:
        posix.set_inheritable(file, True)
    for file, target in to_move:
        posix.dup2(copies.get(file, file), target)
        if file in copies:
            to_close.append(copies[file])
    if channel in copies and channel not in targets:
        to_close.append(channel)
    for fd in to_close:
        if fd != reporter.fd:
            posix.closerange(fd, fd + 1)  # an exception would take long


def _set_up(job: "dict[str, Any]") -> None:
    """Take up what subprocess would set in a child, in the order in which it does."""
    if job["cwd"] is not None:
        try:
            posix.chdir(job["cwd"])
        except OSError as error:
            raise OSError(error.errno, "", fsdecode(job["cwd"])) from None
    if job["umask"] >= 0:
        posix.umask(job["umask"])
    if job["session"]:
        posix.setsid()
    if job["process_group"] >= 0:
        posix.setpgid(0, job["process_group"])
    if job["groups"] is not None:
        posix.setgroups(job["groups"])
    if job["group"] is not None:
        posix.setregid(job["group"], job["group"])


def _set_environment(environment: "dict[bytes, bytes]") -> None:
    """Take up the calling process's own environment."""
    for name in [*posix.environ]:
        posix.unsetenv(name)
    posix.environ.clear()
    posix.environ.update(environment)
    for name, value in environment.items():
        if name:  # else it is one of the entries
            posix.putenv(name, value)
