"""Start a program from Python, with an exception at one moment after the other.

``python -m tests.helpers.interrupted BACKEND KEYWORDS SHARE`` takes, by chance, that share of the
moments at which CPython would run a signal handler in the calling thread, and prints what went
wrong at one: an exception that was lost, a process, thread or descriptor that was left, a call that
did not return.
"""

from __future__ import annotations

import ast
import contextlib
import dis
import gc
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import pyunshare
from pyunshare import api
from tests.helpers import support
from tests.test_api import left_over, using

# Whose code is interrupted
OURS = {str(path) for path in Path(api.__file__).parent.glob("*.py")}
FILES = OURS | {module.__file__ for module in (subprocess, contextlib, socket)}

# Behind these instructions CPython looks for signals: after a call, at a function's start, in loops
CHECKED = ("CALL", "RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE")

# In seconds
LATE = 0.1  # then the program runs
TIMEOUT = 0.2  # later
PATIENCE = 10.0  # before a call is said to hang


class Interruption(BaseException):
    """What a signal handler raises."""


class Interrupter:
    """Counts the moments, and raises Interruption at one of them, at once or late."""

    def __init__(self, moment: int, delay: float) -> None:
        self.count = 0
        self.where = ""
        self._moment = moment
        self._delay = delay
        self._process = os.getpid()
        self._previous: dict[FrameType, str] = {}
        self._instructions: dict[CodeType, bytes] = {}

    def trace(self, frame: FrameType, event: str, _: object) -> Any:
        """Trace the functions that are looked at: sys.settrace()."""
        if frame.f_code.co_filename not in FILES or frame.f_code.co_name == "__del__":
            return None
        frame.f_trace_opcodes = True
        return self._trace_instruction

    def _trace_instruction(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "exception":  # none comes between it and what handles it
            self._previous[frame] = ""
        elif event == "opcode":
            code = self._instructions.setdefault(frame.f_code, frame.f_code.co_code)
            previous = self._previous.get(frame, "")
            self._previous[frame] = dis.opname[code[frame.f_lasti]]
            if previous.startswith(CHECKED) and self._is_interruptible():
                self.count += 1
                if self.count == self._moment:
                    self.where = f"{frame.f_code.co_filename}:{frame.f_lineno}, after {previous}"
                    sys.settrace(None)
                    time.sleep(self._delay)
                    raise Interruption
        return self._trace_instruction

    def _is_interruptible(self) -> bool:
        """Whether a signal could come: not when all are blocked, nor in a copy of the process."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return signal.SIGINT not in blocked and os.getpid() == self._process


def interrupted(keywords: dict[str, Any], moment: int, delay: float) -> tuple[int, str]:
    """Return how many moments there were, and what went wrong."""
    interrupter = Interrupter(moment, delay)
    before = set(os.listdir("/proc/self/fd"))
    outcome = "returned"
    sys._getframe().f_trace_opcodes = True  # CPython 3.12 wants one frame to ask for it before
    sys.settrace(interrupter.trace)
    try:
        pyunshare.run(["sleep", "1000"], **keywords)
    except Interruption:
        outcome = ""
    except BaseException as error:
        outcome = repr(error)
    sys.settrace(None)
    interrupter._previous.clear()
    gc.collect()
    with contextlib.suppress(AssertionError):
        # A thread that has waited for a program goes a moment later than the call returns.
        support.wait_for(lambda: not left_over() and not support.other_threads(), "the end", 2)
    if not interrupter.where:
        return interrupter.count, ""
    faults = [outcome] if outcome else []
    faults += [f"thread {each} is left" for each in support.other_threads()]
    for pid in left_over():
        faults.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") + "is left")
        os.kill(pid, signal.SIGKILL)
    faults += [f"descriptor {each} is left" for each in set(os.listdir("/proc/self/fd")) - before]
    return interrupter.count, "; ".join([*faults, interrupter.where]) if faults else ""


def in_a_child(
    backend: str, keywords: dict[str, Any], moment: int, delay: float
) -> tuple[int, str]:
    """Do the same in a process of its own, which may hang."""

    def action() -> tuple[int, str]:
        support.adopt_orphans()
        with pytest.MonkeyPatch.context() as monkeypatch, using(backend, monkeypatch):
            return interrupted(keywords, moment, delay)

    told = support.in_a_child(action, PATIENCE)
    return ast.literal_eval(told) if told else (0, f"moment {moment} hangs")


def main() -> None:
    backend, keywords, share = sys.argv[1], ast.literal_eval(sys.argv[2]), float(sys.argv[3])
    keywords["timeout"] = TIMEOUT
    interrupted(keywords, 0, 0)  # CPython 3.13 tells all of a function only the second time
    number, _ = in_a_child(backend, keywords, 0, 0)
    for moment in random.sample(range(1, number + 1), round(share * number)):
        _, fault = in_a_child(backend, keywords, moment, random.choice([0, LATE]))
        if fault:
            print(f"{moment} of {number}: {fault}")
    print(f"{number} moments", file=sys.stderr)


main()
