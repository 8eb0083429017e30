"""What an environment is, and what a visit to one has shown.

A module of this package describes the environments of one kind in its list ENVIRONMENTS:
`command.py` names the modules. An environment is run by a function that is given a Visit. It makes
what it needs, raises CannotBeMade with the reason in one line if that is not to be had, and has the
visit run one or more programs that end with a summary as pytest's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable, NamedTuple, TextIO

from tests.debian_roots import Root, RootError, last_line
from tests.helpers import summaries

PATIENCE = 60.0  # minutes, for one program
GRACE = 30  # seconds, to clean up after SIGTERM

CannotBeMade = RootError


class Environment(NamedTuple):
    """A place where pyunshare has to work."""

    name: str
    purpose: str  # what can be seen here only
    made: str  # from what, and how
    run: Callable[[Visit], None]
    is_quick: bool = False  # a minute or two, for CI


class Part(NamedTuple):
    """What one program in an environment has shown, or why it has not."""

    what: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: Mapping[str, int] = {}  # why tests were skipped, with how many of them
    minutes: float = 0
    trouble: str = ""  # why the environment, or the rest of what ran in it, is missing

    @property
    def is_good(self) -> bool:
        """Whether nothing failed and nothing is missing."""
        return not self.failed and not self.trouble


class Visit:
    """One visit to an environment: how it is to be made, and what is shown in it."""

    def __init__(self, name: str, directory: Path, log: TextIO, anew: bool):
        self.name = name
        self.directory = directory  # for this visit, removed at its end
        self.log = log  # for the output of programs
        self.anew = anew  # whether nothing that was kept may be used
        self.parts: list[Part] = []
        self._started = time.monotonic()

    def say(self, what: str) -> None:
        """Print a line that tells how far it is."""
        minutes = (time.monotonic() - self._started) / 60
        print(f"{self.name}: {what} ({minutes:.1f} min)", flush=True)
        print(f"---- {what}", file=self.log, flush=True)

    def run(
        self,
        what: str,
        line: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Run a program that ends as pytest does, and add what it has shown.

        The environment goes beside that of this process. If the program has not ended after some
        minutes, or ends without a summary or with a status that the summary does not explain, then
        that is the trouble.
        """
        self.say(what)
        started = time.monotonic()
        position = self.log.tell()
        with subprocess.Popen(
            line,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            trouble = ""
            try:
                process.wait(patience * 60)
            except subprocess.TimeoutExpired:
                trouble = f"not ended after {patience:g} minutes"
            finally:
                _end(process)
        minutes = (time.monotonic() - started) / 60
        self.parts.append(_part(what, self._said(position), minutes, trouble, process.returncode))

    def do(self, root: Root, script: str) -> None:
        """Do in a root what a shell script says. Raises CannotBeMade with its last line."""
        position = self.log.tell()
        done = subprocess.run(
            root.line(["sh", "-euxc", script]),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != 0:
            raise CannotBeMade(last_line(self._said(position)))

    def _said(self, position: int) -> str:
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            file.seek(position)
            return file.read()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program, and all of its process group, if it has not ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)


def _part(what: str, text: str, minutes: float, trouble: str, status: int) -> Part:
    found = [each for each in map(summaries.summary, text.splitlines()) if each]
    passed, failed, skipped = map(sum, zip(*found)) if found else (0, 0, 0)
    pythons = ", ".join(dict.fromkeys(summaries.PYTHON.findall(text)))
    if not found and not trouble:
        trouble = last_line(text)
    if status != 0 and not failed and not trouble:
        trouble = f"status {status}"
    reasons = summaries.reasons_to_skip(text)
    what = f"{what}, Python {pythons}" if pythons else what
    return Part(what, passed, failed, skipped, reasons, minutes, trouble)
