"""Run all the tests: here with each Python, in quick environments, and in roots of other releases.

.ci/run starts this, three jobs at a time: tests wait for half of the time, and as root have mounts
of their own. It tells how far it is, and at the end what ran. What a job has printed is in
.tox/logs, and shown if it failed. PYUNSHARE_ROOTS names the releases, if not those of ROOTS; if it
is set, but empty, no root is made at all.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.everywhere.debian import PYTHONS
from tests.helpers import summaries

HERE = Path(__file__).resolve().parent.parent
LOGS = HERE / ".tox" / "logs"
TOX = [sys.executable, "-m", "tox", "run"]
AT_A_TIME = 3
ROOTS = "trixie sid"
SUPPORTED = range(9, 16)  # minor versions of CPython 3

# What tells how far a job is: tox begins something, a root is made, pytest is at some per cent
STEP = re.compile(
    r"^([\w-]+): (?:(install_deps|install_package|commands\[0\])>|(.*) \([\d.]+ min\)$)"
)
PERCENT = re.compile(r"\[ *(\d+)%\]$")

started = time.monotonic()
printing = threading.Lock()


class Job(NamedTuple):
    """A command with a name."""

    name: str
    words: list[str]


EVERYWHERE = Job("everywhere", [sys.executable, "tests/everywhere/run", "--quick"])


class Run(NamedTuple):
    """What pytest has told at the end."""

    job: str
    python: str
    minutes: float
    passed: int
    failed: int
    skipped: int


def main() -> int:
    """Run all jobs; return 1 if one has failed."""
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    sdist = build_sdist()
    releases = suites()
    jobs = [
        Job("tests", [*TOX, "--installpkg", sdist, "-e", "tests"]),
        *(root_job(suite) for suite in releases),
        *([EVERYWHERE] if releases else []),
        Job("lint, types", [*TOX, "-e", "lint,types"]),
        *(Job(name, [*TOX, "--installpkg", sdist, "-e", name]) for name in pythons()),
    ]
    say(f"{len(jobs)} jobs, {AT_A_TIME} at a time: {', '.join(job.name for job in jobs)}")
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(do, jobs))
    failed = [job.name for job, (status, _) in zip(jobs, results) if status != 0]
    runs = [run for _, each in results for run in each]
    print(table(runs))
    say(f"failed: {', '.join(failed)}" if failed else "everything passed")
    passed, broken, skipped = (sum(run[column] for run in runs) for column in (3, 4, 5))
    print(f"{passed} passed, {broken} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


def build_sdist() -> str:
    """Build what all environments install, for tox runs that share its files disturb each other."""
    line = [sys.executable, "-m", "build", "--sdist", "--outdir", str(LOGS.parent / "sdist")]
    shutil.rmtree(line[-1], ignore_errors=True)
    subprocess.run(line, cwd=HERE, check=True, stdout=subprocess.DEVNULL)
    (sdist,) = Path(line[-1]).iterdir()
    return str(sdist)


def suites() -> list[str]:
    """Return the releases in whose roots to run the tests, none for an ordinary user."""
    asked = os.environ.get("PYUNSHARE_ROOTS", ROOTS).split()
    if asked and os.geteuid() != 0:
        say(f"skipped, as only root can make their roots: {', '.join(asked)}")
        return []
    return asked


def root_job(suite: str) -> Job:
    """Return the job that runs the tests in a root of a release, with the Pythons it has."""
    environments = PYTHONS.get(suite, "tests")
    command = [sys.executable, "tests/on_clean_debian", suite, "--", ".ci/run", "run", "-e"]
    return Job(suite, [*command, environments])


def pythons() -> list[str]:
    """Return the environments of the Pythons that there are here, but for that of `tests`."""
    found = []
    places = os.environ.get("TOX_DISCOVER", "").split(os.pathsep)
    for minor in SUPPORTED:
        if minor == sys.version_info[1]:
            continue
        asked = f"import sys; sys.exit(sys.version_info[:2] != (3, {minor}))"
        for place in [*places, shutil.which(f"python3.{minor}") or "", shutil.which("python3")]:
            if (
                place
                and subprocess.run(
                    [place, "-ISc", asked], stderr=subprocess.DEVNULL, check=False
                ).returncode
                == 0
            ):
                found.append(f"py3{minor}")
                break
    return found


def do(job: Job) -> tuple[int, list[Run]]:
    """Run a job, and return its status and what pytest has told."""
    say(f"{job.name} begins")
    log = LOGS / f"{job.name.replace(', ', '-')}.log"
    runs: list[Run] = []
    python, told, began = "", 0, time.monotonic()
    with (
        log.open("w", buffering=1, encoding="utf-8") as file,
        subprocess.Popen(
            job.words,
            cwd=HERE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            text = line.rstrip()
            if match := STEP.match(text):
                say(f"{job.name}: {match[3] or f'{match[1]}: {match[2]}'}")
            elif match := summaries.PYTHON.match(text):
                python, told, began = match[1], 0, time.monotonic()
            elif (match := PERCENT.search(text)) and int(match[1]) >= told + 20:
                told = int(match[1])
                say(f"{job.name}: Python {python}: {told} %")
            elif told_at_end := summaries.summary(text):
                minutes = (time.monotonic() - began) / 60
                runs.append(Run(job.name, python, minutes, *told_at_end))
                say(f"{job.name}: Python {python}: {text.strip('= ')}")
    status = process.returncode
    say(f"{job.name} {'passed' if status == 0 else f'failed: status {status}'}")
    if status != 0:
        with printing:
            print(log.read_text(encoding="utf-8"), flush=True)
    return status, runs


def table(runs: list[Run]) -> str:
    """Return what ran, and why tests were skipped."""
    lines = [
        "",
        f"{'job':12} {'Python':10} {'minutes':>7} {'passed':>7} {'failed':>7} {'skipped':>7}",
    ]
    for run in runs:
        lines.append(
            f"{run.job:12} {run.python:10} {run.minutes:7.1f} {run.passed:7} {run.failed:7} "
            f"{run.skipped:7}"
        )
    logs = (log.read_text(encoding="utf-8") for log in sorted(LOGS.iterdir()))
    reasons = summaries.reasons_to_skip("\n".join(logs))
    lines += [
        "",
        "skipped:",
        *(f"{count:6}  {reason}" for reason, count in reasons.items()),
    ]
    return "\n".join(lines)


def say(what: str) -> None:
    """Print a line that begins with the minutes since the start."""
    with printing:
        print(f"[{(time.monotonic() - started) / 60:5.1f} min] {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
