"""A check-up: what this machine allows, tried for real, and what mends the rest.

``true`` is launched with each option, in child processes that leave nothing behind, as root and as
an ordinary user. A process of an ordinary user is not to be trusted by a check-up that root runs:
the user's other processes may stop it, look into it, and take its file descriptors. So it is a
session of its own with an empty environment and with nothing open but a pipe, has its time, and
sends back data of one form. The hint is found here, for the user, and only what it tries is tried
as the user.
"""

from __future__ import annotations

import contextlib
import os
import posix
import pwd
import shutil
import signal
import time
from collections.abc import Iterator
from typing import Callable, NamedTuple

from ..diagnostics.maps import SUBORDINATE_FILES
from ..diagnostics.rules import RULES, Hints
from ..diagnostics.system import NAMESPACES, Namespace, System, number, read_file
from ..errors import Failure
from ..launch import binfmt, helpers  # noqa: F401 - for a child that cannot read them
from ..launch.program import start_program
from ..launch.rehearsal import be_silent, rehearse
from ..launch.steps import enter
from ..messages import STANDARD_ERROR, run_and_exit
from ..options import accounts, signals, values  # noqa: F401 - likewise
from ..options.option import BY_NAME
from ..options.parser import take_options
from ..options.request import BINFMT_MISC, Request
from ..syscalls import call, load_c_library
from .report import NAME, Finding, Outcome, Report, Trial

PATIENCE = 10.0  # seconds for a launch
NOBODY = 65534

# <linux/prctl.h>, see prctl(2)
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36

# What a launch can say of a failure: the steps, and the files that they are about
STEPS = {step.encode(): step for step, _, _, _ in RULES}
PATHS = {
    path.encode(): path
    for path in (
        "/",
        "/proc",
        BINFMT_MISC,
        *SUBORDINATE_FILES.values(),
        *(f"/proc/{pid}/{kind}_map" for pid in ("self", "PID") for kind in SUBORDINATE_FILES),
        "/proc/self/setgroups",
        *(f"new{kind}map" for kind in SUBORDINATE_FILES),
    )
}
DOING = {
    "execve": "executing",
    "helper": "running",
    "open": "opening",
    "subids": "looking for subordinate ids in",
    "write": "writing",
}
HIGHEST_ERRNO = 4095  # <linux/err.h>
LONGEST_RECORD = 200

Become = Callable[..., None]


class User(NamedTuple):
    """Who is to be tried beside root."""

    name: str
    uid: int
    gid: int
    groups: list[int]


def ordinary_user() -> User:
    """Return who is to be tried: who runs this, or who became root by sudo, or nobody."""
    uid = os.getuid()
    if uid == 0:
        given = number(posix.environ.get(b"SUDO_UID", b""))
        uid = given if given and given < (1 << 32) - 1 else NOBODY
    try:
        user = pwd.getpwuid(uid)
    except (KeyError, OverflowError):
        return User(str(uid), uid, uid, [])
    try:
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
    except OSError:
        groups = [user.pw_gid]
    return User(user.pw_name, uid, user.pw_gid, groups)


def check(system: System | None = None) -> Report:
    """Try everything, and return what was found."""
    system = system or System()
    user = ordinary_user()
    has_c_library = _has_c_library()
    is_root = os.geteuid() == 0
    become = _becoming(user) if is_root else None

    def tried(trial: Trial) -> Finding:
        as_root = as_user = None
        if is_root and has_c_library:
            as_root = _tried(trial.options, system)
        if is_tried and trial.ordinary_options is not None:
            with _as(user if is_root else None):
                as_user = _tried(trial.ordinary_options, System(become=become), become)
        return Finding(trial, as_root, as_user)

    with _descendants_adopted(has_c_library):
        # In a user namespace there may be no other user, and then the launch fails, with status 1.
        is_tried = has_c_library and (become is None or _run([], become)[0] != 1)
        return Report(
            user.name,
            user.uid,
            system,
            [tried(_namespace_trial(namespace, system)) for namespace in NAMESPACES],
            [tried(trial) for trial in _option_trials(system, user)],
            has_c_library,
        )


def _has_c_library() -> bool:
    try:
        load_c_library()
    except (ImportError, OSError):
        return False
    return True


def _namespace_trial(namespace: Namespace, system: System) -> Trial:
    option = BY_NAME[namespace.option]
    argv = [f"--{option.name}"]
    is_known = system.has_namespace(namespace) is not False
    return Trial(f"-{option.short} --{option.name}", argv, ["-r", *argv], is_known)


def _option_trials(system: System, user: User) -> list[Trial]:
    has_ids = all(system.blocks_of(kind, user.uid) for kind in ("uid", "gid"))
    map_root = ["-r"]
    own_proc = ["-pf", "--mount-proc"]
    map_auto = ["--map-auto"]
    # Nobody, who stands for all ordinary users, is not to be given ids.
    may_want_ids = has_ids or user.uid != NOBODY
    return [
        Trial("-r", map_root, map_root),
        Trial("-pf --mount-proc", own_proc, ["-r", *own_proc]),
        Trial("--map-auto", map_auto, map_auto if may_want_ids else None, has_ids),
        Trial("--mount-binfmt", ["-rpf", "--mount-binfmt"], ["-rpf", "--mount-binfmt"], False),
    ]


# ---- as another user ---------------------------------------------------------------------------


@contextlib.contextmanager
def _as(user: User | None) -> Iterator[None]:
    """Look at this machine as a user does, and as a process that only root may touch."""
    if user is None:
        yield
        return
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def _becoming(user: User) -> Become:
    """Return what makes a child process one of a user, with nothing left that root had."""

    def become(kept: int = -1) -> None:
        os.seteuid(0)
        _have_nothing(kept)
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        # Its own files in /proc would be root's otherwise: PR_SET_DUMPABLE(2const)
        call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)

    return become


def _have_nothing(kept: int = -1) -> None:
    """Give up all that was inherited but a file descriptor: terminal, files, signal mask."""
    os.setsid()
    be_silent()
    try:
        fds = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        fds = list(range(1024))
    for fd in fds:
        if fd > STANDARD_ERROR and fd != kept:
            with contextlib.suppress(OSError):
                os.close(fd)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


@contextlib.contextmanager
def _descendants_adopted(has_c_library: bool) -> Iterator[None]:
    """Become the parent of what a launch leaves behind, so as to end it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if has_c_library:
        with contextlib.suppress(OSError):
            call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ---- a launch ----------------------------------------------------------------------------------


class _Recorder:
    """A reporter that sends a record of each failure through a pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._own = f"/proc/{os.getpid()}/"

    def report(self, failure: Failure) -> int:
        path = (failure.path or "").replace(self._own, "/proc/PID/")
        record = f"{int(failure.reported)} {failure.status} "
        record += f"{failure.errno or 0} {failure.step} {path}\n"
        with contextlib.suppress(OSError):
            os.write(self._pipe, os.fsencode(record)[:LONGEST_RECORD])
        return failure.status

    def stop_loading(self) -> None:
        """Nothing is loaded any more."""


def parse_record(record: bytes) -> Failure | None:
    """Return the failure that a record is of, and nothing for data of another form."""
    fields = record.partition(b"\n")[0].split(b" ")
    if len(fields) != 5:
        return None
    is_reported, status, errno, step, path = fields
    numbers = [number(field) for field in (is_reported, status, errno)]
    if any(value is None or value > HIGHEST_ERRNO for value in numbers):
        return None
    program = _program() or ""
    known = {**PATHS, os.fsencode(program): program}
    return Failure(
        "",
        numbers[2] or None,
        step=STEPS.get(step, ""),
        path=known.get(path, ""),
        status=numbers[1] or 1,
        reported=bool(numbers[0]),
    )


def _tried(options: list[str], system: System, become: Become | None = None) -> Outcome:
    """Launch ``true`` in a child process, and find the hint if that fails."""
    status, record = _run(options, become)
    if status == 0:
        return Outcome(True)
    if status is None:
        return Outcome(False, f"did not end in {PATIENCE:.0f} seconds")
    if status < 0:
        return Outcome(False, f"killed by signal {-status}")
    failure = parse_record(record)
    if failure is None:
        return Outcome(False, "fails")
    argv = [*options, "true"]
    request = Request()
    with contextlib.suppress(Failure):
        for name, value in take_options([*argv]):
            request.add(name, value)
    hint = Hints(NAME, argv, request, system).find(failure, rehearse)
    doing = DOING.get(failure.step, failure.step) or "the launch"
    message = " ".join(word for word in (doing, failure.path) if word) + " failed"
    if failure.errno:
        message += f": {os.strerror(failure.errno)}"
    if hint is None:
        return Outcome(False, message)
    return Outcome(False, message, hint.cause, hint.commands)


def _run(options: list[str], become: Become | None) -> tuple[int | None, bytes]:
    """Return how a launch ended, None if it did not, and what it said of its failure."""
    others = _children()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    child = os.fork()
    if child == 0:
        run_and_exit(_Recorder(writing), _be_launch, options, become, writing)
    os.close(writing)
    status = _wait(child)
    record = b""
    with contextlib.suppress(BlockingIOError):  # nothing said, and somebody has the other end
        record = os.read(reading, LONGEST_RECORD)
    os.close(reading)
    for left in _children() - others:
        _kill(left)
    return status, record


def _be_launch(options: list[str], become: Become | None, pipe: int) -> int:
    program = _program()
    (become or _have_nothing)(pipe)
    child = enter(Request.from_options(take_options([*options])), _Recorder(pipe))
    if child:
        child.release()
        return child.wait()
    if program:
        start_program([program])
    return 0


def _program() -> str | None:
    """Return what is launched; None on a machine without it, where launches end before that."""
    return shutil.which("true")


def _wait(child: int) -> int | None:
    """Return how a child ended, negative by which signal, and None if it took too long."""
    deadline = time.monotonic() + PATIENCE
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            _kill(child)
            return None
        signal.sigtimedwait([signal.SIGCHLD], remaining)


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _children() -> set[int]:
    """Return the children of this process, as far as the kernel tells."""
    text = read_file(f"/proc/self/task/{os.getpid()}/children") or b""
    return {int(pid) for pid in text.split()}
