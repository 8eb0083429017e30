"""``python3 -m pyunshare.doctor [--json]``: the check-up as a command."""

from __future__ import annotations

import argparse
import json
import signal
import sys

from ..options.help import STANDARD_OUTPUT
from ..syscalls import write_all
from . import checks
from .report import as_data, as_text


def run(words: list[str] | None = None) -> int:
    """Print the check-up; return 0 if all works that could be expected, else 1."""
    parser = argparse.ArgumentParser(
        prog="python3 -m pyunshare.doctor",
        description="Try what this machine allows, and say what mends the rest.",
    )
    parser.add_argument("--json", action="store_true", help="print the findings for programs")
    wishes = parser.parse_args(words)
    report = checks.check()
    text = json.dumps(as_data(report), indent=2) + "\n" if wishes.json else as_text(report)
    try:
        write_all(STANDARD_OUTPUT, text.encode(errors="replace"))
    except OSError as error:
        parser.exit(1, f"{parser.prog}: write error: {error.strerror}\n")
    return 1 if report.missing else 0


if __name__ == "__main__":  # pragma: no cover - another process than that of the tests
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is no traceback
    sys.exit(run())
