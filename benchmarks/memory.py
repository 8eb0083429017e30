"""What the parent that waits for a forked program keeps in memory, against a sleeping Python.

What is private to a process, and what it shares with others, depends on who else runs the same
interpreter: alone, a process has the pages of the interpreter's file to itself.
"""

from __future__ import annotations

import contextlib
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from installing import OPTIONS, Installation
from launches import ROOMY, Row
from timing import ENVIRONMENT, Spread

SAMPLES = 5
LONG_ENOUGH_TO_FALL_ASLEEP = 0.1
SLEEPER = "import posix; posix.write(1, posix.read(0, 1)); posix.read(0, 1)"
PARENT, PYTHON = "parent of -f", "python asleep"
BESIDE = ", beside another"


def measure_memory(installation: Installation) -> dict[str, list[int]]:
    """Return the private memory (kB) of the parent and of a sleeper, alone and not."""
    sleepers = {
        PARENT: [installation.command_of_a_distribution(), "-f", "/bin/cat"],
        PYTHON: [installation.interpreter.path, OPTIONS, "-c", SLEEPER],
    }
    memory = {name: _samples(words) for name, words in sleepers.items()}
    with _asleep(sleepers[PYTHON]):
        for name, words in sleepers.items():
            memory[name + BESIDE] = _samples(words)
    return memory


def rows_of_memory(memory: dict[str, list[int]]) -> list[Row]:
    """Return how the parent compares."""
    rows = []
    for which in ("", BESIDE):
        own, against = memory[PARENT + which], PYTHON + which
        baseline = statistics.median(memory[against])
        ratio = Spread.of([each / baseline for each in own])
        rows.append(Row(PARENT + which, Spread.of(own), "kB", against, ratio, ROOMY))
    return rows


def _samples(words: Sequence[str]) -> list[int]:
    samples = []
    for _ in range(SAMPLES):
        with _asleep(words) as process:
            text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
        samples.append(sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE))))
    return samples


@contextlib.contextmanager
def _asleep(words: Sequence[str]) -> Iterator[int]:
    """Start a command that echoes a byte and waits for more, until it sleeps; give its id."""
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=dict(ENVIRONMENT)
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"\n")
        process.stdout.read(1)
        time.sleep(LONG_ENOUGH_TO_FALL_ASLEEP)
        yield process.pid
