"""Launches of each kind, against an interpreter that does nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ordinary_user
from installing import Installation
from timing import PROGRAM, WITHOUT_LOCALE, Command, Spread, Timing, measure

ROOMY, TIGHT = 1.10, 1.00
LIMITS = {
    "-i": TIGHT,
    "-u": TIGHT,
    "-n": TIGHT,
    "-Ur": TIGHT,
    "-c": TIGHT,
    "-m": ROOMY,
    "-ipf --mount-proc": ROOMY,
    "-f --kill-child": ROOMY,
}
WITHOUT_PROGRAM = {"-x": True, "--version": False}  # and whether it is to fail
BARE = "python -IS -c pass"
ENVIRONMENT_S = "venv's python -I -c pass"
FLOOR = "only exec"
ONE_FILE = "pyunshare.pyz -u"
BY_PIP, FROM_A_WHEEL = ", by pip", ", from a wheel"
LINKED = "-u, by pip, through a link"
UNLOCALIZED, BARE_UNLOCALIZED = "-u, no LANG", "python -IS -c pass, no LANG"
MAP_AUTO = "--map-auto -r"
REFERENCE_MAP_AUTO = "reference --map-auto -r"


@dataclass(frozen=True)
class Row:
    """How something compares with something else, and how it is meant to."""

    what: str
    value: Spread
    unit: str
    against: str
    ratio: Spread
    limit: float | None

    @property
    def is_over(self) -> bool:
        """Whether it misses the bar."""
        return self.limit is not None and self.ratio.middle > self.limit


def commands(
    installation: Installation, reference: str | None, workspace: Path
) -> dict[str, Command]:
    """Return all that is to be measured in turn."""
    floor = installation.script(
        "only-exec", f"import posix\nposix.execv({PROGRAM!r}, [{PROGRAM!r}])\n"
    )
    result = {
        BARE: Command(installation.bare),
        ENVIRONMENT_S: Command(installation.environment),
        FLOOR: Command([floor]),
        LINKED: Command([installation.command_through_a_link(), "-u", PROGRAM]),
        ONE_FILE: Command([*installation.one_file(), "-u", PROGRAM]),
        BARE_UNLOCALIZED: Command(installation.bare, environment=WITHOUT_LOCALE),
    }
    command = installation.command_of_a_distribution()
    result[UNLOCALIZED] = Command([command, "-u", PROGRAM], environment=WITHOUT_LOCALE)
    flavours = {
        "": command,
        BY_PIP: installation.command,
        FROM_A_WHEEL: installation.command_of_a_wheel(),
    }
    for options in LIMITS:
        for flavour, file in flavours.items():
            result[options + flavour] = Command([file, *options.split(), PROGRAM])
    for option, fails in WITHOUT_PROGRAM.items():
        result[option] = Command([command, option], fails)
    missing = ordinary_user.missing()
    if reference is None or missing:
        print(f"{MAP_AUTO} is left out, for want of {missing or 'a reference'}")
        return result
    wrapper = ordinary_user.becoming_one(reference, workspace)
    for name, program in ((MAP_AUTO, command), (REFERENCE_MAP_AUTO, reference)):
        words = [program, *MAP_AUTO.split(), PROGRAM]
        result[name] = Command(words, wrapper=wrapper)
    return result


def measure_times(
    installation: Installation, reference: str | None, rounds: int, workspace: Path
) -> dict[str, Timing]:
    """Measure the launches with one interpreter."""
    to_measure = commands(installation, reference, workspace)
    title = f"{installation.interpreter.name}, launches"
    return measure(
        to_measure, rounds, workspace, title, baselines=(BARE, BARE_UNLOCALIZED, ENVIRONMENT_S)
    )


def rows_of_times(timings: dict[str, Timing]) -> list[Row]:
    """Return how the launches compare."""

    def row(what: str, against: Sequence[str], limit: float | None) -> Row:
        timing = timings[what]
        ratio = timing.ratio(*(timings[name] for name in against))
        return Row(what, timing.spread, "ms", " + ".join(against), ratio, limit)

    rows = [row(FLOOR, [baseline], None) for baseline in (BARE, ENVIRONMENT_S)]
    for flavour, baseline in (("", BARE), (BY_PIP, ENVIRONMENT_S), (FROM_A_WHEEL, ENVIRONMENT_S)):
        rows += [row(options + flavour, [baseline], limit) for options, limit in LIMITS.items()]
    rows.append(row(UNLOCALIZED, [BARE_UNLOCALIZED], TIGHT))
    rows.append(row(LINKED, [ENVIRONMENT_S], None))
    rows.append(row(ONE_FILE, [BARE], None))
    if MAP_AUTO in timings:
        rows.append(row(MAP_AUTO, [REFERENCE_MAP_AUTO, BARE], TIGHT))
    rows += [row(option, [BARE], ROOMY) for option in WITHOUT_PROGRAM]
    return rows
