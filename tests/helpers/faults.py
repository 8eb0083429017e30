"""Faults on order: strace(1) makes a chosen system call of a launch fail, or sends a signal there.

strace runs detached (``-D``), so that the traced program is the very process that was started:
its id is known beforehand, and its end is seen as it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.helpers import support
from tests.helpers.support import Launch, Program, Result, Word

FORK = "clone,?fork,?vfork,?clone3"
OPEN = "openat,?open"
LAUNCHER = "@LAUNCHER"

# What has another name where ids of 16 bits came first: on i386 and 32-bit ARM
HAVE_A_32 = {"setgid", "setgroups", "setuid"}


class Fault(NamedTuple):
    """What happens to which system call.

    ``when`` counts the calls of each process by itself, as strace does. ``path`` confines the
    fault to calls about one file; ``@LAUNCHER`` in it is the process id of the launcher.
    """

    calls: str
    effect: str
    when: str = "1+"
    path: str = ""

    @property
    def names(self) -> str:
        """The calls, and what they are called on other machines, for strace to look for."""
        names = self.calls.split(",")
        return ",".join([*names, *(f"?{name}32" for name in names if name in HAVE_A_32)])

    def __str__(self) -> str:
        """Tell the fault in the name of a test."""
        return " ".join(word for word in (self.calls, self.effect, self.when, self.path) if word)


class Traced(NamedTuple):
    """How a traced program ended, and the lines of its trace."""

    result: Result
    trace: list[str]

    @property
    def struck(self) -> int:
        """How often the fault happened."""
        return sum("INJECTED" in line for line in self.trace)

    @property
    def message(self) -> str:
        """What it said, without what differs between two runs or two implementations."""
        return comparable_message(self.result.stderr)


def comparable_message(stderr: bytes) -> str:
    """The standard error without the program's name, process ids and the tracer's own remarks."""
    lines = os.fsdecode(stderr).splitlines()
    kept = [line for line in lines if not re.match(r"\S*strace: ", line)]
    name = rf"^(?:unshare|{re.escape(support.NAME)}): "
    return "\n".join(re.sub(r"/proc/\d+/", "/proc/PID/", re.sub(name, "", line)) for line in kept)


def tracing(
    program: Program, options: Sequence[str], trace: Path, *, follow: bool = True
) -> Program:
    """A program that starts another under strace, taking its place in the process."""
    # The shell knows its process id, which the program is going to have.
    words = " ".join(f"'{word}'".replace(LAUNCHER, "'$$'") for word in options)
    strace = shutil.which("strace", path=support.STANDARD_PATH)
    follow_forks = "-f" if follow else ""
    script = f'exec {strace} -D {follow_forks} -qq -o "$0" {words} "$@"'
    arguments = ("-c", script, str(trace), program.file, *program.arguments)
    return Program("/bin/sh", "sh", arguments, program.environment)


def fault_options(fault: Fault) -> list[str]:
    """The options by which strace is told of a fault; nothing else is traced."""
    # Where a filter of the kernel's stops the process, strace cannot hand in a signal.
    options = [] if "signal=" in fault.effect else ["--seccomp-bpf"]
    options += ["-e", f"trace={fault.names}"]
    options += ["-e", f"inject={fault.names}:{fault.effect}:when={fault.when}"]
    return [*options, "-P", fault.path] if fault.path else options


def run_traced(
    program: Program, words: Sequence[Word], options: Sequence[str], **given: Any
) -> Traced:
    """Run a program under strace with these options; what is given are fields of ``Launch``."""
    trace = support.new_directory() / "trace"
    result = support.start(tracing(program, options, trace), words, **given)
    text = trace.read_text(errors="replace") if trace.exists() else ""
    return Traced(result, text.splitlines())


def run_with_fault(program: Program, words: Sequence[Word], fault: Fault, **given: Any) -> Traced:
    """Run a program with one fault."""
    return run_traced(program, words, fault_options(fault), **given)


def calls_before_unshare(program: Program, words: Sequence[Word], call: str) -> int:
    """How often the launcher makes a call before unshare(2): Python's start-up makes many."""
    traced = run_traced(program, words, ["--seccomp-bpf", "-e", f"trace=unshare,{call}"])
    launcher = traced.trace[0].split()[0]
    count = 0
    for line in traced.trace:
        process, _, event = line.partition(" ")
        if process == launcher and event.lstrip().startswith("unshare("):
            return count
        count += process == launcher and event.lstrip().startswith(f"{call}(")
    raise AssertionError(f"no unshare(2) in {traced}")


class Moment(NamedTuple):
    """A place in the life of a process: the so-many-th of its calls of that name."""

    call: str
    when: int
    line: str


def moments(program: Program, words: Sequence[Word], after: str) -> list[Moment]:
    """The calls of the launcher itself, in order, from the one that a pattern finds on."""
    trace = support.new_directory() / "trace"
    support.start(tracing(program, ["-e", "trace=all"], trace, follow=False), words)
    counts: dict[str, int] = {}
    found: list[Moment] = []
    for line in trace.read_text(errors="replace").splitlines():
        call, bracket, _ = line.partition("(")
        if not bracket or not call.isidentifier():
            continue
        counts[call] = counts.get(call, 0) + 1
        if found or re.search(after, line):
            found.append(Moment(call, counts[call], line))
    assert found, f"no call like {after}"
    return found


def start_with_signal_at(
    program: Program, words: Sequence[Word], moment: Moment, number: int
) -> Result | None:
    """Run a launch whose launcher gets a signal at one moment of its life.

    None if that did not come: how often CPython makes some calls is not the same each time.
    """
    options = ["-e", f"trace={moment.call}"]
    options += ["-e", f"inject={moment.call}:signal={number:d}:when={moment.when}"]
    trace = support.new_directory() / "trace"
    result = support.start(tracing(program, options, trace, follow=False), words)
    made = re.findall(rf"^{moment.call}\(", trace.read_text(errors="replace"), re.MULTILINE)
    has_come = len(made) >= moment.when or (result.status is not None and result.status < 0)
    return result if has_come else None


class Stopped:
    """A launch in which one process has stopped itself, right after a call of its own."""

    def __init__(self, process: subprocess.Popen[bytes], pid: int) -> None:
        self.process = process
        self.pid = pid  # of the one that has stopped

    def helpers(self) -> list[int]:
        """The copies of the launcher that are its children, in the order of their start."""
        return sorted(support.children(self.process.pid))

    def kill(self, pid: int, number: int = signal.SIGKILL) -> None:
        """Kill a process of the launch and see that it is no more than a status."""
        os.kill(pid, number)
        support.wait_for(lambda: not support.exists(pid), f"the end of process {pid}")

    def go_on(self) -> Result:
        """Let it go on and see the launch end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)
        return self.end()

    def end(self) -> Result:
        """See the launch end: the launcher, and all that has its standard output."""
        output, errors = self.process.communicate(timeout=support.PATIENCE)
        return Result(self.process.returncode, output, errors, self.process.pid)


@contextlib.contextmanager
def stopped_at(
    program: Program,
    words: Sequence[Word],
    calls: str,
    *,
    when: str = "1",
    **given: Any,
) -> Iterator[Stopped]:
    """A launch of which one process stops right after a call, for as long as it is wanted."""
    trace = support.new_directory() / "trace"
    traced = tracing(program, fault_options(Fault(calls, "signal=STOP", when)), trace)
    with Launch(words, traced, **given).start() as process:
        try:
            # Under a tracer every call is a short stop; strace alone can tell which is the one.
            stopped = support.wait_for(lambda: stopped_process(trace), f"a stop at {calls}")
            assert stopped is not None
            yield Stopped(process, stopped)
        finally:
            if process.poll() is None:
                support.kill_session(process)
            process.communicate(timeout=support.PATIENCE)


def stopped_process(trace: Path) -> int | None:
    """The process that a trace shows as stopped."""
    if not trace.exists():
        return None
    found = re.search(r"^(\d+) +--- stopped by SIGSTOP ---", trace.read_text(), re.MULTILINE)
    return int(found.group(1)) if found else None
