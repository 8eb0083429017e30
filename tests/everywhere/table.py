"""What visits have shown, as a table on the terminal and as one in docs/compatibility.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.everywhere.environment import Environment, Part

BEGIN = "<!-- written: by tests/everywhere/run --write -->\n"
END = "<!-- written: until here -->\n"
HEAD = (
    "| environment | what ran | passed | failed | skipped | minutes | date |\n"
    "|---|---|---|---|---|---|---|\n"
)
ROW = re.compile(r"^\| `([^`]+)`")

Shown = Mapping[str, Sequence[Part]]  # by the name of the environment


def for_terminal(shown: Shown) -> str:
    """Return a table of what was shown now, with the reasons to skip below it."""
    lines = [
        "",
        f"{'environment':22} {'passed':>7} {'failed':>7} {'skipped':>7} {'minutes':>7}  what ran",
    ]
    reasons: dict[str, int] = {}
    for name, parts in shown.items():
        for part in parts:
            lines.append(
                f"{name:22} {part.passed:7} {part.failed:7} {part.skipped:7} {part.minutes:7.1f}  "
                + _what(part)
            )
            for reason, count in part.reasons.items():
                reasons[reason] = reasons.get(reason, 0) + count
    if reasons:
        lines += ["", "skipped:"]
        lines += [f"{count:6}  {reason}" for reason, count in sorted(reasons.items())]
    return "\n".join(lines)


def _what(part: Part) -> str:
    return f"{part.what}: {part.trouble}" if part.trouble else part.what


def write(page: Path, environments: Sequence[Environment], shown: Shown, date: str) -> None:
    """Write what was shown on a date into a page, between its two markers.

    Other environments keep their rows, in the order of the environments; those that are no more
    lose them. Raises ValueError if the page has no markers.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no markers")
    rows: dict[str, list[str]] = {}
    for line in old.splitlines(keepends=True):
        if match := ROW.match(line):
            rows.setdefault(match[1], []).append(line)
    for name, parts in shown.items():
        rows[name] = [_row(name, part, date) for part in parts]
    table = "".join(row for each in environments for row in rows.get(each.name, []))
    page.write_text(before + BEGIN + HEAD + table + END + after, encoding="utf-8")


def _row(name: str, part: Part, date: str) -> str:
    reasons = "; ".join(f"{count} {reason}" for reason, count in part.reasons.items())
    skipped = f"{part.skipped}: {reasons}" if reasons else str(part.skipped)
    what = _what(part)
    cells = [what, str(part.passed), str(part.failed), skipped, f"{part.minutes:.1f}", date]
    escaped = (re.sub(r"([|<>*_`\\])", r"\\\1", cell) for cell in cells)
    return f"| `{name}` | {' | '.join(escaped)} |\n"
