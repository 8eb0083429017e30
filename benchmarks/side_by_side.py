"""One launch by different programs, and where the time of pyunshare's goes.

The parts are differences between variants of the installed command, each of which ends a step
later than the one before. Nothing in the package knows of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from installing import Installation
from timing import PROGRAM, Command, Spread, Timing, measure

FLAGS = ("-i", "-m")
PYUNSHARE, REFERENCE, BUSYBOX = "pyunshare", "reference", "busybox"
BARE, SCRIPT = "bare interpreter", "ctypes script"

END = "posix._exit(0)"
REPLACE = """\
real = unshare
unshare = {}
main()"""
# What the installed script ends with; in each the process has come one step further.
LAST_LINES = {
    "after the imports": END,
    "before unshare": REPLACE.format(f"lambda flags: {END}"),
    "after unshare": REPLACE.format(f"lambda flags: (real(flags), {END})"),
}
START = "first line"
WHOLE = f"{PYUNSHARE} -i"
# Each part ends where its variant ends, and begins where the one before it ended.
PARTS = {
    "interpreter start": START,
    "imports": "after the imports",
    "from parsing to unshare(2)": "before unshare",
    "unshare(2) in the kernel": "after unshare",
    "execve(2) and the program": WHOLE,
}


@dataclass(frozen=True)
class Bar:
    """One launch in milliseconds: the whole, and the parts as far as they are known."""

    label: str
    whole: Spread
    parts: Mapping[str, Spread]


def commands(
    installation: Installation, reference: str | None, busybox: str | None
) -> dict[str, Command]:
    """Return all that is to be measured in turn."""
    interpreter = installation.interpreter.path
    script = str(Path(__file__).with_name("ctypes_script.py"))
    programs = {
        PYUNSHARE: [installation.command_of_a_distribution()],
        SCRIPT: [interpreter, script],
    }
    if reference:
        programs[REFERENCE] = [reference]
    if busybox:
        programs[BUSYBOX] = [busybox, "unshare"]
    result = {BARE: Command(installation.bare)}
    for flag in FLAGS:
        for name, words in programs.items():
            result[f"{name} {flag}"] = Command([*words, flag, PROGRAM])
    result[START] = Command([installation.script("first-line", f"import posix\n{END}\n")])
    for name, last_line in LAST_LINES.items():
        path = installation.changed_script(name.replace(" ", "-"), last_line)
        result[name] = Command([path, "-i", PROGRAM])
    return result


def measure_times(
    installation: Installation,
    reference: str | None,
    busybox: str | None,
    rounds: int,
    workspace: Path,
) -> dict[str, Timing]:
    """Measure the programs, and the variants of the command, with one interpreter."""
    to_measure = commands(installation, reference, busybox)
    return measure(to_measure, rounds, workspace, f"{installation.interpreter.name}, side by side")


def parts(timings: Mapping[str, Timing]) -> dict[str, Spread]:
    """Return where the time of a launch with -i goes."""
    variants = list(PARTS.values())
    result = {}
    for number, (part, variant) in enumerate(PARTS.items()):
        if number == 0:
            result[part] = timings[variant].spread
        else:
            result[part] = timings[variant].difference(timings[variants[number - 1]])
    return result


def bars(timings: Mapping[str, Timing], flag: str) -> list[Bar]:
    """Return the launches with a flag side by side."""
    result = []
    for program in (REFERENCE, BUSYBOX, PYUNSHARE, BARE, SCRIPT):
        name = program if program == BARE else f"{program} {flag}"
        if name in timings:
            known = parts(timings) if name == WHOLE else {}
            result.append(Bar(program, timings[name].spread, known))
    return result
