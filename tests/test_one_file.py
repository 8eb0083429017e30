"""pyunshare.pyz: the whole command in one file, made by building/one_file.py."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from building import script
from tests.helpers import support
from tests.helpers.faults import run_traced
from tests.helpers.machine import needs
from tests.helpers.support import ENVIRONMENT, Program, Word
from tests.test_isolation import LAUNCHES, hostile_root, named_after

MAKER = support.CHECKOUT / "building" / "one_file.py"
OWN_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def made(*pythons: str, umask: int = 0o022) -> Path:
    """A new archive, compiled by these Pythons."""
    archive = support.new_directory() / "pyunshare.pyz"
    line = [sys.executable, "-B", str(MAKER), "--output", str(archive), *pythons]
    before = os.umask(umask)
    try:
        subprocess.run(line, check=True)
    finally:
        os.umask(before)
    return archive


@pytest.fixture(scope="module")
def archive() -> Path:
    """An archive that this Python has compiled."""
    return made(sys.executable)


def by_this_python(archive: Path) -> Program:
    """The archive as a program: its first line may name another Python than that of the tests."""
    return Program(sys.executable, sys.executable, ("-ISXutf8", str(archive)))


def output(archive: Path, *words: Word) -> list[str]:
    """What the command prints; it has to succeed."""
    result = support.start(by_this_python(archive), words)
    assert (result.status, result.stderr) == (0, b""), result
    return result.lines


# ---- the file -----------------------------------------------------------------------------------


def test_first_line_isolates_python(archive: Path) -> None:
    assert archive.read_bytes().splitlines()[0] == b"#!/usr/bin/python3 -ISXutf8"
    assert archive.stat().st_mode & 0o777 == 0o755


def test_the_file_alone_is_executed(archive: Path) -> None:
    if not os.access("/usr/bin/python3", os.X_OK):
        pytest.skip("there is no /usr/bin/python3 here")
    copy = shutil.copy(archive, support.new_directory() / "unshare")
    result = support.start(Program(str(copy), "unshare"), ["--version"])
    assert result.lines[0].startswith("unshare from pyunshare "), result


def test_it_is_the_same_however_it_is_made(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "5")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert made(sys.executable, umask=0o077).read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("options", [[], ["--map-users=0:0:0"]], ids=str)
def test_this_python_takes_what_it_has_compiled(archive: Path, options: list[str]) -> None:
    line = [sys.executable, "-ISvv", str(archive), *options, "-V"]
    shown = subprocess.run(line, check=True, capture_output=True, text=True)
    tried = re.findall(rf"^# trying (?:{archive}/)(\S*)", shown.stderr, re.MULTILINE)
    found = [name for name in tried if "pyunshare/" in name and "__init__" not in name]
    assert f"{OWN_VERSION}/pyunshare/amalgamation.pyc" in found
    assert [name for name in found if not name.startswith(OWN_VERSION)] == []
    assert [name for name in found if name.endswith(".py")] == []


def test_a_python_that_nobody_has_compiled_for_takes_the_source(archive: Path) -> None:
    without = support.new_directory() / "source.pyz"
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(without, "w") as part:
        for name in whole.namelist():
            if not name.startswith(OWN_VERSION):
                part.writestr(name, whole.read(name))
    assert output(without, "-f", "--kill-child=TERM", "echo", "started") == ["started"]


def test_a_python_that_is_too_old_says_so() -> None:
    text = script.archived_script()
    ast.parse(text, feature_version=(3, 4))
    statements = "import sys; sys.version_info = (3, 6, 0); sys.argv = ['pyunshare.pyz']; "
    statements += "sys.path.insert(0, '/nonexistent/pyunshare.pyz');"
    line = [sys.executable, "-ISc", f"{statements} exec({text!r})"]
    shown = subprocess.run(line, check=False, capture_output=True, text=True)
    assert (shown.returncode, shown.stdout) == (1, "")
    needed = "needs CPython 3.9 or newer, and this is cpython 3.6"
    assert shown.stderr == f"pyunshare.pyz: {needed}\n"


@pytest.mark.parametrize("python", ["/nonexistent/python3", "/bin/false"])
def test_a_python_that_cannot_compile_is_told_in_one_line(python: str) -> None:
    unmade = support.new_directory() / "pyunshare.pyz"
    line = [sys.executable, "-B", str(MAKER), "--output", str(unmade), python]
    shown = subprocess.run(line, check=False, capture_output=True, text=True)
    assert shown.returncode == 1
    assert len(shown.stderr.splitlines()) == 1
    assert python in shown.stderr
    assert not unmade.exists()


def test_a_working_directory_that_is_gone(archive: Path) -> None:
    """What is loaded later would be looked for from the directory that --wd leads to."""
    gone = support.new_directory() / "gone"
    gone.mkdir()
    path = os.path.relpath(archive, gone)
    line = 'cd "$1" && rmdir "$1" && exec "$2" -ISXutf8 "$3" -u true'
    words = ["sh", "-c", line, "sh", str(gone), sys.executable, path]
    shown = subprocess.run(words, check=False, capture_output=True, text=True)
    assert shown.stderr == f"{path}: cannot tell where this is\n"
    assert shown.returncode == 1


# ---- the command --------------------------------------------------------------------------------


def test_help_and_version(archive: Path) -> None:
    assert output(archive, "--version")[0].startswith("pyunshare.pyz from pyunshare ")
    assert "--map-auto" in "\n".join(output(archive, "--help"))


@needs("user namespaces")
@pytest.mark.parametrize(
    "options",
    [
        "-r",
        "-rf",
        "-rpf --kill-child=TERM",
        "-rT --boottime 1",
        pytest.param("--map-users 0:0:1 --map-groups 0:0:1", marks=needs("root")),
    ],
)
def test_launches(archive: Path, options: str) -> None:
    assert output(archive, *options.split(), "id", "-u") == ["0"]


def test_words_of_any_bytes(archive: Path) -> None:
    result = support.start(by_this_python(archive), ["printf", "%s", b"\xff\xc3\xe9"])
    assert result.stdout == b"\xff\xc3\xe9"


@needs("user namespaces")
def test_nothing_of_the_caller_is_run(archive: Path) -> None:
    directory = support.new_directory()
    for name in ("errno", "pyunshare/__init__", "site", "usercustomize", "_ctypes", "pwd"):
        path = directory / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise SystemExit('a decoy has run')")
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE"):
        shown = subprocess.run(
            [*by_this_python(archive).words()[1:], "--map-user", "root", "true"],
            cwd=directory,
            env={**ENVIRONMENT, name: str(directory)},
            capture_output=True,
            check=False,
        )
        assert (shown.returncode, shown.stderr) == (0, b"")


# ---- after the namespaces have changed ----------------------------------------------------------

CALLS = (
    "unshare,chroot,mount,chdir,?open,openat,?openat2,execve,?stat,?newfstatat,?access,?readlink"
)


def named_by(archive: Path, words: list[str], line_crossed: str) -> list[str]:
    """The files that a launch names from one of its calls on."""
    options = ["--seccomp-bpf", "-s", "4096", "-e", f"trace={CALLS}"]
    traced = run_traced(by_this_python(archive), words, options)
    assert traced.result.status == 0, traced.result
    return named_after(traced, line_crossed)


@pytest.mark.thorough
@needs("root", "strace", "busybox", "user namespaces", "time namespaces")
@pytest.mark.parametrize(("options", "expected"), LAUNCHES, ids=str)
def test_the_archive_is_not_opened_again(
    archive: Path, options: list[str], expected: list[str]
) -> None:
    busybox = shutil.which("busybox", path=support.STANDARD_PATH)
    assert busybox is not None
    found = named_by(archive, [*options, busybox, "true"], r"\bunshare\(")
    # The first string of mount(2) is what is mounted, which test_isolation.py looks at.
    if "-m" not in options and "--mount-proc" not in options:
        assert found == [*expected, busybox]
    assert [name for name in found if "pyunshare" in name or "python" in name] == []


@pytest.mark.thorough
@needs("root", "strace", "compiler", "busybox", "user namespaces")
@pytest.mark.parametrize(
    "options", [[], ["-f"], ["-r", "-p", "-f"], ["-S", "7", "-G", "7"]], ids=str
)
def test_nothing_of_a_hostile_root_is_opened(archive: Path, options: list[str]) -> None:
    root = hostile_root()
    # The archive of the attacker's choice, at the very place
    trap = root / str(archive).lstrip("/")
    trap.parent.mkdir(parents=True)
    trap.write_text("no archive")
    words = ["-R", str(root), *options, "/bin/busybox", "true"]
    assert named_by(archive, words, r"\bchroot\(") == ["/", "/bin/busybox"]


@needs("root")
def test_a_failure_in_an_empty_root_is_one_line(archive: Path) -> None:
    empty = support.new_directory()
    result = support.start(by_this_python(archive), ["-R", str(empty), "/no/program"])
    assert result.status == 127
    expected = b"pyunshare.pyz: failed to execute /no/program: No such file or directory\n"
    assert result.stderr == expected
