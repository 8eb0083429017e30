"""What pytest has told at the end of a run, read from what it printed."""

from __future__ import annotations

import re
from typing import NamedTuple

PYTHON = re.compile(r"^platform linux -- Python ([^,]+),", re.MULTILINE)
ENDED = re.compile(r"^=+ (.*\b(?:passed|failed|errors?|skipped)\b.*) in [\d.]+s\b")
SKIPPED = re.compile(r"^SKIPPED \[(\d+)\] [^ ]*: (.*)$", re.MULTILINE)


class Summary(NamedTuple):
    """How many tests passed, failed and were skipped; an error is a failure."""

    passed: int
    failed: int
    skipped: int


def summary(line: str) -> Summary | None:
    """Return what the last line of pytest tells, or None for any other line."""
    ended = ENDED.match(line)
    if not ended:
        return None
    number = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", ended[1])}
    failed = sum(number.get(word, 0) for word in ("failed", "error", "errors"))
    return Summary(number.get("passed", 0), failed, number.get("skipped", 0))


def reasons_to_skip(text: str) -> dict[str, int]:
    """Return why tests were skipped, each reason with the number of tests."""
    reasons: dict[str, int] = {}
    for count, reason in SKIPPED.findall(text):
        reasons[reason] = reasons.get(reason, 0) + int(count)
    return dict(sorted(reasons.items()))
