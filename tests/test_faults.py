"""Every system call of the launch that can fail, fails, and nothing is left of the launch.

strace makes the calls fail, in the command under test and in the reference alike: both have to
say the same, and end with the same status. Where the two are built differently, or differ on
purpose, the row stands in a table of its own with the reason.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from resource import RLIMIT_NOFILE
from typing import NamedTuple

import pytest

from tests.helpers import support
from tests.helpers.faults import (
    FORK,
    LAUNCHER,
    OPEN,
    Fault,
    Traced,
    calls_before_unshare,
    comparable_message,
    run_with_fault,
    stopped_at,
)
from tests.helpers.machine import needs
from tests.helpers.support import ROOT, WITH_SUBORDINATE_IDS, WITHOUT_SUBORDINATE_IDS, Program, User

pytestmark = [
    pytest.mark.thorough,
    needs("root", "strace", "compiler", "user namespaces", "child lists"),
]

TOUCH = "/usr/bin/touch"
# Words of the tables that stand for something of one test
FILE = "@FILE"
DIRECTORY = "@DIRECTORY"
FORMAT = ":pyunshare-test:E::pyunshare-test::/bin/sh:"


# ---- running ------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What a launch with a fault showed."""

    status: int | None
    message: str
    started: bool


def outcome(
    program: Program, words: Sequence[str], fault: Fault, user: User = ROOT
) -> tuple[Outcome, Traced]:
    """Run a launch with a fault, the program being one that leaves a mark."""
    directory = support.new_directory()
    marker = directory / "marker"
    (directory / "namespace").touch()
    values = {FILE: str(directory / "namespace"), DIRECTORY: str(directory)}
    replaced = [_replaced(word, values) for word in words]
    # A launch that binds files goes on in a mount namespace that ends with it.
    conditions = ["processor=0", "mounts"] if any(FILE in word for word in words) else []
    traced = run_with_fault(
        program, [*replaced, TOUCH, str(marker)], fault, user=user, conditions=conditions
    )
    message = traced.message.replace(str(directory), DIRECTORY)
    return Outcome(traced.result.status, message, marker.exists()), traced


def _replaced(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word


class Row(NamedTuple):
    """A command line and its fault."""

    words: list[str]
    fault: Fault


def rows(line: str, calls: str, effects: str, when: str = "1", path: str = "") -> list[Row]:
    """A row for each effect; a plain errno stands for the failure with it."""
    effect_words = [word if "=" in word else f"error={word}" for word in effects.split()]
    return [Row(line.split(), Fault(calls, word, when, path)) for word in effect_words]


def row_name(value: object) -> str:
    """The name of a row in the name of its test."""
    assert isinstance(value, Row)
    return f"{' '.join(value.words)} | {value.fault}"


OWN = f"/proc/{LAUNCHER}"  # by that name strace knows an open file of /proc/self

UNSHARE_ROWS = [
    *rows("", "unshare", "EPERM"),
    *rows("-m", "unshare", "EPERM ENOSPC EINVAL"),
    *rows("-p -f", "unshare", "ENOMEM EINVAL"),
    *rows("-U -r --keep-caps", "unshare", "EUSERS EPERM"),
    *rows("--kill-child -S 0", "unshare", "ENOSPC"),
]
FORK_ROWS = [
    *rows("-f", FORK, "EAGAIN ENOMEM"),
    *rows("--kill-child", FORK, "EAGAIN"),
    *rows("--forward-signals", FORK, "EAGAIN"),
    *rows("-p -f", FORK, "ENOMEM ENOSPC"),
    *rows("--map-users 0:0:10", FORK, "EAGAIN"),
    *rows("--map-users 0:0:10 -f", FORK, "EAGAIN"),
    *rows("--map-users 0:0:10 -f", FORK, "EAGAIN", "2"),
    *rows("-m --uts=@FILE", FORK, "EAGAIN"),
    *rows("-m --uts=@FILE --map-users 0:0:10 -f", FORK, "EAGAIN"),
]
MOUNT_ROWS = [
    *rows("-m", "mount", "EPERM EINVAL"),
    *rows("-m -f", "mount", "EPERM"),
    *rows("-m --propagation slave", "mount", "EPERM"),
    *rows("--mount-proc", "mount", "EBUSY", "2"),
    *rows("--mount-proc -p -f", "mount", "EPERM", "2"),
    *rows("--mount-proc=@DIRECTORY", "mount", "EBUSY", "2"),
    *rows("--propagation slave --mount-proc", "mount", "EPERM EINVAL", "2"),
    *rows("--propagation slave --mount-proc", "mount", "EPERM", "3"),
    *rows("--propagation unchanged --mount-proc", "mount", "EPERM"),
    *rows("-R / --propagation slave --mount-proc", "mount", "EPERM", "2"),
    *rows("-r -p -f --mount-binfmt", "mount", "EPERM ENODEV", "2"),
    *rows("-r -p -f --mount-binfmt", "mount", "EPERM ENODEV", "3"),
    *rows("-r --mount-binfmt=@DIRECTORY", "mount", "EPERM", "2"),
    *rows(f"-r -p -f -R / -l {FORMAT}F", "mount", "EPERM", "2"),
    *rows(f"-r -p -f -R / -l {FORMAT}F", "mount", "EPERM", "3"),
    *rows(f"-r -p -f -R / -l {FORMAT}F", "mount", "EPERM", "4"),
    *rows("--uts=@FILE", "mount", "EPERM ENOENT"),
    *rows("-U --uts=@FILE", "mount", "EPERM"),
    *rows("--uts=@FILE --ipc=@FILE", "mount", "EPERM", "2"),
]
DIRECTORY_ROWS = [
    *rows("-R /", "chroot", "EPERM ENOENT EACCES ENOTDIR"),
    *rows("-R / -f", "chroot", "EPERM"),
    *rows("-R /", "chdir", "EACCES"),
    *rows("-w /tmp", "chdir", "EACCES ENOENT"),
    *rows("-w /tmp -f", "chdir", "EACCES"),
]
CREDENTIAL_ROWS = [
    *rows("-S 0", "setuid", "EPERM EAGAIN"),
    *rows("-S 0 -f", "setuid", "EAGAIN"),
    *rows("-G 0", "setgid", "EPERM"),
    *rows("-G 0", "setgroups", "EPERM ENOMEM"),
    *rows("-S 0 -G 0 --kill-child", "setgid", "EPERM"),
    *rows("--owner 1:1", "setgroups", "EPERM"),
    *rows("--owner 1:1", "setgid", "EPERM"),
    *rows("--owner 1:1", "setuid", "EAGAIN"),
    *rows("--owner 0:0 --map-users 0:0:2 --map-groups 0:0:2 -S 0 -G 0", "setuid", "EAGAIN", "2"),
    *rows("--owner 0:0 --map-users 0:0:2 --map-groups 0:0:2 -S 0 -G 0", "setgid", "EPERM", "2"),
    *rows("--owner 0:0 -S 0 -G 0", "setgroups", "EAGAIN", "2"),
]
CAPABILITY_ROWS = [
    *rows("--kill-child", "prctl", "EINVAL EPERM"),
    *rows("-r --keep-caps", "prctl", "EPERM", "5"),
    *rows("-r --keep-caps", "capget", "EPERM"),
    *rows("-r --keep-caps", "capset", "EPERM"),
    *rows("-r --keep-caps -f", "capset", "EPERM"),
]
# The program is running already where the launcher fails to wait for it; both leave it alone.
WAIT_ROWS = [
    *rows("-f", "wait4", "ECHILD EINTR"),
    *rows("-p --kill-child", "wait4", "EINTR"),
    *rows("--map-users 0:0:10", "wait4", "ECHILD EINTR"),
    *rows("-U --uts=@FILE", "wait4", "EINTR"),
    *rows("--forward-signals", "wait4", "ECHILD EINTR"),
]
OPEN_ROWS = [
    *rows("-r", OPEN, "EACCES ENOENT EMFILE", path="/proc/self/uid_map"),
    *rows("-r -f", OPEN, "EACCES ENOENT", path="/proc/self/uid_map"),
    *rows("-r", OPEN, "EACCES ENOENT EMFILE", path="/proc/self/gid_map"),
    *rows("-r", OPEN, "EACCES ENOENT", path="/proc/self/setgroups"),
    *rows("-U --setgroups deny", OPEN, "EACCES ENOENT", path="/proc/self/setgroups"),
    *rows("-U --setgroups allow", OPEN, "EACCES ENOENT", path="/proc/self/setgroups"),
    *rows("-T --boottime 5", OPEN, "EACCES ENOENT", path="/proc/self/timens_offsets"),
    *rows("-T -f --monotonic 5", OPEN, "EPERM", path="/proc/self/timens_offsets"),
    *rows("--map-users 0:0:10", OPEN, "EACCES ENOENT", path=f"{OWN}/uid_map"),
    *rows("--map-groups 0:0:10 -f", OPEN, "EACCES ENOENT", path=f"{OWN}/gid_map"),
    *rows(f"-r -p -f -l {FORMAT}", OPEN, "EACCES ENOENT", path="/proc/sys/fs/binfmt_misc"),
]
# A short write is reported as having taken two bytes: the rest then is no map to the kernel.
WRITE_ROWS = [
    *rows("-r", "write", "EPERM EINTR retval=2", path=f"{OWN}/uid_map"),
    *rows("-r", "write", "EPERM EINTR retval=2", path=f"{OWN}/gid_map"),
    *rows("-r", "write", "EPERM EINTR retval=2", path=f"{OWN}/setgroups"),
    *rows("-U --setgroups deny", "write", "EPERM EINTR retval=2", path=f"{OWN}/setgroups"),
    *rows("-T --boottime 5", "write", "EPERM ERANGE", path=f"{OWN}/timens_offsets"),
    *rows("-T --monotonic 5 --boottime 5", "write", "EACCES", "2", f"{OWN}/timens_offsets"),
    *rows("--map-users 0:0:10", "write", "EPERM EINVAL EINTR retval=2", path=f"{OWN}/uid_map"),
    *rows("--map-groups 0:0:10", "write", "EPERM EINTR retval=2", path=f"{OWN}/gid_map"),
    *rows("-r -f", "write", "EPERM", "2"),  # the second write of the child: setgroups
    *rows("-r -f", "write", "EPERM", "3"),  # and the third: gid_map
    *rows(
        f"-r -p -f -l {FORMAT}",
        "write",
        "EINVAL EINTR retval=2",
        path="/proc/sys/fs/binfmt_misc/register",
    ),
]
EXECUTE_ROWS = [
    *rows("", "execve", "EACCES ENOENT E2BIG ENOTDIR ETXTBSY", "1+", TOUCH),
    *rows("", "execve", "ENOMEM ELOOP EPERM EIO EINVAL EMFILE", "1+", TOUCH),
    *rows("", "execve", "ENOEXEC", "1+", TOUCH),
    *rows("-f", "execve", "EACCES ENOENT", "1+", TOUCH),
    *rows("-r --kill-child", "execve", "EPERM", "1+", TOUCH),
]
SAME_AS_THE_REFERENCE = [
    *UNSHARE_ROWS,
    *FORK_ROWS,
    *MOUNT_ROWS,
    *DIRECTORY_ROWS,
    *CREDENTIAL_ROWS,
    *CAPABILITY_ROWS,
    *WAIT_ROWS,
    *OPEN_ROWS,
    *WRITE_ROWS,
    *EXECUTE_ROWS,
]


@needs("reference", "time namespaces", "binfmt_misc in a user namespace")
@pytest.mark.parametrize("row", SAME_AS_THE_REFERENCE, ids=row_name)
def test_a_failing_call_ends_as_with_the_reference(row: Row) -> None:
    ours, our_trace = outcome(support.command(), row.words, row.fault)
    theirs, their_trace = outcome(support.reference(), row.words, row.fault)
    assert our_trace.struck, "the fault did not happen"
    assert their_trace.struck, "the fault did not happen in the reference"
    assert ours == theirs
    if ours.status != 0 and "wait4" not in row.fault.calls:
        assert not ours.started


@needs("time namespaces", "binfmt_misc in a user namespace")
@pytest.mark.parametrize("call", ["wait4", "write"])
def test_an_interrupted_call_is_made_again(call: str) -> None:
    """So that the rows above are not equal failures."""
    for row in SAME_AS_THE_REFERENCE:
        if row.fault.calls == call and row.fault.effect == "error=EINTR":
            ours, _ = outcome(support.command(), row.words, row.fault)
            assert ours == Outcome(0, "", True), row


ORDINARY_ROWS = [
    *rows("-r", "unshare", "EPERM ENOSPC EUSERS"),
    *rows("-r -m -f", "unshare", "EPERM"),
    *rows("-r", OPEN, "EACCES", path="/proc/self/uid_map"),
    *rows("-r", "write", "EPERM", path=f"{OWN}/gid_map"),
    *rows("-r -m", "mount", "EACCES"),
    *rows("-r -f", FORK, "EAGAIN"),
    *rows("-c --keep-caps", "capset", "EPERM"),
]


@needs("reference")
@pytest.mark.parametrize("row", ORDINARY_ROWS, ids=row_name)
def test_an_ordinary_users_failing_call_ends_as_with_the_reference(row: Row) -> None:
    user = WITHOUT_SUBORDINATE_IDS
    ours, our_trace = outcome(support.command(user), row.words, row.fault, user)
    theirs, their_trace = outcome(support.reference(user), row.words, row.fault, user)
    assert our_trace.struck
    assert their_trace.struck
    assert ours == theirs
    assert not ours.started


@needs("reference")
def test_signals_that_cannot_be_blocked_end_as_with_the_reference() -> None:
    outcomes = []
    for program in (support.command(), support.reference()):
        earlier = calls_before_unshare(program, ["-f", "true"], "rt_sigprocmask")
        fault = Fault("rt_sigprocmask", "error=EINVAL", str(earlier + 1))
        ended, traced = outcome(program, ["-f"], fault)
        assert traced.struck
        outcomes.append(ended)
    assert outcomes[0] == outcomes[1]
    assert not outcomes[0].started


# ---- where the two differ -----------------------------------------------------------------------


class Difference(NamedTuple):
    """A fault after which the two do not end alike: how ours does, and why."""

    row: Row
    expected: Outcome
    reason: str


def difference(row: Sequence[Row], message: str, reason: str, status: int = 1) -> list[Difference]:
    """What the command has to do for each of some rows."""
    return [Difference(each, Outcome(status, message, False), reason) for each in row]


BIND_FAILED = "mount /proc/PID/ns/uts on @DIRECTORY/namespace failed"
PIPE_FAILED = "pipe failed: Too many open files"
NO_FILE = "?memfd_create,pipe2"
DIFFERENCES = [
    *difference(
        rows("--map-users 0:0:10", "unshare", "EUSERS"),
        "unshare failed: Too many users",
        "11.6: the reference's mapper stays for ever",
    ),
    *difference(
        rows("-r --uts=@FILE", "unshare", "EINVAL"),
        "unshare failed: Invalid argument",
        "11.6: the reference's binder stays for ever",
    ),
    *difference(
        rows("-m --uts=@FILE --map-users 0:0:10 -f", "unshare", "EPERM"),
        "unshare failed: Operation not permitted",
        "11.6: both helpers of the reference stay for ever",
    ),
    *difference(
        rows("-m --uts=@FILE --map-users 0:0:10 -f", FORK, "EAGAIN", "2"),
        "fork failed: Resource temporarily unavailable",
        "11.6: the binder stays when the mapper cannot be started",
    ),
    *difference(
        rows("-m --uts=@FILE --map-users 0:0:10 -f", FORK, "EAGAIN", "3"),
        "fork failed: Resource temporarily unavailable",
        "11.6: the binder stays when the child cannot be started",
    ),
    *difference(
        rows("-U --uts=@FILE --map-users 0:0:10 --owner 1:1", "setuid", "EAGAIN"),
        "setuid() failed: Resource temporarily unavailable",
        "11.6: both helpers stay when --owner fails",
    ),
    *difference(
        rows("-f --uts=@FILE", "mount", "EPERM"),
        f"{BIND_FAILED}: Operation not permitted",
        "11.5: the reference starts the program",
    ),
    *difference(
        rows("-U -f --uts=@FILE", "mount", "EPERM"),
        f"{BIND_FAILED}: Operation not permitted",
        "11.5: the reference starts the program",
    ),
    *difference(
        rows("-R / -w /tmp", "chdir", "EACCES"),
        "cannot change directory to /: Permission denied",
        "11.9: we are inside the new root before --wd is looked up",
    ),
    *difference(
        rows("-R / -w /tmp", "chdir", "EACCES", "2"),
        "cannot change directory to /tmp: Permission denied",
        "11.9: the reference changes the directory once",
    ),
    *difference(
        rows("--kill-child -S 0", "prctl", "EINVAL", "2"),
        "prctl failed: Invalid argument",
        "11.2: the reference does not arm the death signal again",
    ),
    *difference(
        rows("-r --keep-caps", "prctl", "EPERM"),
        "prctl(PR_CAP_AMBIENT) failed: Operation not permitted",
        "design: the reference's library asks prctl for the bounding set first, and lives without",
    ),
    *difference(
        rows("--owner 1:1 --map-users 0:0:10 -f", "setuid", "EAGAIN"),
        "setuid() failed: Resource temporarily unavailable",
        "11.6: the reference's mapper stays when --owner fails",
    ),
    *difference(
        rows("-U --uts=@FILE", "wait4", "ECHILD"),
        "waitpid failed: No child processes",
        "design: the reference's binder may still report its own failure, ours has ended",
    ),
    *difference(
        rows("-T --boottime 5", "write", "retval=2", path=f"{OWN}/timens_offsets"),
        "failed to write to /proc/self/timens_offsets: Invalid argument",
        "the reference fails with the reason 'Success'",
    ),
    *difference(
        rows("--kill-child", NO_FILE, "EMFILE", "1+"),
        PIPE_FAILED,
        "design: pidfd_open in the reference, whose message is 'pidfd_open failed'",
    ),
    *difference(
        rows("--map-users 0:0:10", NO_FILE, "EMFILE ENFILE", "1+"),
        "",
        "design: eventfd in the reference, whose message is 'eventfd failed'",
    ),
    *difference(rows("-U --uts=@FILE", NO_FILE, "EMFILE", "1+"), PIPE_FAILED, "design: as above"),
    *difference(rows("-f --uts=@FILE", NO_FILE, "EMFILE", "1+"), PIPE_FAILED, "design: as above"),
    *difference(
        rows("-m --uts=@FILE --map-users 0:0:10 -f", NO_FILE, "EMFILE", "1+"),
        PIPE_FAILED,
        "design: as above",
    ),
]


def difference_name(value: object) -> str:
    """The name of a difference in the name of its test."""
    assert isinstance(value, Difference)
    return f"{row_name(value.row)} ({value.reason})"


@needs("time namespaces")
@pytest.mark.parametrize("case", DIFFERENCES, ids=difference_name)
def test_a_failing_call_ends_the_launch_at_once(case: Difference) -> None:
    ours, traced = outcome(support.command(), case.row.words, case.row.fault)
    assert traced.struck
    if case.row.fault.effect == "error=ENFILE":
        assert ours.message == "pipe failed: Too many open files in system"
    else:
        assert ours == case.expected._replace(message=case.expected.message or PIPE_FAILED)


@needs("time namespaces")
def test_an_interrupted_write_of_the_clock_offsets_is_resumed() -> None:
    """The reference fails with the reason 'Interrupted system call'."""
    row = rows("-T --boottime 5", "write", "EINTR", path=f"{OWN}/timens_offsets")[0]
    ours, traced = outcome(support.command(), row.words, row.fault)
    assert traced.struck
    assert ours == Outcome(0, "", True)


INTERRUPTED = [
    *rows("--forward-signals", "waitid,rt_sigtimedwait", "EINTR"),
    *rows("--map-users 0:0:10 -f", "wait4", "EINTR", "1"),
    *rows("--map-users 0:0:10 -f", "wait4", "EINTR", "2"),
    *rows("-U --uts=@FILE -f", "wait4", "EINTR", "1"),
    *rows("--kill-child -S 0", "wait4", "EINTR", "1"),
]


@pytest.mark.parametrize("row", INTERRUPTED, ids=row_name)
def test_interrupted_waits_are_resumed(row: Row) -> None:
    ours, traced = outcome(support.command(), row.words, row.fault)
    assert traced.struck
    assert ours == Outcome(0, "", True)


@pytest.mark.parametrize("options", [["--map-users", "0:0:10"], ["-U", f"--uts={FILE}", "-f"]])
def test_a_helper_that_is_stopped_and_continued_goes_on(options: list[str]) -> None:
    launch = Launch(*options)
    conditions = ["processor=0", "mounts"]
    with stopped_at(support.command(), launch.words, "unshare", conditions=conditions) as stopped:
        (helper,) = stopped.helpers()
        for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGWINCH, signal.SIGCHLD):
            os.kill(helper, number)
        result = stopped.go_on()
    assert (result.status, comparable_message(result.stderr)) == (0, "")
    assert launch.marker.exists()


WAITING_AT_A_LOCK = [
    ["--map-users", "0:0:10"],
    ["--map-users", "0:0:10", "-f"],
    ["-U", "--uts=@FILE"],
    ["-f", "--uts=@FILE"],
    ["-m", "--uts=@FILE", "--map-users", "0:0:10", "-f"],
    ["-m", "--uts=@FILE", "--map-users", "0:0:10", "--kill-child", "-S", "0"],
]


@pytest.mark.parametrize("errno", ["ENOSYS", "EPERM", "EACCES", "EINVAL"])
@pytest.mark.parametrize("words", WAITING_AT_A_LOCK, ids=" ".join)
def test_without_a_file_in_memory_a_pipe_serves(words: list[str], errno: str) -> None:
    """As under a filter, or with the sysctl vm.memfd_noexec."""
    ours, traced = outcome(support.command(), words, Fault("memfd_create", f"error={errno}"))
    assert traced.struck
    assert ours == Outcome(0, "", True)


@pytest.mark.parametrize("words", WAITING_AT_A_LOCK, ids=" ".join)
@pytest.mark.parametrize("when", ["1", "2"])
def test_a_lock_that_is_refused_leaves_no_launch_half_done(words: list[str], when: str) -> None:
    """In each process the so-many-th: fcntl(2) is what lockf(3) calls."""
    fault = Fault("fcntl,?fcntl64", "error=EPERM", when)
    ours, traced = outcome(support.command(), words, fault)
    if traced.struck:
        assert "lockf failed: Operation not permitted" in ours.message
        assert (ours.status, ours.started) == (1, False)


# ---- few descriptors ----------------------------------------------------------------------------

# How many of them are enough for the reference, too, of which three are the standard ones
FEW = [
    (4, ["-r"]),
    (4, ["-f"]),
    (4, ["--map-users", "0:0:10"]),
    (4, ["--map-users", "0:0:10", "-f"]),
    (4, ["-f", "--uts=@FILE"]),
    (4, ["-m", "--uts=@FILE"]),
    (4, ["-m", "--uts=@FILE", "-f"]),
    (4, ["-m", "--uts=@FILE", "-r"]),
    (4, ["-m", "--uts=@FILE", "-r", "-f"]),
    (4, ["-T", "--boottime", "5"]),
    (4, ["--map-users", "0:0:1", "--map-group", "0", "-T", "--boottime", "5"]),
    (4, ["--map-users", "0:0:1", "--map-group", "0", "-T", "--boottime", "5", "-f"]),
    (4, ["--forward-signals"]),
    (5, ["-m", "--uts=@FILE", "--map-users", "0:0:10", "-f"]),
    (5, ["--kill-child", "-r"]),
    (5, ["--kill-child", "-S", "0"]),
    (5, ["-r", "--uts=@FILE", "--kill-child"]),
    (5, ["--kill-child", "-T", "--boottime", "5"]),
    (5, ["-r", "-p", "--kill-child", "-l", FORMAT]),
]


@needs("reference", "time namespaces", "binfmt_misc in a user namespace")
@pytest.mark.parametrize(("limit", "options"), FEW, ids=str)
def test_a_launch_with_few_descriptors(limit: int, options: list[str]) -> None:
    for program in (support.reference(), support.lean_command()):
        launch = Launch(*options)
        conditions = ["processor=0", "mounts", f"limit={RLIMIT_NOFILE}:{limit}:{limit}"]
        result = support.start(program, launch.words, conditions=conditions)
        assert (result.status, result.stderr) == (0, b""), program
        assert launch.marker.exists()


# What is closed makes room, and nothing is kept from that place where there is no other.
CLOSED = [
    (3, [1], ["-r"]),
    (3, [0], ["-r", "-f"]),
    (3, [2], ["--kill-child"]),
    (3, [0, 1], ["--map-users", "0:0:10", "-f"]),
    (3, [0, 1, 2], ["-r", "--kill-child"]),
    (4, [0, 1, 2], ["-m", "--uts=@FILE", "--map-users", "0:0:10", "-f"]),
]


@pytest.mark.parametrize(("limit", "closed", "options"), CLOSED, ids=str)
def test_a_launch_with_no_more_descriptors_than_are_closed(
    limit: int, closed: list[int], options: list[str]
) -> None:
    launch = Launch(*options)
    closing = [f"close={number}" for number in closed]
    conditions = ["processor=0", "mounts", f"limit={RLIMIT_NOFILE}:{limit}:{limit}", *closing]
    result = support.start(support.lean_command(), launch.words, conditions=conditions)
    assert (result.status, result.stderr) == (0, b"")
    assert launch.marker.exists()


# ---- what the waiting needs, refused ------------------------------------------------------------

REFUSED = "EPERM ENOSYS EINVAL EAGAIN ECHILD EFAULT"
WAITS_REFUSED = [
    *rows("--forward-signals", "rt_sigtimedwait,?rt_sigtimedwait_time64", REFUSED, "1"),
    *rows("--forward-signals", "rt_sigtimedwait,?rt_sigtimedwait_time64", REFUSED, "1+"),
    *rows("--forward-signals --kill-child", "rt_sigtimedwait", "EPERM", "1+"),
    *rows("--forward-signals", "waitid", REFUSED, "1+"),
    *rows("--forward-signals", "kill", REFUSED, "1+"),
    *rows("-f", "waitid", REFUSED, "1+"),
]


@pytest.mark.parametrize("row", WAITS_REFUSED, ids=row_name)
def test_a_refused_call_of_the_waiting_loses_no_status(row: Row) -> None:
    """The reference, which does not make these calls, ends with the status of the program."""
    words = [*row.words, "/bin/sh", "-c", "exit 7"]
    traced = run_with_fault(support.command(), words, row.fault)
    assert (traced.result.status, traced.message) == (7, "")


def test_a_launch_needs_no_name_of_the_kernel() -> None:
    """Nor does anything fail before there is somebody to tell of it."""
    words = ["-u", "/bin/sh", "-c", "exit 7"]
    traced = run_with_fault(support.lean_command(), words, Fault("uname", "error=EPERM", "1+"))
    assert (traced.result.status, traced.message) == (7, "")


WAITS_THAT_FAIL = [
    *rows("-f", "wait4", REFUSED, "1+"),
    *rows("--forward-signals", "wait4", REFUSED, "1+"),
    *rows("--kill-child --forward-signals", "wait4", REFUSED, "1+"),
    *rows("--map-users 0:0:10 -f", "wait4", REFUSED, "1+"),
    *rows("--forward-signals", "rt_sigprocmask", "EPERM ENOSYS", "1+"),
    *rows("-u", "rt_sigaction", "EPERM ENOSYS EINVAL", "1+"),
    *rows("-f", "rt_sigaction", "EPERM ENOSYS EINVAL", "1+"),
]


@needs("reference")
@pytest.mark.parametrize("row", WAITS_THAT_FAIL, ids=row_name)
def test_a_refused_call_of_the_waiting_ends_as_the_reference(row: Row) -> None:
    ours, our_trace = outcome(support.command(), row.words, row.fault)
    theirs, their_trace = outcome(support.reference(), row.words, row.fault)
    assert our_trace.struck and their_trace.struck
    assert (ours.status, ours.message) == (theirs.status, theirs.message)


# ---- helpers that do not come to their end ------------------------------------------------------


class Launch:
    """The words of a launch of our own, with a mark that the program leaves."""

    def __init__(self, *options: str) -> None:
        self.directory = support.new_directory()
        self.file = self.directory / "namespace"
        self.file.touch()
        self.marker = self.directory / "marker"
        self.words = [
            *(option.replace(FILE, str(self.file)) for option in options),
            TOUCH,
            str(self.marker),
        ]


KILLED_WHILE_WAITING = [
    ("mapper", ["--map-users", "0:0:10"]),
    ("mapper", ["--map-users", "0:0:10", "-f"]),
    ("mapper", ["--map-groups", "0:0:10", "--kill-child"]),
    ("binder", ["-U", f"--uts={FILE}"]),
    ("binder", ["-U", f"--uts={FILE}", "-f"]),
    ("binder", ["-m", f"--ipc={FILE}", "-f", "-p"]),
]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
@pytest.mark.parametrize(("name", "options"), KILLED_WHILE_WAITING)
def test_a_helper_killed_while_it_waits_is_a_failure(
    name: str, options: list[str], number: int
) -> None:
    launch = Launch(*options)
    conditions = ["processor=0", "mounts", "limit=4:0:0"]  # no core file
    with stopped_at(support.command(), launch.words, "unshare", conditions=conditions) as stopped:
        (helper,) = stopped.helpers()
        stopped.kill(helper, number)
        result = stopped.go_on()
    assert comparable_message(result.stderr) == f"{name} was killed by signal {number:d}"
    assert result.status == 1
    assert not launch.marker.exists()


def test_with_two_helpers_each_can_be_killed() -> None:
    for index, name in ((0, "binder"), (1, "mapper")):
        launch = Launch("-m", f"--uts={FILE}", "--map-users", "0:0:10", "-f")
        with stopped_at(
            support.command(), launch.words, "unshare", conditions=["processor=0", "mounts"]
        ) as stopped:
            helpers = stopped.helpers()
            assert len(helpers) == 2
            stopped.kill(helpers[index])
            result = stopped.go_on()
        assert comparable_message(result.stderr) == f"{name} was killed by signal 9"
        assert result.status == 1
        assert not launch.marker.exists()


@pytest.mark.parametrize("fork", [[], ["-f"]])
def test_a_binder_killed_at_its_work_is_a_failure(fork: list[str]) -> None:
    launch = Launch("-U", f"--uts={FILE}", *fork)
    with stopped_at(
        support.command(), launch.words, "mount", conditions=["processor=0", "mounts"]
    ) as stopped:
        stopped.kill(stopped.pid)
        result = stopped.end()
    assert comparable_message(result.stderr) == "binder was killed by signal 9"
    assert result.status == 1
    assert not launch.marker.exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--map-users", "0:0:10"],
        ["-U", f"--uts={FILE}"],
        ["-m", f"--uts={FILE}", "--map-users", "0:0:10", "-f"],
    ],
)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_helpers_end_with_a_launcher_that_is_killed(options: list[str], number: int) -> None:
    launch = Launch(*options)
    with stopped_at(
        support.command(), launch.words, "unshare", conditions=["processor=0", "mounts"]
    ) as stopped:
        assert stopped.helpers()
        os.kill(stopped.pid, number)
        result = stopped.go_on()  # which sees the end of the output, the helpers having it too
    assert result.status == -number
    assert not result.stderr
    assert not launch.marker.exists()


@pytest.mark.parametrize("options", [["--kill-child"], ["-p", "--kill-child", "-S", "0"]])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_child_killed_before_the_program_is_the_programs_death(
    options: list[str], number: int
) -> None:
    launch = Launch(*options)
    fault = Fault("prctl", f"signal={number:d}", "1")  # which the child alone calls
    traced = run_with_fault(support.command(), launch.words, fault)
    if "-p" in options and number != signal.SIGKILL:
        assert traced.result.status == 0  # process 1 is deaf to it
    else:
        assert traced.result.status == -number
        assert not launch.marker.exists()
    assert traced.message == ""


def test_a_child_killed_while_files_are_bound() -> None:
    launch = Launch("-f", f"--uts={FILE}")
    conditions = ["processor=0", "mounts"]
    with stopped_at(support.command(), launch.words, "mount", conditions=conditions) as stopped:
        assert stopped.pid == stopped.process.pid
        (child,) = stopped.helpers()
        stopped.kill(child)
        result = stopped.go_on()
    assert result.status == -signal.SIGKILL
    assert comparable_message(result.stderr) == ""
    assert not launch.marker.exists()


# ---- newuidmap and newgidmap --------------------------------------------------------------------

GOOD = "#!/bin/sh\nexit 0\n"


def with_map_tools(**scripts: str | None) -> Mapping[str, str]:
    """An environment in which the map tools are these scripts, None being none at all."""
    directory = support.new_directory()
    directory.chmod(0o755)
    for name in ("newuidmap", "newgidmap"):
        script = scripts.get(name, GOOD)
        if script is not None:
            (directory / name).write_text(script)
            (directory / name).chmod(0o755)
    return {**support.ENVIRONMENT, "PATH": str(directory)}


def start_with_map_tools(*options: str, **scripts: str | None) -> tuple[int | None, str, bool]:
    """Run a launch of an ordinary user that needs the map tools."""
    launch = Launch("--map-auto", *options)
    user = WITH_SUBORDINATE_IDS
    result = support.start(
        support.command(user), launch.words, user=user, environment=with_map_tools(**scripts)
    )
    return result.status, comparable_message(result.stderr), launch.marker.exists()


TOOL_NOT_FOUND = "failed to execute {}: No such file or directory"
TOOL_FAILURES = [
    ("missing", None, 127, TOOL_NOT_FOUND),
    ("its interpreter is missing", "#!/nonexistent/interpreter\n", 127, TOOL_NOT_FOUND),
    ("status 3", "#!/bin/sh\nexit 3\n", 3, ""),
    ("status 255", "#!/bin/sh\nexit 255\n", 255, ""),
    ("says why", "#!/bin/sh\necho because >&2; exit 1\n", 1, "because"),
    ("not even a script", "exit 7\n", 7, ""),
    ("killed", "#!/bin/sh\nkill -KILL $$\n", 1, "{} was killed by signal 9"),
    ("terminated", "#!/bin/sh\nkill -TERM $$\n", 1, "{} was killed by signal 15"),
    ("aborted", "#!/bin/sh\nulimit -c 0\nkill -ABRT $$\n", 1, "{} was killed by signal 6"),
    ("pipe", "#!/bin/sh\nkill -PIPE $$\n", 1, "{} was killed by signal 13"),
]


@pytest.mark.parametrize("options", [(), ("-f",)], ids=["plain", "fork"])
@pytest.mark.parametrize("tool", ["newuidmap", "newgidmap"])
@pytest.mark.parametrize(
    ("script", "status", "message"),
    [case[1:] for case in TOOL_FAILURES],
    ids=[case[0] for case in TOOL_FAILURES],
)
def test_a_map_tool_that_fails(
    tool: str, script: str | None, status: int, message: str, options: Sequence[str]
) -> None:
    ended = start_with_map_tools(*options, **{tool: script})
    assert ended == (status, message.format(tool), False)


def test_map_tools_that_work() -> None:
    """So that the failures above are those of the scripts."""
    status, message, _ = start_with_map_tools()
    assert (status, message) == (0, "")


def test_a_map_tool_gets_what_the_launch_was_given() -> None:
    """Variables that no dictionary can hold, and no signal ignored."""
    seen = support.new_directory() / "seen"
    seen.parent.chmod(0o777)
    script = f"#!/bin/sh\nexec >{seen}\n/bin/cat /proc/$$/environ\n/bin/grep SigIgn /proc/$$/status"
    tools = with_map_tools(newuidmap=script)
    entries = [f"PATH={tools['PATH']}", "A=1", "MALFORMED", "A=2", "=NAMELESS"]
    conditions = ["emptyenv", *(f"env={entry}" for entry in entries)]
    user = WITH_SUBORDINATE_IDS
    result = support.start(
        support.command(user), ["--map-auto", "/bin/true"], user=user, conditions=conditions
    )
    assert (result.status, result.stderr) == (0, b"")
    entries += [f"{name}={value}" for name, value in support.command(user).environment]
    assert seen.read_text() == "\0".join([*entries, "SigIgn:\t0000000000000000\n"])


def test_a_map_tool_that_may_not_be_executed() -> None:
    environment = with_map_tools()
    Path(environment["PATH"], "newuidmap").chmod(0o644)
    launch = Launch("--map-auto")
    user = WITH_SUBORDINATE_IDS
    result = support.start(support.command(user), launch.words, user=user, environment=environment)
    assert result.status == 126
    assert result.stderr.endswith(b"failed to execute newuidmap: Permission denied\n")
    assert not launch.marker.exists()


@pytest.mark.parametrize("victim", ["tool", "mapper", "launcher"])
def test_a_map_tool_that_hangs_and_what_is_killed_then(victim: str) -> None:
    said = support.new_directory() / "said"
    script = f"#!/bin/sh\nPATH=/bin:/usr/bin\necho $$ $PPID > {said}\nexec sleep 1000\n"
    launch = Launch("--map-auto")
    user = WITH_SUBORDINATE_IDS
    line = support.started(support.command(user), launch.words, user=user)
    with support.popen(line, environment=with_map_tools(newuidmap=script)) as process:
        try:
            text = support.wait_for(lambda: _whole_line(said), "newuidmap to be started")
            tool, mapper = map(int, text.split())
            os.kill({"tool": tool, "mapper": mapper, "launcher": process.pid}[victim], 9)
            status = process.wait(timeout=support.PATIENCE)
            if victim != "tool":
                os.kill(tool, signal.SIGKILL)
            _, errors = process.communicate(timeout=support.PATIENCE)
        finally:
            support.kill_session(process)
    message = {
        "tool": "newuidmap was killed by signal 9",
        "mapper": "mapper was killed by signal 9",
        "launcher": "newuidmap was killed by signal 9",  # says the mapper, in its own time
    }[victim]
    assert comparable_message(errors) == message
    assert status == (-signal.SIGKILL if victim == "launcher" else 1)
    assert not launch.marker.exists()


def _whole_line(path: Path) -> str:
    text = path.read_text() if path.exists() else ""
    return text if text.endswith("\n") else ""


TOOL_FAULTS = [
    # The mapper's second fork is for newgidmap.
    (*rows("--map-auto", FORK, "EAGAIN", "2"), "fork failed: Resource temporarily unavailable"),
    (*rows("--map-auto", "wait4", "ECHILD", "2"), "waitpid failed: No child processes"),
]


@pytest.mark.parametrize(("row", "message"), TOOL_FAULTS, ids=["fork", "wait"])
def test_a_mapper_that_cannot_go_on(row: Row, message: str) -> None:
    launch = Launch(*row.words)
    user = WITH_SUBORDINATE_IDS
    traced = run_with_fault(
        support.command(user),
        launch.words,
        row.fault,
        user=user,
        environment=with_map_tools(),
    )
    assert traced.struck
    assert traced.result.status == 1
    assert traced.message == message
    assert not launch.marker.exists()


@pytest.mark.parametrize("tool", ["newuidmap", "newgidmap"])
@pytest.mark.parametrize(
    ("errno", "status", "reason"),
    [
        ("EPERM", 126, "Operation not permitted"),
        ("EACCES", 126, "Permission denied"),
        ("ENOENT", 127, "No such file or directory"),
        ("ENOMEM", 126, "Cannot allocate memory"),
    ],
)
def test_a_map_tool_that_cannot_be_executed(
    tool: str, errno: str, status: int, reason: str
) -> None:
    environment = with_map_tools()
    path = str(Path(environment["PATH"], tool))
    launch = Launch("--map-auto")
    user = WITH_SUBORDINATE_IDS
    traced = run_with_fault(
        support.command(user),
        launch.words,
        Fault("execve", f"error={errno}", "1+", path),
        user=user,
        environment=environment,
    )
    assert traced.struck
    assert traced.result.status == status
    assert traced.message == f"failed to execute {tool}: {reason}"
    assert not launch.marker.exists()


# ---- persistent files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [[], ["-f"], ["-U"], ["-U", "-f"], ["-m", "-f", "--kill-child"]]
)
def test_a_persistent_file_that_is_missing(options: list[str]) -> None:
    launch = Launch(*options, f"--uts={FILE}")
    launch.file.unlink()
    result = support.start(support.command(), launch.words, conditions=["processor=0", "mounts"])
    message = comparable_message(result.stderr)
    assert message == f"mount /proc/PID/ns/uts on {launch.file} failed: No such file or directory"
    assert result.status == 1
    assert not launch.marker.exists()


@needs("reference")
@pytest.mark.parametrize("options", [[], ["-f"], ["-U"], ["-U", "-f"]])
def test_a_missing_persistent_file_is_told_as_by_the_reference(options: list[str]) -> None:
    said = []
    for program in (support.command(), support.reference()):
        launch = Launch(*options, f"--uts={FILE}")
        launch.file.unlink()
        result = support.start(program, launch.words, conditions=["processor=0", "mounts"])
        message = comparable_message(result.stderr).replace(str(launch.directory), DIRECTORY)
        said.append((result.status, message))
    assert said[0] == said[1]


def test_the_second_of_two_persistent_files_is_missing() -> None:
    """What was bound before stays bound, as with the reference; the program is not started."""
    launch = Launch("-f", "--ipc=/nonexistent/file", f"--uts={FILE}")
    result = support.start(support.command(), launch.words, conditions=["processor=0", "mounts"])
    assert result.status == 1
    assert b"ns/ipc on /nonexistent/file failed" in result.stderr
    assert not launch.marker.exists()


# ---- a pipeline ends ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ["--map-users", "0:0:10"],
        ["-U", f"--uts={FILE}"],
        ["-m", f"--uts={FILE}", "--map-users", "0:0:10", "--map-groups", "0:0:10", "-f"],
    ],
)
def test_a_pipeline_behind_a_failing_launch_ends(options: list[str]) -> None:
    """By a limit of the kernel's own, without a tracer."""
    launch = Launch(*options)
    program = support.command()
    before = ["unshare=0x10000000"]  # where nobody has yet been mapped no namespace can be made
    line = support.started(program, launch.words, conditions=["mounts", *before])
    script = '"$@" 2>&1 | cat'
    result = support.run(["/bin/sh", "-c", script, "sh", *line])
    assert result.status == 0
    assert b"unshare failed: " in result.stdout
    assert not launch.marker.exists()
    assert result.stderr == b""
