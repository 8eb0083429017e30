"""Measure how long pyunshare takes to start programs, and show the result: see README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import growth
import installing
import launches
import memory
import picture
import side_by_side
import tables
from timing import PROGRAM, Timing


@dataclass(frozen=True)
class Effort:
    """How many rounds to measure."""

    launches: int
    side_by_side: int
    growth: int


FULL = Effort(40, 60, 12)
QUICK = Effort(3, 3, 2)
PICTURES = installing.CHECKOUT / "docs"


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works")
    parser.add_argument("--python", nargs="+", default=(), help="the interpreters to measure with")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was measured")
    parser.add_argument(
        "--pictures",
        nargs="?",
        type=Path,
        const=PICTURES,
        metavar="DIRECTORY",
        help="draw start-up.svg and growth.svg (default: into docs)",
    )
    return parser.parse_args()


class Benchmark:
    """One run of all measurements; :attr:`results` is what goes into the JSON file."""

    def __init__(self, effort: Effort, workspace: Path) -> None:
        self._effort = effort
        self._workspace = workspace
        self._reference = installing.reference()
        self._busybox = installing.busybox()
        self.results: dict[str, Any] = {
            "machine": f"{platform.machine()}, Linux {platform.release()}, {os.cpu_count()} CPUs",
            "load": f"{os.getloadavg()[0]:.1f} processes wanted to run in the minute before",
            "hyperfine": installing.version_line("hyperfine"),
            "reference": self._reference and installing.version_line(self._reference),
            "interpreters": {},
            "growth": {},
        }
        for name in ("machine", "load", "hyperfine", "reference"):
            print(f"{name}: {self.results[name]}")

    def compare_launches(self, installation: installing.Installation) -> None:
        """Measure and print the launches of each kind."""
        effort = self._effort.launches
        timings = launches.measure_times(installation, self._reference, effort, self._workspace)
        used = memory.measure_memory(installation)
        rows = [*launches.rows_of_times(timings), *memory.rows_of_memory(used)]
        print(f"\n{installation.interpreter.name}: launches\n\n{tables.of_rows(rows)}")
        self._keep(installation, launches=_raw(timings), memory=used)

    def compare_programs(self, installation: installing.Installation) -> list[side_by_side.Bar]:
        """Measure and print the programs side by side; return what to draw of them."""
        timings = side_by_side.measure_times(
            installation, self._reference, self._busybox, self._effort.side_by_side, self._workspace
        )
        name = installation.interpreter.name
        for flag in side_by_side.FLAGS:
            print(f"\n{name}: {flag} side by side\n")
            print(tables.of_bars(side_by_side.bars(timings, flag)))
        print(f"\n{name}: where the time of -i goes\n")
        print(tables.of_parts(side_by_side.parts(timings)))
        self._keep(installation, side_by_side=_raw(timings))
        return side_by_side.bars(timings, side_by_side.FLAGS[0])

    def follow_growth(self, installation: installing.Installation) -> list[growth.Growth]:
        """Measure and print how launches grow; return what to draw of it."""
        kinds: list[growth.Growth] = []
        if self._reference is None:
            print("Growth is left out, for want of a reference")
            return kinds
        programs = installation.command_of_a_distribution(), self._reference
        for kind in growth.KINDS:
            timings = growth.measure_times(kind, *programs, self._effort.growth, self._workspace)
            found = growth.growth(kind, timings)
            print(f"\n{installation.interpreter.name}: {kind.name}\n\n{tables.of_growth(found)}")
            self.results["growth"][kind.name] = {"times": _raw(timings), "summary": asdict(found)}
            kinds.append(found)
        return kinds

    def _keep(self, installation: installing.Installation, **results: object) -> None:
        name = f"{installation.interpreter.name} ({installation.interpreter.path})"
        self.results["interpreters"].setdefault(name, {}).update(results)


def _raw(timings: dict[str, Timing]) -> dict[str, Any]:
    return {name: timing.rounds for name, timing in timings.items()}


def install_all(wanted: list[str], workspace: Path) -> list[installing.Installation]:
    """Return an installation for each interpreter that takes one, by version."""
    installations = []
    for number, interpreter in enumerate(installing.interpreters(wanted)):
        print(f"installing for {interpreter.name}", file=sys.stderr)
        try:
            installations.append(installing.install(interpreter, workspace / str(number)))
        except subprocess.CalledProcessError as error:
            print(f"{interpreter.name} is left out: {error}", file=sys.stderr)
    return installations


def main() -> None:
    """Do what the command line says."""
    options = arguments()
    if os.geteuid() != 0:
        sys.exit("Most launches need root.")
    if shutil.which("hyperfine") is None:
        sys.exit("hyperfine is needed: apt-get install hyperfine")
    with tempfile.TemporaryDirectory(prefix="pyunshare-benchmarks-") as directory:
        workspace = Path(directory)
        workspace.chmod(0o755)  # an ordinary user takes part
        benchmark = Benchmark(QUICK if options.quick else FULL, workspace)
        installations = install_all(options.python, workspace)
        if not installations:
            sys.exit("There is no interpreter to measure with.")
        for installation in installations:
            benchmark.compare_launches(installation)
            bars = benchmark.compare_programs(installation)
        newest = installations[-1]
        kinds = benchmark.follow_growth(newest)
        if options.pictures:
            title = f"One launch, -i {PROGRAM}, with {newest.interpreter.name}"
            picture.draw_bars(bars, title, options.pictures / "start-up.svg")
            if kinds:
                picture.draw_growth(kinds, options.pictures / "growth.svg")
    if options.json:
        options.json.write_text(json.dumps(benchmark.results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
