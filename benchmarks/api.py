"""Launches from Python: pyunshare.run() against subprocess.run() with the reference, in turns.

    .venv/bin/python benchmarks/api.py [--rounds N] [--reference UNSHARE]

Run it with an interpreter that pyunshare is installed for, as pip does it.

For each kind of launch both are measured one after the other, many times. The ratio is that of the
medians. The last table shows where a copy of the process and a new interpreter take the same time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable

sys.path.append(str(Path(__file__).resolve().parent.parent))
import pyunshare
from pyunshare.api import caller

PROGRAM = "/bin/true"
GIGABYTE = 1 << 30
MEGABYTES = (0, 16, 32, 64, 128, 256, 512)
THREADS = 64

Kind = dict[str, Any]

# By a thread, with what that may take of the reference's time from a small process and a large one
BY_THREAD: list[tuple[Kind, float, float]] = [
    ({"ipc": True}, 0.60, 0.75),
    ({"uts": True}, 0.60, 0.75),
    ({"mount": True}, 0.60, 0.75),
    ({"cgroup": True}, 0.60, 0.75),
    ({"pid": True, "fork": True}, 0.60, 0.75),
    ({"net": True}, 0.70, 0.85),
]
# By another process, with what a copy of a small process may take, and what a Launcher may
BY_PROCESS: list[tuple[Kind, float, float]] = [
    ({"pid": True}, 2.0, 1.8),
    ({"user": True}, 2.0, 1.8),
    ({"map_root_user": True}, 2.0, 1.8),
    (
        {"map_root_user": True, "mount": True, "pid": True, "fork": True, "mount_proc": True},
        2.6,
        2.2,
    ),
    ({"ipc": True, "pid": True, "fork": True, "mount_proc": True}, 2.6, 2.2),
    ({"kill_child": True}, 2.6, 2.2),
]


def words(kind: Kind) -> list[str]:
    """The options of a command line for these keywords."""
    return [f"--{name.replace('_', '-')}" for name in kind]


def seconds(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> float:
    """The time that a call takes."""
    start = time.perf_counter()
    call(*arguments, **keywords)
    return time.perf_counter() - start


def medians(rounds: int, *calls: Callable[[], Any]) -> list[float]:
    """The medians of calls that are made in turns, in milliseconds."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, found in zip(calls, times):
            found.append(seconds(call))
    return [1000 * statistics.median(found) for found in times]


def table(
    title: str,
    rows: Iterable[tuple[Kind, float]],
    reference: str,
    rounds: int,
    run: Callable[..., Any] = pyunshare.run,
) -> None:
    """Print a comparison as a table."""
    print(f"\n{title}\n\n| launch | pyunshare | the reference | ratio | bar |")
    print("|---|---|---|---|---|")
    for kind, bar in rows:
        line = [reference, *words(kind), PROGRAM]
        ours, theirs = medians(
            rounds,
            lambda kind=kind: run([PROGRAM], **kind),  # type: ignore[misc]
            lambda line=line: subprocess.run(line, check=True),  # type: ignore[misc]
        )
        ratio = ours / theirs
        kept = "met" if round(ratio, 2) <= bar else "missed"
        name = ", ".join(kind)
        print(f"| {name} | {ours:.2f} ms | {theirs:.2f} ms | {ratio:.2f} | {bar:.2f} {kept} |")
        sys.stdout.flush()


def crossing(rounds: int) -> None:
    """Print how long a copy and an interpreter take in a process that holds so much memory."""
    print("\nA copy of a process against an interpreter, map_root_user, by memory held\n")
    print("| MB | page tables | a copy | an interpreter | ratio |\n|---|---|---|---|---|")

    def run(most_page_tables: int) -> None:
        caller.MOST_PAGE_TABLES = most_page_tables
        pyunshare.run([PROGRAM], map_root_user=True)

    for megabytes in MEGABYTES:
        memory = held(megabytes << 20)
        tables = caller.field(caller.own_status(), "VmPTE")
        copy, other = medians(rounds, lambda: run(1 << 40), lambda: run(-1))
        ratio = copy / other
        print(f"| {megabytes} | {tables} kB | {copy:.2f} ms | {other:.2f} ms | {ratio:.2f} |")
        sys.stdout.flush()
        del memory


def held(size: int) -> bytearray:
    """Memory that is in use."""
    memory = bytearray(size)
    page = os.sysconf("SC_PAGESIZE")
    memory[::page] = b"x" * len(memory[::page])
    return memory


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--reference", default=os.environ.get("PYUNSHARE_REFERENCE", "unshare"))
    options = parser.parse_args()
    chosen = options.reference, options.rounds
    kernel = f"Linux {os.uname().release}, {os.cpu_count()} CPUs"
    print(f"CPython {platform.python_version()}, {kernel}; {options.rounds} rounds")
    table("A thread, small", ((kind, bar) for kind, bar, _ in BY_THREAD), *chosen)
    table("A copy, small", ((kind, bar) for kind, bar, _ in BY_PROCESS), *chosen)
    most_page_tables = caller.MOST_PAGE_TABLES
    crossing(options.rounds // 3)
    caller.MOST_PAGE_TABLES = most_page_tables
    with pyunshare.Launcher() as launcher:
        rows = [(kind, bar) for kind, _, bar in BY_PROCESS]
        table("A Launcher, small", rows, *chosen, launcher.run)
        memory = held(GIGABYTE)
        stop = threading.Event()
        threads = [threading.Thread(target=stop.wait) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        title = f"A Launcher, {len(memory) >> 20} MB and {THREADS} threads"
        table(title, rows, *chosen, launcher.run)
        stop.set()
    title = f"A thread, {len(memory) >> 20} MB"
    table(title, ((kind, bar) for kind, _, bar in BY_THREAD), *chosen)


if __name__ == "__main__":
    main()
