"""Other Pythons than the one of the tests, and unusual ways to run it, where they are found.

Too old a Python, or another one than CPython, gets a line that says what is needed.
"""

from __future__ import annotations

import functools
import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.helpers import support
from tests.helpers.machine import needs

PLACES = [*os.environ.get("PATH", "").split(":"), *glob.glob("/root/.pyenv/versions/*/bin")]
PLACES += glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin"))


@functools.cache
def interpreter(name: str) -> str | None:
    """Where the interpreter of a name is that really runs."""
    for place in PLACES:
        path = shutil.which(name, path=place)
        if path and support.run([path, "-c", "import sys"]).status == 0:
            return path
    return None


def found(name: str) -> str:
    """The interpreter, or skip by name."""
    path = interpreter(name)
    if path is None:
        pytest.skip(f"missing Python: {name}")
    return path


# ---- those that are refused ---------------------------------------------------------------------

REFUSED = {
    "python3.6": "cpython 3.6",
    "python3.7": "cpython 3.7",
    "python3.8": "cpython 3.8",
    "pypy3": "pypy 3.",
    "graalpy": "graalpy 3.",
}
SCRIPT = str(support.CHECKOUT / "bin" / "pyunshare")
WAYS = [
    ["-ISXutf8", SCRIPT, "--help"],
    ["-ISXutf8", SCRIPT, "-u", "true"],
    ["-m", "pyunshare", "--version"],
    ["-m", "pyunshare", "true"],
    ["-m", "pyunshare.doctor"],
]


@pytest.mark.parametrize("words", WAYS, ids=lambda words: " ".join(words).replace(SCRIPT, "script"))
@pytest.mark.parametrize("name", REFUSED)
def test_another_python_is_told_what_is_needed(name: str, words: Sequence[str]) -> None:
    environment = {**support.ENVIRONMENT, "PYTHONPATH": str(support.CHECKOUT)}
    result = support.run([found(name), "-B", *words], environment=environment)
    assert (result.status, result.stdout) == (1, b"")
    (line,) = os.fsdecode(result.stderr).splitlines()
    needed = f": needs CPython 3.9 or newer, and this is {REFUSED[name]}"
    assert line.startswith((f"pyunshare{needed}", f"{SCRIPT}{needed}"))


@pytest.mark.parametrize("name", REFUSED)
def test_the_interface_is_no_module_of_another_python(name: str) -> None:
    statements = "try:\n import pyunshare\nexcept ImportError as error:\n print(error)"
    environment = {**support.ENVIRONMENT, "PYTHONPATH": str(support.CHECKOUT)}
    result = support.run([found(name), "-B", "-c", statements], environment=environment)
    assert result.status == 0, result
    assert f"needs CPython 3.9 or newer, and this is {REFUSED[name]}".encode() in result.stdout


# ---- those that have to do ----------------------------------------------------------------------

UNUSUAL = ["python3.13t", "python3.14t", "python3.15t", "python3-dbg", "python3.13d", "python3.14d"]
LAUNCHES = [
    ["-u"],
    ["-r", "-p", "-f", "--mount-proc"],
    ["--kill-child", "-S", "0"],
    ["--forward-signals", "-m"],
    ["--map-users", "0:0:10", "-f"],
]
USE = """
import pyunshare
assert pyunshare.run(["sh", "-c", "exit 7"], uts=True).returncode == 7
assert pyunshare.run(["sh", "-c", "exit 7"], map_root_user=True).returncode == 7
try:
    pyunshare.run(["true"], root="/nonexistent")
except pyunshare.LaunchError as error:
    assert error.step == "chroot"
else:
    raise AssertionError
"""


def launches_work(python: Sequence[str]) -> None:
    """See that the command and the interface work with this interpreter, in silence."""
    for options in LAUNCHES:
        words = [*python, "-ISXutf8", SCRIPT, *options, "/bin/sh", "-c", "exit 7"]
        result = support.run(words)
        assert (result.status, result.stderr) == (7, b""), (options, result)
    environment = {**support.ENVIRONMENT, "PYTHONPATH": support.IMPORTABLE}
    result = support.run([*python, "-B", "-c", USE], environment=environment)
    assert (result.status, result.stderr) == (0, b"")


@needs("root", "user namespaces")
@pytest.mark.parametrize("name", UNUSUAL)
def test_launches_with_an_unusual_build_of_python(name: str) -> None:
    launches_work([found(name)])


@needs("root", "user namespaces")
def test_launches_with_every_check_of_python() -> None:
    launches_work([sys.executable, "-X", "dev", "-W", "error"])


IN_SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import sys
use = sys.argv[1]
# An isolated one has no threads before CPython 3.12, nor may it fork.
kinds = {"isolated": False} if sys.version_info < (3, 12) else {}
other = interpreters.create(**kinds)
run = getattr(interpreters, "run_string", None) or interpreters.exec
failure = run(other, use)
interpreters.destroy(other)
sys.exit(failure and str(failure))
"""


@needs("root", "user namespaces")
def test_launches_from_a_subinterpreter() -> None:
    modules = ("_interpreters", "_xxsubinterpreters")
    tried = [support.run([sys.executable, "-c", f"import {each}"]).status for each in modules]
    if 0 not in tried:
        pytest.skip("this Python has no subinterpreters")
    environment = {**support.ENVIRONMENT, "PYTHONPATH": support.IMPORTABLE}
    result = support.run(
        [sys.executable, "-B", "-c", IN_SUBINTERPRETER, USE], environment=environment
    )
    assert (result.status, result.stderr) == (0, b"")


# ---- a Python without ctypes --------------------------------------------------------------------


@pytest.fixture(scope="module")
def without_ctypes() -> Sequence[str]:
    """What makes the directory of Python's own extensions one without ctypes, for a command."""
    where = "import _ctypes; print(_ctypes.__file__)"
    shown = subprocess.run(
        [sys.executable, "-Ic", where], check=False, capture_output=True, text=True
    )
    path = Path(shown.stdout.strip())
    if shown.returncode or not path.is_file():
        pytest.skip("ctypes is no file of its own here")
    copy = support.new_directory() / "lib-dynload"
    shutil.copytree(path.parent, copy)
    for each in copy.glob("_ctypes.*"):  # of a debug build, too, and of the one beside it
        each.unlink()
    start = [str(support.compiled("start")), "mounts", f"bind={copy}:{path.parent}", "--"]
    return [*start, sys.executable, sys.executable]


@needs("root", "compiler", "user namespaces")
def test_the_command_without_ctypes(without_ctypes: Sequence[str]) -> None:
    result = support.run([*without_ctypes, "-ISXutf8", SCRIPT, "-m", "true"])
    said = b"pyunshare: this Python cannot call the C library: No module named '_ctypes'\n"
    assert (result.status, result.stderr) == (1, said)
    if sys.version_info >= (3, 12):
        assert support.run([*without_ctypes, "-ISXutf8", SCRIPT, "-u", "true"]).status == 0


@needs("root", "compiler")
def test_the_check_up_without_ctypes(without_ctypes: Sequence[str]) -> None:
    environment = {**support.ENVIRONMENT, "PYTHONPATH": support.IMPORTABLE}
    result = support.run([*without_ctypes, "-B", "-m", "pyunshare.doctor"], environment=environment)
    assert result.status == 1
    assert b"This Python has no ctypes" in result.stdout
    assert b"Traceback" not in result.stderr


WITHOUT_CTYPES = """
import pyunshare, sys
def reason(call, **keywords):
    try:
        call(**keywords)
    except pyunshare.LaunchError as error:
        assert error.step == "dlopen", error.step
        return str(error)
expected = "this Python cannot call the C library: No module named '_ctypes'"
run = lambda **keywords: pyunshare.run(["true"], **keywords)
for keywords in dict(mount=True), dict(kill_child=True), dict(map_root_user=True, keep_caps=True):
    assert reason(run, **keywords) == expected, keywords
assert reason(pyunshare.Launcher) == expected
assert reason(pyunshare.unshare, mount=True) == expected
assert reason(run, uts=True) == (None if sys.version_info >= (3, 12) else expected)
"""


@needs("root", "compiler", "user namespaces")
def test_the_interface_without_ctypes(without_ctypes: Sequence[str]) -> None:
    environment = {**support.ENVIRONMENT, "PYTHONPATH": support.IMPORTABLE}
    result = support.run([*without_ctypes, "-B", "-c", WITHOUT_CTYPES], environment=environment)
    assert (result.status, result.stderr) == (0, b"")
