"""A launch writes no file of its own, and reads no bytecode that others could have written."""

from __future__ import annotations

import marshal
import os
import py_compile
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import util
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from pyunshare.loading import careful_loader, check_bytecode, load_carefully
from tests.helpers import support
from tests.helpers.machine import needs

# Launches that load what most do without, each from another room
LINES: Sequence[Sequence[str]] = [
    ["-u", "true"],
    ["--map-users", "0:0:1", "true"],
    ["-S", "0", "--kill-child=TERM", "true"],
    ["--version"],
    ["-S", "x"],
]
INTERPRETER = ["-ISXutf8"]


def installation(kind: str) -> tuple[Path, list[str]]:
    """A copy of the package that is ours alone, without bytecode, and what starts the command."""
    place = support.new_directory()
    package = place / "pyunshare"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(support.CHECKOUT / "pyunshare", package, ignore=ignored)
    python = [os.path.realpath(sys.executable), *INTERPRETER]
    if kind == "clone":
        shutil.copytree(support.CHECKOUT / "bin", place / "bin")
        return package, [*python, str(place / "bin" / "pyunshare")]
    if kind == "module":
        # Python keeps the bytecode of these two before it runs them.
        kept = [str(package / name) for name in ("__init__.py", "__main__.py")]
        subprocess.run([*python, "-m", "py_compile", *kept], check=True)
        return package, ["env", f"PYTHONPATH={place}", python[0], "-m", "pyunshare"]
    from building import amalgamation, script

    text = amalgamation.amalgamation(package)
    (package / "amalgamation.py").write_text(text, encoding="utf-8")
    (place / "command").write_text(script.installed_script(str(place)), encoding="utf-8")
    return package, [*python, str(place / "command")]


KINDS = ("clone", "module", "installed")


def run(
    command: Sequence[str], words: Sequence[str], **options: object
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*command, *words],
        capture_output=True,
        check=False,
        env={"PATH": support.STANDARD_PATH, "LANG": "C.UTF-8"},
        **options,  # type: ignore[call-overload]
    )


def files(place: Path) -> Mapping[str, int]:
    """All files of an installation, and when each was written."""
    return {str(path): path.stat().st_mtime_ns for path in place.rglob("*")}


def is_pythons(path: Path, kind: str) -> bool:
    """Whether Python reads this bytecode before it reads any line of ours."""
    names = ("__init__.", "__main__.", "loading.")
    return (
        kind == "module" and path.parent.parent.name == "pyunshare" and path.name.startswith(names)
    )


def compile_all(package: Path) -> None:
    line = [sys.executable, "-m", "compileall", "-q", str(package)]
    subprocess.run(line, check=True)


@needs("root")
@pytest.mark.parametrize("kind", KINDS)
def test_a_launch_writes_nothing(kind: str) -> None:
    package, command = installation(kind)
    before = files(package.parent)
    for words in LINES:
        result = run(command, words, umask=0)
        assert result.returncode == (1 if words == ["-S", "x"] else 0), result
    assert files(package.parent) == before


@needs("root")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [0, 20000])
def test_a_limit_of_file_sizes_changes_nothing(kind: str, limit: int) -> None:
    """Neither now, by SIGXFSZ, nor for the launches after it, by half a file."""
    package, command = installation(kind)
    before = files(package.parent)

    def set_limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    for preparation in (set_limit, None):
        for words in (["-u", "true"], ["-S", "0", "true"]):
            result = run(command, words, preexec_fn=preparation)
            assert (result.returncode, result.stderr) == (0, b"")
    assert files(package.parent) == before


def break_bytecode(path: Path, how: str) -> None:
    """Damage a file of bytecode."""
    data = path.read_bytes()
    header = data[:16]
    path.write_bytes(
        {
            "empty": b"",
            "no header": data[:7],
            "header only": header,
            "cut off": data[: len(data) // 2],
            "no code": header + marshal.dumps("no code"),
            "no marshal": header + b"\xff" * 40,
            "other version": b"\x00\x01\r\n" + data[4:],
        }[how]
    )


@needs("root")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "how",
    ["empty", "no header", "header only", "cut off", "no code", "no marshal", "other version"],
)
def test_broken_bytecode_is_no_matter(kind: str, how: str) -> None:
    package, command = installation(kind)
    compile_all(package)
    for path in package.rglob("*.pyc"):
        if not is_pythons(path, kind):
            break_bytecode(path, how)
    before = files(package.parent)
    for words in LINES:
        result = run(command, words)
        assert result.returncode == (1 if words == ["-S", "x"] else 0), result
        assert b"Traceback" not in result.stderr
    assert files(package.parent) == before


EVIL = "import posix; posix.write(2, b'evil'); posix._exit(66)"


def plant(package: Path) -> None:
    """Put code of somebody else's in the place of all bytecode."""
    code = marshal.dumps(compile(EVIL, "evil", "exec"))
    for path in package.rglob("*.pyc"):
        # the header stays: it is as if it were made of the source
        path.write_bytes(path.read_bytes()[:16] + code)


@needs("root")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["directory for all", "directory for the group", "file", "owner"])
def test_bytecode_that_others_can_write_is_not_run(kind: str, fault: str) -> None:
    package, command = installation(kind)
    compile_all(package)
    own = list(package.rglob("*.pyc"))
    plant(package)
    for path in own:
        if is_pythons(path, kind):
            path.unlink()
            continue
        if fault == "file":
            path.chmod(0o666)
        elif fault == "owner":
            os.chown(path, 65534, 65534)
        else:
            path.parent.chmod(0o777 if fault == "directory for all" else 0o775)
    for words in LINES:
        result = run(command, words)
        assert b"evil" not in result.stderr
        assert result.returncode == (1 if words == ["-S", "x"] else 0), result


@needs("root")
def test_bytecode_that_is_only_ours_is_run() -> None:
    """Else the tests above would show nothing."""
    package, command = installation("installed")
    compile_all(package)
    plant(package)
    assert run(command, ["-u", "true"]).stderr == b"evil"


@needs("root")
def test_a_group_that_may_write_the_source_may_write_bytecode() -> None:
    """Whoever installs with umask 002, as many users do, is to have quick launches, too."""
    package, command = installation("clone")
    compile_all(package)
    for path in [package, *package.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o020)
    planted = package / "options" / "__pycache__"
    plant(planted)
    assert run(command, ["-S", "0", "true"]).stderr == b"evil"


# ---- the loader by itself -----------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module with bytecode that tells of itself."""
    path = tmp_path / "module.py"
    path.write_text("origin = 'bytecode'\n")
    path.chmod(0o644)
    py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    path.write_text("origin = 'source'\n")
    return path


def origin(path: Path) -> object:
    """Where our loader takes a module from."""
    code = careful_loader()("module", str(path)).get_code("module")
    assert code
    names: dict[str, object] = {}
    exec(code, names)
    return names["origin"]


def test_bytecode_is_taken_with_care(module: Path) -> None:
    bytecode = Path(cache_from_source(str(module)))
    bytecode.chmod(0o644)
    bytecode.parent.chmod(0o755)
    assert origin(module) == "bytecode"
    for path in (bytecode, bytecode.parent):
        mode = path.stat().st_mode
        path.chmod(mode | 0o020)
        with pytest.raises(PermissionError):
            check_bytecode(str(module))
        assert origin(module) == "source"
        path.chmod(mode)
    for how in ("empty", "header only", "no marshal"):
        whole = bytecode.read_bytes()
        break_bytecode(bytecode, how)
        assert origin(module) == "source"
        bytecode.write_bytes(whole)
    bytecode.unlink()
    assert origin(module) == "source"


def test_only_our_own_directory_is_loaded_with_care(tmp_path: Path) -> None:
    (tmp_path / "with_care.py").write_text("")

    def load() -> str:
        load_carefully(str(tmp_path))
        sys.path.insert(0, str(tmp_path))
        loaders = [type(util.find_spec(name).loader) for name in ("with_care", "json")]  # type: ignore[union-attr]
        return str([loader.__name__ for loader in loaders])

    assert support.in_a_child(load) == "['CarefulLoader', 'SourceFileLoader']"
