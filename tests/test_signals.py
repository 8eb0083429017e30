"""Signals at every moment of a launch: to the launcher, to the child, from a terminal.

A random moment is a wait of random length after the start, which no result depends on. A chosen
moment is a system call at which strace delivers the signal, or stops the process.
"""

from __future__ import annotations

import contextlib
import os
import pty
import random
import re
import select
import shlex
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable

import pytest

from tests.helpers import support
from tests.helpers.faults import (
    FORK,
    Fault,
    fault_options,
    moments,
    start_with_signal_at,
    stopped_at,
    tracing,
)
from tests.helpers.machine import needs
from tests.helpers.support import WITHOUT_SUBORDINATE_IDS, Program, Word

pytestmark = [pytest.mark.thorough, needs("root", "compiler", "user namespaces", "child lists")]

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
KILLS = 2000 if DEEP else 200
MOMENTS_OF_EACH_SIGNAL = 200 if DEEP else 15
SEED = random.randrange(1 << 32)  # shown by every test that fails

STARTED_AS_MODULE = "-m" in support.COMMAND
FOR_EVER = ["sleep", "1000"]
FOR_A_WHILE = ["sleep", "20"]  # longer than anybody waits for the end of orphans
READY_FOR_EVER = ["sh", "-c", "echo ready; exec sleep 1000"]
FATAL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


# ---- launches that are running ------------------------------------------------------------------


@contextlib.contextmanager
def running(
    words: Sequence[Word],
    program: Program | None = None,
    conditions: Sequence[Word] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """A launch with pipes on all three descriptors."""
    line = support.started(program or support.command(), words, conditions=conditions)
    with support.popen(line, stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                support.kill_session(process)
            with contextlib.suppress(ValueError):  # communicated already
                process.communicate(timeout=support.PATIENCE)


def read_line(process: subprocess.Popen[bytes]) -> bytes:
    """The next line of the standard output, which has to come in time."""
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([process.stdout], [], [], support.PATIENCE)
        assert readable, f"no line after {line!r}"
        character = os.read(process.stdout.fileno(), 1)
        assert character, f"the end after {line!r}"
        line += character
    return line


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """Close the standard input and see the end: of the process, and of all with its output."""
    output, errors = process.communicate(timeout=support.PATIENCE)
    return process.returncode, output, errors


def life_until_ready(words: Sequence[Word]) -> float:
    """How long a launch takes until its program runs, in seconds."""
    lives = []
    for _ in range(5):
        begin = time.monotonic()
        with running([*words, *READY_FOR_EVER]) as process:
            assert read_line(process) == b"ready\n"
            lives.append(time.monotonic() - begin)
    return statistics.median(lives)


def see_nobody_left() -> None:
    """See that orphans, which are ours, are no more; a dying one may still be on its way."""
    support.wait_for(lambda: not support.left_over_children(), "the end of all orphans", 5)


def pass_time(seconds: float) -> None:
    """Let a moment pass that nothing depends on."""
    time.sleep(seconds)


# ---- no survivor of a killed launcher -----------------------------------------------------------

KILL_CHILD = [
    ["--kill-child"],
    ["--kill-child", "-S", "61002", "-G", "61002"],
    ["--kill-child", "-p", "--mount-proc"],
    ["--kill-child", "-r", "-p", "--mount-proc", "-S", "0"],
    ["--kill-child", "--forward-signals", "-m", "-S", "61002"],
]


def joined(words: object) -> str:
    """The name of a test case."""
    return " ".join(map(str, words)) if isinstance(words, list) else str(words)


@pytest.mark.parametrize("options", KILL_CHILD, ids=joined)
def test_a_launcher_killed_at_any_moment_leaves_no_survivor(options: list[str]) -> None:
    life = life_until_ready(options)
    chance = random.Random(SEED)
    count = KILLS // len(KILL_CHILD)
    for index in range(count):
        # One moment in each slice of the life, so that no part of it is left out.
        moment = (index + chance.random()) / count * life * 1.4
        with running([*options, *FOR_EVER]) as process:
            pass_time(moment)
            process.kill()
            try:
                # All that came from the launch has this output; its end is the end of them all.
                status, output, errors = ended(process)
            except subprocess.TimeoutExpired:
                pytest.fail(f"a survivor of a kill after {moment} of {life} s (seed {SEED})")
        assert (status, output, errors) == (-signal.SIGKILL, b"", b"")
        see_nobody_left()


CHILD_STOPS = [
    (["--kill-child"], "prctl", "1"),
    (["--kill-child", "-S", "61002"], "prctl", "1"),
    (["--kill-child", "-S", "61002"], "setuid", "1"),
    (["--kill-child", "-S", "61002"], "prctl", "2"),
    (["--kill-child", "-G", "61002", "-S", "61002"], "setgid", "1"),
    (["--kill-child", "-G", "61002"], "prctl", "2"),
    (["--kill-child", "-p", "--mount-proc"], "mount", "2"),
    (["--kill-child", "-w", "/"], "chdir", "1"),
]


@needs("strace")
@pytest.mark.parametrize(("options", "call", "when"), CHILD_STOPS, ids=joined)
def test_no_child_starts_the_program_after_its_parents_death(
    options: list[str], call: str, when: str
) -> None:
    """Killed while the child stands still at the most delicate of its steps."""
    marker = support.new_directory() / "marker"
    words = [*options, "/usr/bin/touch", str(marker)]
    with stopped_at(support.command(), words, call, when=when) as stopped:
        assert stopped.pid != stopped.process.pid
        stopped.kill(stopped.process.pid)
        stopped.go_on()
    assert not marker.exists()


@needs("strace")
def test_no_child_takes_a_step_after_its_parents_death() -> None:
    """The death signal comes too late for a parent that dies before it is asked for."""
    options = ["-e", "trace=prctl", "-e", "inject=prctl:delay_enter=1000000:when=1"]
    traced = tracing(support.command(), options, support.new_directory() / "trace")
    words = ["--kill-child", "-w", "/nonexistent", *FOR_EVER]
    with support.popen(support.started(traced, words)) as process:
        child = support.wait_for(lambda: _worker_of(process.pid), "the child")
        process.kill()
        output, errors = process.communicate(timeout=support.PATIENCE)
        support.wait_for(lambda: not support.exists(child), "the child's end")
    assert (output, errors) == (b"", b"")


def _worker_of(launcher: int) -> int | None:
    """Return the child of a launcher that strace watches, when there is one: strace is none."""
    for child in support.children(launcher):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{child}/comm").read_text() != "strace\n":
                return child
    return None


@needs("strace")
@pytest.mark.parametrize("options", KILL_CHILD, ids=joined)
def test_a_launcher_killed_at_any_call_leaves_no_survivor(options: list[str]) -> None:
    words = [*options, *FOR_A_WHILE]
    # The calls of a launch that ends, but for those that wait for that end.
    killed = missed = 0
    for moment in moments(support.command(), [*options, "true"], r"^memfd_create|^unshare"):
        if moment.call in ("exit_group", "wait4", "waitid"):
            continue
        result = start_with_signal_at(support.command(), words, moment, signal.SIGKILL)
        if result is None:
            missed += 1
            continue
        assert result.status == -signal.SIGKILL, (moment, result)
        see_nobody_left()
        killed += 1
    assert killed > missed


def test_another_death_signal_than_kill() -> None:
    script = "trap 'echo terminated; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    with running(["--kill-child=TERM", "-S", "61002", "sh", "-c", script]) as process:
        assert read_line(process) == b"ready\n"
        process.kill()
        assert ended(process)[:2] == (-signal.SIGKILL, b"terminated\n")


# ---- fatal signals to the launcher --------------------------------------------------------------

OWN_FRAME = re.compile(rb'File "[^"]*pyunshare/\w+\.py"')


def is_of_the_interpreters_start(errors: bytes) -> bool:
    """Whether a message is CPython's own, from before any line of ours."""
    told = b"KeyboardInterrupt" in errors or b"Fatal Python error" in errors
    # What -m imports for us has a test of its own, below.
    return told and (STARTED_AS_MODULE or not OWN_FRAME.search(errors))


def check_fatal(status: int, errors: bytes, number: int, others: Sequence[int] = ()) -> None:
    """Check the end of a launch that got a signal which nothing of ours catches."""
    if number == signal.SIGINT and is_of_the_interpreters_start(errors):
        # CPython may even print it and go on, while it looks at what kind of file it is to run.
        assert status in (-number, 1, 0)
        return
    assert errors == b""
    assert status in (-number, *others)


@pytest.mark.parametrize("number", FATAL)
def test_a_signal_ends_a_plain_launch_at_any_moment(number: int) -> None:
    life = life_until_ready([])
    chance = random.Random(SEED)
    for index in range(MOMENTS_OF_EACH_SIGNAL):
        with running(["cat"]) as process:
            pass_time((index + chance.random()) / MOMENTS_OF_EACH_SIGNAL * life * 1.4)
            process.send_signal(number)
            status, _, errors = ended(process)
        check_fatal(status, errors, number)


@needs("reference")
@pytest.mark.parametrize("number", FATAL)
def test_a_signal_at_any_moment_of_a_forking_launch(
    number: int,
) -> None:
    """Before the child exists it is the end; SIGINT and SIGTERM are nothing to the parent then."""
    life = life_until_ready(["-f"])
    chance = random.Random(SEED)
    for program in (support.command(), support.reference()):
        for index in range(MOMENTS_OF_EACH_SIGNAL):
            with running(["-f", "cat"], program) as process:
                pass_time((index + chance.random()) / MOMENTS_OF_EACH_SIGNAL * life * 1.4)
                process.send_signal(number)
                status, _, errors = ended(process)
            check_fatal(status, errors, number, [] if number == signal.SIGHUP else [0])
        with running(["-f", "sh", "-c", "echo ready; exec cat"], program) as process:
            read_line(process)
            process.send_signal(number)
            status, _, _ = ended(process)
        assert status == (-number if number == signal.SIGHUP else 0)


@pytest.mark.parametrize("options", [[], ["-f"], ["--forward-signals"]], ids=joined)
@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_a_launch_stopped_and_continued_at_any_moment_goes_on(
    options: list[str], number: int
) -> None:
    life = life_until_ready(options)
    chance = random.Random(SEED)
    for index in range(MOMENTS_OF_EACH_SIGNAL):
        with running([*options, "sh", "-c", "cat; exit 7"]) as process:
            pass_time((index + chance.random()) / MOMENTS_OF_EACH_SIGNAL * life * 1.2)
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            assert ended(process) == (7, b"", b"")


# The first module that a line of ours imports; these two the interpreter itself may load.
FIRST_IMPORT = (
    r"^openat\(.*pyunshare/(__pycache__/)?(?!__init__|__main__)\w+\.([^/]*pyc?|cpython-\d+)\""
)


@needs("strace")
def test_ctrl_c_at_any_call_of_ours_shows_no_traceback() -> None:
    program = support.command()
    interrupted = missed = 0
    for moment in moments(program, ["/bin/true"], FIRST_IMPORT):
        if moment.call in ("execve", "exit_group") or "/bin/true" in moment.line:
            break
        result = start_with_signal_at(program, ["/bin/true"], moment, signal.SIGINT)
        if result is None:
            missed += 1
            continue
        assert (result.status, result.stderr) == (-signal.SIGINT, b""), moment
        interrupted += 1
    assert interrupted > missed


@needs("strace")
@pytest.mark.parametrize("options", [["-f"], ["--map-users", "0:0:10", "-f"]], ids=joined)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_parent_lives_through_a_signal_after_the_fork(options: list[str], number: int) -> None:
    program = support.command()
    words = [*options, "sh", "-c", "exit 7"]
    signalled = missed = 0
    for moment in moments(program, words, r"^rt_sigprocmask\(SIG_BLOCK, \[INT TERM\]"):
        if moment.call == "exit_group":
            break
        result = start_with_signal_at(program, words, moment, number)
        if result is None:
            missed += 1
            continue
        signalled += 1
        # At the entry of the call that blocks them they are not blocked yet.
        allowed = (-number, 7) if moment.line.startswith("rt_sigprocmask") else (7,)
        assert result.status in allowed, moment
        assert result.stderr == b""
    assert signalled > missed


@pytest.mark.parametrize("options", [["-f"], ["-p", "-f"], ["-r", "--kill-child"]], ids=joined)
def test_the_parent_lives_through_interrupts_and_terminations(options: list[str]) -> None:
    with running([*options, "sh", "-c", "echo ready; cat; exit 5"]) as process:
        assert read_line(process) == b"ready\n"
        for _ in range(50):
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
        assert ended(process) == (5, b"", b"")


@pytest.mark.parametrize("options", [["-f"], ["--forward-signals"], ["-p", "-f"]], ids=joined)
def test_a_stopped_child_is_not_an_ended_child(options: list[str]) -> None:
    with running([*options, "sh", "-c", "echo ready; read line; exit 7"]) as process:
        assert read_line(process) == b"ready\n"
        (child,) = support.children(process.pid)
        for _ in range(20):
            os.kill(child, signal.SIGSTOP)
            support.wait_for(lambda: support.state(child) == "T", "the child to be stopped")
            assert process.poll() is None
            os.kill(child, signal.SIGCONT)
            support.wait_for(lambda: support.state(child) != "T", "the child to go on")
        assert process.poll() is None
        assert ended(process) == (7, b"", b"")


# ---- forwarding ---------------------------------------------------------------------------------

ACKNOWLEDGING = """
import os, signal
kinds = {signal.SIGINT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, kinds)
os.write(1, b"ready\\n")
for _ in range(COUNT):
    os.write(1, b"%d\\n" % signal.sigwait(kinds))
os._exit(7)
"""


@pytest.mark.parametrize("options", [[], ["-p"], ["--kill-child"]], ids=joined)
def test_every_signal_is_forwarded(options: list[str]) -> None:
    count = 1000
    script = ACKNOWLEDGING.replace("COUNT", str(count))
    words = ["--forward-signals", *options, sys.executable, "-ISc", script]
    with running(words) as process:
        assert read_line(process) == b"ready\n"
        for index in range(count):
            number = (signal.SIGINT, signal.SIGTERM)[index % 2]
            process.send_signal(number)
            assert read_line(process) == b"%d\n" % number, index
        assert ended(process) == (7, b"", b"")


@needs("strace")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_right_after_the_fork_is_forwarded(number: int) -> None:
    """Sent while the launcher stands still in the very call that made the child."""
    words = ["--forward-signals", "cat"]
    with stopped_at(support.command(), words, FORK) as stopped:
        assert stopped.pid == stopped.process.pid
        os.kill(stopped.pid, number)
        result = stopped.go_on()
    # The test's own standard input is at its end, so cat may have ended in the meantime.
    assert result.status in (-number, 0)
    assert result.stderr == b""


@needs("strace")
@pytest.mark.parametrize("errno", ["ENOSYS", "EPERM", "EINVAL"])
def test_signals_are_forwarded_without_sigtimedwait(errno: str) -> None:
    call = "rt_sigtimedwait,?rt_sigtimedwait_time64"
    options = fault_options(Fault(call, f"error={errno}"))
    trace = support.new_directory() / "trace"
    traced = tracing(support.command(), options, trace, follow=False)
    script = ACKNOWLEDGING.replace("COUNT", "3")
    with running(["--forward-signals", sys.executable, "-ISc", script], traced) as process:
        assert read_line(process) == b"ready\n"
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            pass_time(
                0.1
            )  # between a handler and the wait that it is to interrupt, one can be lost
            process.send_signal(number)
            assert read_line(process) == b"%d\n" % number
        assert ended(process)[:2] == (7, b"")


def test_a_termination_at_any_moment_reaches_the_child() -> None:
    """Not so with SIGINT, which the interpreter's own start may swallow, see above."""
    number = signal.SIGTERM
    life = life_until_ready(["--forward-signals"])
    chance = random.Random(SEED)
    for index in range(MOMENTS_OF_EACH_SIGNAL):
        with running(["--forward-signals", *FOR_EVER]) as process:
            pass_time((index + chance.random()) / MOMENTS_OF_EACH_SIGNAL * life * 1.4)
            process.send_signal(number)
            status, _, errors = ended(process)
        check_fatal(status, errors, number)
        see_nobody_left()


def test_a_blocked_signal_is_the_callers_to_keep() -> None:
    conditions = [f"block={signal.SIGTERM:d}"]
    # No shell here: some of them unblock what was blocked.
    words = ["--forward-signals", "grep", "-h", "--line-buffered", "SigBlk"]
    words += ["/proc/self/status", "-"]
    with running(words, conditions=conditions) as process:
        assert read_line(process).split()[1] == b"0000000000004000"
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, b"", b"")


IGNORED = [[], ["-f"], ["--forward-signals"], ["--kill-child"]]


@pytest.mark.parametrize("options", IGNORED, ids=joined)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_an_ignored_signal_stays_ignored_in_the_program(options: list[str], number: int) -> None:
    result = support.start(
        support.command(),
        [*options, "grep", "SigIgn", "/proc/self/status"],
        conditions=[f"ignore={number:d}"],
    )
    assert int(result.stdout.split()[1], 16) == 1 << (number - 1)


def test_an_ignored_signal_is_forwarded_and_ignored_there() -> None:
    words = ["--forward-signals", "sh", "-c", "echo ready; cat; exit 7"]
    with running(words, conditions=["ignore=2", "ignore=15"]) as process:
        assert read_line(process) == b"ready\n"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (7, b"", b"")


# ---- the child's death is the parent's ----------------------------------------------------------

# All others stop a process or do nothing to it; two are the C library's own, see below.
DEADLY = sorted(
    set(range(1, signal.SIGRTMAX + 1))
    - {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
    - {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
    - {32, 33}
)
NO_CORE, CORE = "limit=4:0:0", f"limit=4:{1 << 20}:{1 << 20}"


def wait_status(
    program: Program, words: Sequence[str], conditions: Sequence[str]
) -> tuple[int, bool]:
    """The signal that a launch ended by, or its status below zero, and whether it dumped core."""
    directory = support.new_directory()
    line = support.started(program, words, conditions=[f"directory={directory}", *conditions])
    pid = os.posix_spawn(line[0], line, dict(support.ENVIRONMENT))
    found = support.wait_for(lambda: reaped(pid), "the end", support.PATIENCE)
    assert found is not None
    _, status = found
    if os.WIFEXITED(status):
        return -os.WEXITSTATUS(status), False
    return os.WTERMSIG(status), os.WCOREDUMP(status)


def reaped(pid: int) -> tuple[int, int] | None:
    """The end of a child that has ended."""
    found = os.waitpid(pid, os.WNOHANG)
    return found if found[0] else None


@needs("reference", "bash")
@pytest.mark.parametrize("number", DEADLY)
def test_the_parent_dies_as_the_child_died(number: int) -> None:
    words = ["-f", "bash", "-c", f"kill -{number} $$; exit 7"]
    for limit in (NO_CORE, CORE):
        conditions = [limit, f"default={number}"] if number != signal.SIGKILL else [limit]
        ours = wait_status(support.command(), words, conditions)
        theirs = wait_status(support.reference(), words, conditions)
        assert ours == theirs


@needs("bash")
@pytest.mark.parametrize("number", [32, 33])
def test_the_parent_dies_of_the_c_librarys_signals_too(number: int) -> None:
    """The reference exits with status 1: its C library refuses to let it reset these."""
    words = ["-f", "bash", "-c", f"kill -{number} $$; exit 7"]
    assert wait_status(support.command(), words, [NO_CORE]) == (number, False)


@needs("reference")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGKILL])
@pytest.mark.parametrize("forward", [[], ["--forward-signals"]], ids=joined)
def test_the_parent_dies_of_a_blocked_or_ignored_signal(number: int, forward: list[str]) -> None:
    """It resets and unblocks the signal before it kills itself."""
    script = "import os, signal, sys; n = int(sys.argv[1]); signal.pthread_sigmask(1, [n]);"
    script += "n != 9 and signal.signal(n, signal.SIG_DFL); os.kill(os.getpid(), n)"
    words = ["-f", *forward, sys.executable, "-ISc", script, str(number)]
    for condition in ("block", "ignore"):
        conditions = [f"{condition}={number:d}"] if number != signal.SIGKILL else []
        assert wait_status(support.command(), words, conditions) == (number, False)
        assert wait_status(support.reference(), words, conditions) == (number, False)


@needs("reference")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT])
def test_as_process_1_the_parent_outlives_the_signal(number: int) -> None:
    """The kernel protects the first process of a PID namespace from its own signals."""
    for program in (support.command(), support.reference()):
        inner = [program.file, *program.arguments, "-f", "sh", "-c", f"kill -{number:d} $$"]
        before = [f"env={name}={value}" for name, value in program.environment]
        result = support.start(
            support.reference(),
            ["-p", "-f", "--mount-proc", *inner],
            conditions=[NO_CORE, *before],
        )
        assert (result.status, result.stdout) == (1, b"")
        # The reference adds whatever reason an earlier call has left.
        assert re.fullmatch(rb"\w+: child exit failed(: .*)?\n", result.stderr)


# ---- a terminal with job control ----------------------------------------------------------------

PROMPT = "prompt> "


class Terminal:
    """An interactive bash on a terminal of its own, and what its screen shows."""

    def __init__(self, program: Program) -> None:
        tool = support.new_directory() / "tool"
        words = " ".join(map(shlex.quote, [program.file, *program.arguments]))
        tool.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        tool.chmod(0o755)
        environment = {
            **support.ENVIRONMENT,
            **dict(program.environment),
            "PATH": f"{tool.parent}:{support.STANDARD_PATH}",
            "PS1": PROMPT,
            "TERM": "dumb",
        }
        self.screen = ""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execve("/bin/bash", ["bash", "--norc", "--noediting", "-i"], environment)
        self.expect(PROMPT)

    def expect(self, text: str) -> None:
        """Read on until the screen has a text that it did not have before."""
        start = len(self.screen)
        deadline = time.monotonic() + support.PATIENCE
        while text not in self.screen[start:]:
            readable, _, _ = select.select([self._terminal], [], [], deadline - time.monotonic())
            assert readable, f"no {text!r} in {self.screen!r}"
            self.screen += os.read(self._terminal, 4096).decode()

    def type(self, text: str, then: str = PROMPT) -> None:
        """Type something and wait for what follows."""
        os.write(self._terminal, text.encode())
        self.expect(then)

    def wait_for_foreground(self, name: str) -> None:
        """Wait until the foreground process group has a process of that name."""
        support.wait_for(lambda: name in self._foreground(), f"{name} in the foreground")

    def suspend(self) -> None:
        """Type Ctrl-Z, and see all of the job stopped.

        One that has not yet taken notice could still read what is typed next for the shell.
        """
        self.type("\x1a")
        support.wait_for(
            lambda: all(support.state(pid) == "T" for pid in support.descendants(self.pid)),
            "the whole job to be stopped",
        )

    def _foreground(self) -> list[str]:
        group = os.tcgetpgrp(self._terminal)
        found = []
        for pid in support.descendants(self.pid):
            with contextlib.suppress(OSError):
                if os.getpgid(pid) == group:
                    found.append(Path(f"/proc/{pid}/comm").read_text().strip())
        return found

    def close(self) -> None:
        """End the shell and all that it started."""
        for pid in [*support.descendants(self.pid), self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


def interrupt(terminal: Terminal, options: str) -> None:
    """Ctrl-C, and Ctrl-C once more for a parent that lived through the first."""
    terminal.type(f"tool {options} sh -c 'echo up; exec sleep 1000'\n", "up\r\n")
    terminal.wait_for_foreground("sleep")
    terminal.type("\x03")
    terminal.type("echo status $?\n")


def quit_it(terminal: Terminal, options: str) -> None:
    """Ctrl-backslash, without a core file."""
    terminal.type("ulimit -c 0\n")
    terminal.type(f"tool {options} sh -c 'echo up; exec sleep 1000'\n", "up\r\n")
    terminal.wait_for_foreground("sleep")
    terminal.type("\x1c")
    terminal.type("echo status $?\n")


def suspend_and_resume(terminal: Terminal, options: str) -> None:
    """Ctrl-Z, jobs, bg, jobs, fg, and the end of the input."""
    terminal.type(f"tool {options} sh -c 'echo up; exec cat'\n", "up\r\n")
    terminal.wait_for_foreground("cat")
    terminal.suspend()
    terminal.type("echo status $?\n")
    terminal.type("jobs\n")
    terminal.type("fg\n", "cat'\r\n")
    terminal.wait_for_foreground("cat")
    terminal.type("words\n", "words\r\nwords\r\n")
    terminal.type("\x04")
    terminal.type("echo status $?\n")


def in_background(terminal: Terminal, options: str) -> None:
    """Ctrl-Z, bg, and kill by job number."""
    terminal.type(f"tool {options} sh -c 'echo up; exec sleep 1000'\n", "up\r\n")
    terminal.wait_for_foreground("sleep")
    terminal.suspend()
    terminal.type("bg\n")
    terminal.type("jobs\n")
    terminal.type("kill -KILL %1; wait\n")
    terminal.type("echo status $?\n")


SCENES: list[Callable[[Terminal, str], None]] = [
    interrupt,
    quit_it,
    suspend_and_resume,
    in_background,
]


@needs("reference", "bash")
@pytest.mark.parametrize("options", ["", "-f", "--kill-child", "--forward-signals", "-r -f"])
@pytest.mark.parametrize("scene", SCENES)
def test_on_a_terminal_the_screen_is_that_of_the_reference(
    scene: Callable[[Terminal, str], None], options: str
) -> None:
    screens = []
    for program in (support.command(), support.reference()):
        terminal = Terminal(program)
        try:
            scene(terminal, options)
        finally:
            terminal.close()
        # The shell tells of a job's violent end when it learns of it, before or after a prompt.
        screens.append(re.sub(r"\[\d+\]\+  Killed [^\n]*\n", "", terminal.screen))
    assert screens[0] == screens[1]


# ---- programs of other users --------------------------------------------------------------------


@needs("root", "compiler")
def test_a_signal_that_may_not_be_forwarded_is_left_alone(tmp_path: Path) -> None:
    """The child has become another user by its set-user-ID bit, and may not be signalled."""
    source, program = tmp_path / "other.c", support.new_directory() / "other"
    source.write_text(
        "#include <unistd.h>\n"
        'int main() { setuid(0); write(1, "ready\\n", 6); char c; read(0, &c, 1); return 9; }\n'
    )
    compiler = support.compiler()
    assert compiler is not None
    subprocess.run([compiler, "-o", program, source], check=True)
    program.chmod(0o4755)
    user = WITHOUT_SUBORDINATE_IDS
    line = support.started(support.command(user), ["--forward-signals", str(program)], user=user)
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as launch:
        assert launch.stdout is not None
        assert launch.stdin is not None
        assert launch.stdout.readline() == b"ready\n"
        launch.send_signal(signal.SIGTERM)
        launch.stdin.close()
        assert launch.wait(support.PATIENCE) == 9
