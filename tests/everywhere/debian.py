"""The releases of Debian: the tests with their Pythons, util-linux and other tools."""

from __future__ import annotations

import functools
import sys

from tests.debian_roots import CHECKOUT, name_of
from tests.everywhere.environment import Environment, Visit

# The environments of tox: the Python of the release, and those beside it
PYTHONS = {"bullseye": "py39", "bookworm": "py311", "trixie": "py313", "sid": "py314,py315"}


def tests(suite: str, arch: str | None, visit: Visit) -> None:
    """Run the tests in a clean root of a release, by what is committed."""
    words = [sys.executable, CHECKOUT / "tests" / "on_clean_debian", suite]
    words += [*(["--arch", arch] if arch else []), *(["--anew"] if visit.anew else [])]
    visit.run("tests", [*words, "--", ".ci/run", "run", "-e", PYTHONS[suite]])


def release(suite: str, number: str, arch: str | None = None) -> Environment:
    """Return the environment of a release."""
    bits = "32" if arch else "64"
    return Environment(
        name_of(suite, arch),
        f"Debian {number}, {bits} bits",
        f"debootstrap {f'--arch={arch} ' if arch else ''}{suite}",
        functools.partial(tests, suite, arch),
    )


ENVIRONMENTS = [
    release("bullseye", "11"),
    release("bookworm", "12"),
    release("trixie", "13"),
    release("sid", "unstable"),
    release("bookworm", "12", "i386"),
]
