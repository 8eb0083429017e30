"""Launches from Python: pyunshare.run() against subprocess.run() with a command, in turns.

    .venv/bin/python benchmarks/api.py [--rounds N] [--reference UNSHARE] [--command PYUNSHARE]

Run it with an interpreter that pyunshare is installed for, as pip does it.

For each kind of launch both are measured one after the other, many times, once in a small process
and once in one that holds a gigabyte. The ratio is that of the medians. A launch that needs a
process of ours is held against the installed command instead, which starts one as well.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))
import pyunshare

PROGRAM = "/bin/true"
GIGABYTE = 1 << 30
NAMESPACES = ("mount", "uts", "ipc", "net", "cgroup", "pid", "time")
# The bars: what a launch by a thread may take of the reference's time
SMALL_BAR, LARGE_BAR, COMMAND_BAR = 0.60, 0.75, 1.0
BY_LAUNCHER: list[dict[str, Any]] = [
    {"user": True},
    {"map_root_user": True},
    {"map_root_user": True, "pid": True, "fork": True, "mount_proc": True},
    {"map_users": "0:0:10"},
    {"pid": True, "fork": True, "mount_proc": True},
    {"kill_child": True},
]


def kinds() -> list[dict[str, Any]]:
    """Each namespace alone, none, and all of them, with and without fork."""
    chosen = [(), *((name,) for name in NAMESPACES), NAMESPACES]
    return [
        {**dict.fromkeys(names, True), **({"fork": True} if fork else {})}
        for names, fork in itertools.product(chosen, (False, True))
    ]


def words(kind: dict[str, Any]) -> list[str]:
    """The options of a command line for these keywords."""
    return [
        f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}")
        for name, value in kind.items()
    ]


def seconds(call: Any, *arguments: Any, **keywords: Any) -> float:
    """The time that a call takes."""
    start = time.perf_counter()
    call(*arguments, **keywords)
    return time.perf_counter() - start


def compare(kind: dict[str, Any], command: str, rounds: int) -> tuple[float, float]:
    """The medians of ours and of the command, in milliseconds."""
    line = [command, *words(kind), PROGRAM]
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(seconds(pyunshare.run, [PROGRAM], **kind))
        theirs.append(seconds(subprocess.run, line, check=True))
    return 1000 * statistics.median(ours), 1000 * statistics.median(theirs)


def table(title: str, rows: list[dict[str, Any]], command: str, bar: float, rounds: int) -> None:
    """Print a comparison as a table."""
    print(f"\n{title}\n\n| launch | pyunshare.run | the command | ratio | bar |")
    print("|---|---|---|---|---|")
    for kind in rows:
        ours, theirs = compare(kind, command, rounds)
        ratio = ours / theirs
        name = ", ".join(kind) or "no namespace"
        kept = "met" if round(ratio, 2) <= bar else "missed"
        print(f"| {name} | {ours:.2f} ms | {theirs:.2f} ms | {ratio:.2f} | {bar:.2f} {kept} |")
        sys.stdout.flush()


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--reference", default=os.environ.get("PYUNSHARE_REFERENCE", "unshare"))
    parser.add_argument("--command", default=shutil.which("pyunshare"))
    options = parser.parse_args()
    kernel = (
        f"Linux {os.uname().release}, {os.cpu_count()} CPUs, pages of {os.sysconf('SC_PAGESIZE')}"
    )
    print(f"CPython {platform.python_version()}, {kernel} bytes; {options.rounds} rounds")
    table(
        "From a small process, against the reference",
        kinds(),
        options.reference,
        SMALL_BAR,
        options.rounds,
    )
    if options.command:
        title = "Through a process of ours, against the installed command"
        table(title, BY_LAUNCHER, options.command, COMMAND_BAR, options.rounds // 3)
    memory = bytearray(GIGABYTE)
    memory[:: os.sysconf("SC_PAGESIZE")] = b"x" * len(memory[:: os.sysconf("SC_PAGESIZE")])
    title = "From a process that holds 1 GB, against the reference"
    table(title, kinds(), options.reference, LARGE_BAR, options.rounds)


if __name__ == "__main__":
    main()
