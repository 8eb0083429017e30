"""The releases of Debian: the tests with their Pythons, util-linux and other tools."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator

from tests import debian_roots
from tests.debian_roots import CHECKOUT, CLONE, name_of
from tests.everywhere.environment import Environment, Visit

# The environments of tox: the Python of the release, and those beside it
PYTHONS = {"bullseye": "py39", "bookworm": "py311", "trixie": "py313", "sid": "py314,py315"}


def tests(suite: str, arch: str | None, visit: Visit) -> None:
    """Run the tests in a clean root of a release, by what is committed."""
    words = [sys.executable, CHECKOUT / "tests" / "on_clean_debian", suite]
    words += [*(["--arch", arch] if arch else []), *(["--anew"] if visit.anew else [])]
    visit.run("tests", [*words, "--", ".ci/run", "run", "-e", PYTHONS[suite]])


def launches(suite: str, arch: str | None, visit: Visit) -> None:
    """Compare the launches with the release's own unshare."""
    with debian_roots.fresh(suite, arch) as root:
        root.install("python3", "gcc", "libc6-dev", "uidmap")
        root.clone()
        program = ["/usr/bin/python3", f"{CLONE}/tests/everywhere/launches.py"]
        visit.run("launches", root.line(program))


RELEASES = (
    ("bullseye", "11", None),
    ("bookworm", "12", None),
    ("trixie", "13", None),
    ("sid", "unstable", None),
    ("bookworm", "12", "i386"),
)


def environments() -> Iterator[Environment]:
    """Yield two for each release: one for the tests, a quick one for the launches."""
    for suite, number, arch in RELEASES:
        name = name_of(suite, arch)
        what = f"Debian {number}, {'32' if arch else '64'} bits"
        made = f"debootstrap {f'--arch={arch} ' if arch else ''}{suite}"
        yield Environment(name, what, made, functools.partial(tests, suite, arch))
        run = functools.partial(launches, suite, arch)
        is_for_ci = arch is not None
        yield Environment(
            f"{name}-launches", what, f"{made}, its own unshare", run, is_quick=is_for_ci
        )


ENVIRONMENTS = [*environments()]
