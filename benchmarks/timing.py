"""Wall times of whole processes, measured by hyperfine, many commands in turn.

What disturbs a machine comes and goes within seconds, and may make it slower by half for a while.
So commands that are to be compared are measured in rounds, each with a few runs of every command,
in an order that changes, and they are compared within each round.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import statistics
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

PROGRAM = "/bin/true"
RUNS_IN_A_ROUND = 5
TIMES_A_BASELINE = 3  # spread over the round, as all others are compared with it
ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
}
# As in a container, in cron or a build: CPython then turns to UTF-8 by itself, see PEP 538.
WITHOUT_LOCALE = {name: value for name, value in ENVIRONMENT.items() if name != "LANG"}


class Command(NamedTuple):
    """A command line to measure."""

    words: Sequence[str]
    fails: bool = False  # as it should
    wrapper: Sequence[str] = ()  # what hyperfine itself is started by, and not measured
    environment: Mapping[str, str] = ENVIRONMENT


@dataclass(frozen=True)
class Spread:
    """A value in the middle, and the quartiles around it."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], middle: float | None = None) -> Spread:
        """Return that of some values; the one in the middle may come from elsewhere."""
        if middle is None:
            middle = statistics.median(values)
        if len(values) < 2:
            return cls(middle, middle, middle)
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, min(low, middle), max(high, middle))


@dataclass(frozen=True)
class Timing:
    """All that was measured of one command: the seconds of each run, by round."""

    rounds: Sequence[Sequence[float]]

    @property
    def spread(self) -> Spread:
        """The median and the quartiles of all runs, in milliseconds."""
        return Spread.of([1000 * run for each in self.rounds for run in each])

    def ratio(self, *baselines: Timing) -> Spread:
        """Return how this compares with the sum of the baselines, round by round."""
        rounds = zip(self._round_medians(), zip(*(each._round_medians() for each in baselines)))
        return Spread.of([own / sum(others) for own, others in rounds])

    def difference(self, other: Timing) -> Spread:
        """Return by how many milliseconds this is longer: of medians, quartiles of rounds.

        The parts of a whole that are such differences add up to it.
        """
        pairs = zip(self._round_medians(), other._round_medians())
        difference = self.spread.middle - other.spread.middle
        return Spread.of([own - others for own, others in pairs], difference)

    def _round_medians(self) -> list[float]:
        return [1000 * statistics.median(each) for each in self.rounds]


def measure(
    commands: Mapping[str, Command],
    rounds: int,
    workspace: Path,
    title: str,
    baselines: Collection[str] = (),
) -> dict[str, Timing]:
    """Measure commands in turn, by their names; baselines more often.

    The workspace is a directory for our files.
    """
    times: dict[str, list[list[float]]] = {name: [] for name in commands}
    order = [*commands, *((TIMES_A_BASELINE - 1) * [*baselines])]
    shuffle = random.Random(rounds).shuffle
    for number in range(rounds):
        print(f"\r{title}: round {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
        shuffle(order)
        for each in times.values():
            each.append([])
        for name in order:
            times[name][-1] += _runs_of(commands[name], workspace)
    print(file=sys.stderr)
    return {name: Timing(each) for name, each in times.items()}


def _runs_of(command: Command, workspace: Path) -> list[float]:
    """Have hyperfine measure a command, and return the seconds of each run."""
    output = workspace / "hyperfine.json"
    output.write_text("")
    output.chmod(0o666)  # it may run as somebody else
    options = ["--warmup", "1", "--runs", str(RUNS_IN_A_ROUND), "--style", "none"]
    if command.fails:
        options.append("--ignore-failure")
    hyperfine = ["hyperfine", "-N", *options, "--export-json", str(output)]
    result = subprocess.run(
        [*command.wrapper, *hyperfine, shlex.join(command.words)],
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,  # warnings of outliers, of which there is no end
        check=False,
    )
    if result.returncode:
        sys.exit(f"hyperfine failed: {os.fsdecode(result.stderr)}")
    times: list[float] = json.loads(output.read_text())["results"][0]["times"]
    return times
