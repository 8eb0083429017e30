"""Builds of CPython that releases do not start by default, or do not have."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests import debian_roots
from tests.debian_roots import CLONE, Root
from tests.everywhere.environment import Environment, Visit
from tests.everywhere.kit import kit

SOURCES = """
sed 's/^deb /deb-src /' /etc/apt/sources.list >/etc/apt/sources.list.d/sources.list
apt-get -qq update
apt-get -qq install --no-install-recommends dpkg-dev gcc libc6-dev make pkgconf
mkdir -p /usr/src/here
cd /usr/src/here
"""
# Those that are written in Python alone
PACKAGES_OF_DEBIAN = """
apt-get -qq install --no-install-recommends python3-hypothesis python3-pexpect python3-pytest \
    python3-pytest-timeout
packages=$(/opt/python/bin/python3 -c 'import site; print(site.getsitepackages()[-1])')
mkdir -p "$packages"
echo /usr/lib/python3/dist-packages >"$packages/debian.pth"
"""
FREE_THREADED = f"""{SOURCES}
apt-get -qq install --no-install-recommends libffi-dev libssl-dev zlib1g-dev
apt-get -qq source python3.13
cd python3.13-*
./configure -q OPT=-O2 --disable-gil --disable-test-modules --with-ensurepip=no --prefix=/opt/python
make -s -j2
make -s install
cd /
rm -r /usr/src/here
{PACKAGES_OF_DEBIAN}
"""
WITH_REFERENCE = "export PYUNSHARE_REFERENCE=$(tests/fetch_reference)"
DEBUG = """
apt-get -qq update
apt-get -qq install --no-install-recommends \
    python3.14-dbg python3.15-dbg python3.14-venv python3.15-venv
"""


def with_python(suite: str, script: str, visit: Visit, root: Root) -> None:
    """Have a Python in a root, and all that the tests need there, which does not change often."""
    visit.say(f"making a root of {suite}")
    visit.do(root, script)
    root.install("git")
    root.clone()
    visit.do(root, f"cd {CLONE}; .ci/run --version; rm -r {CLONE}")


class Build(NamedTuple):
    """A Python that a script gives to a root."""

    suite: str
    root: str  # the name under which it is kept
    script: str
    python: str

    def tests(self, visit: Visit) -> None:
        """Run the tests."""
        name = "py3" + self.python.rpartition("python3.")[2].partition("-")[0]  # or tox complains
        tox = f"run -e {name} -x testenv:{name}.base_python={self.python}"
        self._run("tests", f".ci/run {tox}", visit)

    def launches(self, visit: Visit) -> None:
        """Compare the launches."""
        compare = f"{self.python} tests/everywhere/launches.py"
        self._run("launches", f"{WITH_REFERENCE}; {compare}", visit)

    def _run(self, what: str, script: str, visit: Visit) -> None:
        prepare = functools.partial(with_python, self.suite, self.script, visit)
        kept = debian_roots.prepared(self.root, self.suite, prepare, anew=visit.anew)
        with kept as root:
            visit.say(f"cloning {root.clone()}")
            visit.run(what, root.line(["sh", "-euc", f"cd {CLONE}; {script}"]))

    def environments(self, name: str, purpose: str, made: str) -> list[Environment]:
        """Return two: for the tests, and for the launches, which take a minute."""
        return [
            Environment(name, purpose, made, self.tests),
            Environment(f"{name}-launches", purpose, made, self.launches),
        ]


class BuildFromSource(Build):
    """One in /opt/python, with which the tests run by Debian's pytest, without tox and pip."""

    def tests(self, visit: Visit) -> None:
        """Run the tests."""
        pytest = f"HYPOTHESIS_PROFILE=few {self.python} -m pytest -m 'not thorough'"
        self._run("tests", f"{WITH_REFERENCE}; {pytest}", visit)


# ---- what not every Python has ------------------------------------------------------------------

PLAIN = """
apt-get -qq update
apt-get -qq install --no-install-recommends busybox-static gcc libc6-dev python3 \
    python3-hypothesis python3-pexpect python3-pytest python3-pytest-timeout
mkdir /opt/packages
cd /opt/packages
apt-get -qq download python3.13-minimal libpython3.13-minimal
for each in *.deb; do dpkg -x "$each" /opt/minimal; done
"""
KIT = "/opt/kit"
HIDING = "import os, posix\nfor each in (os, posix):\n    del each.{}\n"
TESTS_OF_THE_INTERFACE = "tests/test_api.py"


@contextlib.contextmanager
def plain_root(visit: Visit) -> Iterator[tuple[Root, dict[str, str]]]:
    """Give a root with Python, pytest, a clone and the kit, and the variables of the kit."""
    prepare = functools.partial(Visit.do, visit, script=PLAIN)
    with debian_roots.prepared("trixie-plain", "trixie", prepare, anew=visit.anew) as root:
        root.clone()
        yield root, kit(Path(f"{root.path}{KIT}"), KIT)


def launches(root: Root, variables: Mapping[str, str], *words: str) -> list[str]:
    """Return the command line that compares launches in a root."""
    program = ["/usr/bin/python3", "-IS", f"{CLONE}/tests/everywhere/launches.py"]
    return root.line([*program, *words], variables)


def without_ctypes(visit: Visit) -> None:
    """Compare the launches of a Python that has no ctypes, as far as they do without."""
    with plain_root(visit) as (root, variables):
        variables["PYUNSHARE_COMMAND"] = (
            f"/opt/minimal/usr/bin/python3.13 -ISXutf8 {KIT}/bin/pyunshare"
        )
        visit.run("launches", launches(root, variables, "--without-ctypes"))


def without(function: str, visit: Visit) -> None:
    """Compare the launches of a Python that lacks a function of os, and run tests of the API."""
    with plain_root(visit) as (root, variables):
        hiding = Path(f"{root.path}/usr/lib/python3.13/sitecustomize.py")
        hiding.unlink()
        hiding.write_text(HIDING.format(function), encoding="utf-8")
        variables["PYUNSHARE_COMMAND"] = f"/usr/bin/python3 -IXutf8 {KIT}/bin/pyunshare"
        visit.run("launches", launches(root, variables))
        del variables["PYUNSHARE_COMMAND"]
        pytest = f"cd {CLONE}; python3 -m pytest -m 'not thorough' {TESTS_OF_THE_INTERFACE}"
        variables["HYPOTHESIS_PROFILE"] = "few"
        visit.run("tests of the interface", root.line(["sh", "-euc", pytest], variables))


ENVIRONMENTS = [
    Environment(
        "no-ctypes",
        "CPython without ctypes, by which the C library is called",
        "python3.13-minimal of trixie",
        without_ctypes,
        is_quick=True,
    ),
    *(
        Environment(
            f"no-{function.replace('_', '-')}",
            f"CPython without os.{function}, as built for an older C library or kernel",
            f"python3 of trixie, where sitecustomize deletes os.{function}",
            functools.partial(without, function),
            is_quick=True,
        )
        for function in ("pidfd_open", "unshare")
    ),
    *Build("sid", "sid-debug", DEBUG, "/usr/bin/python3.14-dbg").environments(
        "debug-3.14", "CPython 3.14 with checks of itself", "python3.14-dbg of sid"
    ),
    *Build("sid", "sid-debug", DEBUG, "/usr/bin/python3.15-dbg").environments(
        "debug-3.15", "CPython 3.15 with checks of itself", "python3.15-dbg of sid"
    ),
    *BuildFromSource(
        "trixie", "trixie-free-threaded", FREE_THREADED, "/opt/python/bin/python3.13t"
    ).environments(
        "free-threaded",
        "CPython 3.13 without the global lock",
        "trixie's source of python3.13, --disable-gil",
    ),
]
