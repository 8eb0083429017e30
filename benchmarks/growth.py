"""What a launch costs more, compared with the reference's, the more it is given to do.

xargs(1) makes the long command lines and the many launches at once; it costs both the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from timing import ENVIRONMENT, PROGRAM, Command, Spread, Timing, measure

VARIABLE = 1000  # bytes
BYTES_OF_A_COMMAND_LINE = 2_000_000
STRAIGHT = 0.03  # how far from a line, in parts of the largest extra, is still a line
EXPONENTS = [tenth / 10 for tenth in range(1, 31)]


@dataclass(frozen=True)
class Kind:
    """What there can be more and more of, and how to ask a program for so many."""

    name: str
    sizes: Sequence[int]
    command: Callable[[str, int, Path], Command]


@dataclass(frozen=True)
class Growth:
    """Milliseconds by size: of both programs, and by how much pyunshare's are more."""

    name: str
    sizes: Sequence[int]
    own: Sequence[Spread]
    reference: Sequence[Spread]
    extra: Sequence[Spread]

    def line(self) -> tuple[float, float]:
        """Return the straight line (at 0, slope) that is nearest to the extra."""
        at_0, slope, _ = self._fit(1.0)
        return at_0, slope

    def exponent(self) -> float:
        """Return p of the curve a + b * size**p that is nearest to the extra."""
        return min(EXPONENTS, key=lambda exponent: self._fit(exponent)[2])

    def is_at_most_linear(self) -> bool:
        """Tell whether the extra bends upwards no more than by the spread of what was measured."""
        if self.exponent() <= 1:
            return True
        at_0, slope = self.line()
        tolerance = STRAIGHT * max(abs(extra.middle) for extra in self.extra)
        return all(
            abs(at_0 + slope * size - extra.middle) <= max(extra.high - extra.low, tolerance)
            for size, extra in zip(self.sizes, self.extra)
        )

    def _fit(self, exponent: float) -> tuple[float, float, float]:
        """Return a and b of a + b * size**exponent by least squares, and the sum of these."""
        xs = [float(size) ** exponent for size in self.sizes]
        ys = [extra.middle for extra in self.extra]
        mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
        slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / sum(
            (x - mean_x) ** 2 for x in xs
        )
        at_0 = mean_y - slope * mean_x
        return at_0, slope, sum((at_0 + slope * x - y) ** 2 for x, y in zip(xs, ys))


def _with_ranges(program: str, count: int, _workspace: Path) -> Command:
    # The other way round outside, so that no two of them can be joined
    ranges = [f"--map-users={index}:{count - 1 - index}:1" for index in range(count)]
    return Command([program, *ranges, PROGRAM])


def _with_arguments(program: str, count: int, workspace: Path) -> Command:
    # One word to hyperfine, and so to the kernel, has less than 128 KiB.
    arguments = workspace / f"arguments-{count}"
    arguments.write_text("x\n" * count)
    limits = ["-n", str(count), "-s", str(BYTES_OF_A_COMMAND_LINE), "-x"]
    return Command(["xargs", "-a", str(arguments), *limits, program, "-i", PROGRAM])


def _with_environment(program: str, kilobytes: int, _workspace: Path) -> Command:
    environment = dict(ENVIRONMENT)
    for index in range(kilobytes):
        name = f"VARIABLE_{index}="
        environment[name[:-1]] = "x" * (VARIABLE - len(name) - 1)
    return Command([program, "-i", PROGRAM], environment=environment)


def _at_once(program: str, count: int, workspace: Path) -> Command:
    lines = workspace / f"programs-{count}"
    lines.write_text(f"{PROGRAM}\n" * count)
    return Command(["xargs", "-a", str(lines), "-n", "1", "-P", str(count), program, "-i"])


KINDS = (
    Kind("id ranges", (1, 68, 136, 204, 272, 340), _with_ranges),
    Kind("arguments", (1, 20_000, 40_000, 60_000, 80_000, 100_000), _with_arguments),
    Kind("kB of environment", (1, 400, 800, 1200, 1600, 2000), _with_environment),
    Kind("launches at once", (1, 12, 24, 36, 48, 64), _at_once),
)


def measure_times(
    kind: Kind, own: str, reference: str, rounds: int, workspace: Path
) -> dict[str, Timing]:
    """Measure both programs with all sizes of a kind; the names are JSON, of who and how many."""
    commands = {
        _name(which, size): kind.command(program, size, workspace)
        for size in kind.sizes
        for which, program in (("own", own), ("reference", reference))
    }
    return measure(commands, rounds, workspace, f"more {kind.name}")


def growth(kind: Kind, timings: dict[str, Timing]) -> Growth:
    """Return what was measured as a growth."""
    own, others = (
        [timings[_name(which, size)] for size in kind.sizes] for which in ("own", "reference")
    )
    return Growth(
        kind.name,
        kind.sizes,
        [each.spread for each in own],
        [each.spread for each in others],
        [each.difference(other) for each, other in zip(own, others)],
    )


def _name(which: str, size: int) -> str:
    return json.dumps([which, size])
