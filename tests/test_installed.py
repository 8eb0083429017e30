"""The installed command: what it keeps out, what it loads, and the names it answers to."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import support
from machine import needs

from building import amalgamation

SCRIPT = Path(sys.executable).with_name("pyunshare")

pytestmark = pytest.mark.skipif(
    not SCRIPT.exists(), reason="pyunshare is not installed beside this Python, as tox does it"
)

# Each of these would be imported by Python itself, by site, or by a launch, if it were found.
DECOYS = (
    "_ctypes",
    "codecs",
    "ctypes/__init__",
    "encodings/__init__",
    "errno",
    "io",
    "os",
    "posix",
    "pwd",
    "pyunshare/__init__",
    "pyunshare/amalgamation",
    "pyunshare/command",
    "site",
    "sitecustomize",
    "usercustomize",
)

HOSTILE_VARIABLES = (
    "PYTHONBREAKPOINT",
    "PYTHONEXECUTABLE",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
)


@pytest.fixture
def decoys(tmp_path: Path) -> Iterator[Path]:
    """A directory full of modules that leave a file named RUN when any of them is imported."""
    directory = tmp_path / "decoys"
    for name in DECOYS:
        module = directory / f"{name}.py"
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(f"open({str(tmp_path / 'RUN')!r}, 'a').write({name!r} + ' ')\n")
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for libraries in (f"lib/{python}", f"lib/{python}/site-packages"):
        (directory / libraries).parent.mkdir(parents=True, exist_ok=True)
        (directory / libraries).symlink_to(directory)
    yield directory
    assert not (tmp_path / "RUN").exists(), (tmp_path / "RUN").read_text()


def test_first_line_isolates_python() -> None:
    interpreter, *options = SCRIPT.read_text().splitlines()[0].split()
    assert interpreter.startswith("#!/")
    assert options == ["-ISXutf8"]


def test_nothing_of_the_caller_is_run(decoys: Path) -> None:
    hostile = {name: str(decoys) for name in HOSTILE_VARIABLES}
    hostile.update(PYTHONINSPECT="1", PYTHONWARNINGS="error::os.Decoy", PYTHONDEBUG="1")
    shown = subprocess.run(
        [SCRIPT, "-u", "--map-user", "root", "-f", "/usr/bin/env"],
        cwd=decoys,
        env={"PATH": support.STANDARD_PATH, **hostile},
        capture_output=True,
        check=False,
    )
    assert shown.stderr == b""
    assert shown.returncode == 0
    assert dict(line.split("=", 1) for line in shown.stdout.decode().splitlines()) == {
        "PATH": support.STANDARD_PATH,
        **hostile,
    }


def test_link_beside_decoys_finds_the_real_package(decoys: Path) -> None:
    programs = decoys / "bin"
    programs.mkdir()
    (programs / "unshare").symlink_to(SCRIPT)
    shown = subprocess.run(
        [programs / "unshare", "-x"], cwd=decoys, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 1
    assert shown.stderr.splitlines() == [
        "unshare: invalid option -- 'x'",
        "Try 'unshare --help' for more information.",
    ]


def test_link_to_a_relative_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "first").symlink_to(os.path.relpath(SCRIPT, tmp_path / "there"))
    (tmp_path / "second").symlink_to("there/first")
    shown = subprocess.run(
        ["./second", "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert shown.stdout.startswith("second from pyunshare ")


def test_words_of_any_bytes_in_a_locale_that_is_not_utf_8(tmp_path: Path) -> None:
    """The C library and Python do not agree on EUC-JP; what is read must be written again."""
    name = "ja_JP.EUC-JP"
    line = ["localedef", "-c", "-i", "ja_JP", "-f", "EUC-JP", str(tmp_path / name)]
    try:
        subprocess.run(line, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no localedef here to make a locale with")
    if not (tmp_path / name).exists():
        pytest.skip("localedef has no sources of locales here (Debian's package locales)")
    words = [bytes([first, second]) for first in range(1, 256) for second in (0x20, 0x80, 0xFF)]
    shown = subprocess.run(
        [os.fsencode(SCRIPT), b"printf", b"%s\\n", *words],
        env={"PATH": support.STANDARD_PATH, "LOCPATH": str(tmp_path), "LC_ALL": name},
        capture_output=True,
        check=True,
    )
    assert shown.stdout == b"".join(word + b"\n" for word in words)


@needs("root", "user namespaces")
@pytest.mark.parametrize("way", ["uts=True", "map_root_user=True, fork=True", "kill_child=True"])
def test_launches_from_python(way: str, tmp_path: Path) -> None:
    """By the package as it is installed, from any directory."""
    line = f"import pyunshare; print(pyunshare.__file__, pyunshare.run(['true'], {way}).returncode)"
    shown = subprocess.run(
        [sys.executable, "-I", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    file, status = shown.stdout.split()
    assert status == "0"
    assert not Path(file).is_relative_to(support.CHECKOUT)


# ---- what a launch loads ------------------------------------------------------------------------

ALWAYS = {"errno", "pyunshare", "pyunshare.amalgamation"}
# CPython has unshare(2) itself since 3.12.
C_LIBRARY = {"_ctypes"}
FOR_UNSHARE = set() if hasattr(os, "unshare") else C_LIBRARY
VALUES = {"pyunshare.values"}
RANGES = VALUES | {"pyunshare.idmaps", "pyunshare.helpers"}

LOADED = {
    "-i": FOR_UNSHARE,
    "-u": FOR_UNSHARE,
    "-n": FOR_UNSHARE,
    "-p": FOR_UNSHARE,
    "-C": FOR_UNSHARE,
    "-T": FOR_UNSHARE,
    "-Ur": FOR_UNSHARE,
    "-c": FOR_UNSHARE,
    "-f": FOR_UNSHARE,
    "-f --forward-signals": FOR_UNSHARE,
    "-R /": FOR_UNSHARE,
    "-S 0": FOR_UNSHARE | VALUES,
    "-T --boottime 1": FOR_UNSHARE | VALUES,
    "--map-user 0": FOR_UNSHARE | VALUES,
    "--map-users 0:0:1": FOR_UNSHARE | RANGES,
    "--map-user root": FOR_UNSHARE | VALUES | {"pyunshare.accounts", "pwd"},
    "-m": C_LIBRARY,
    "-ipf --mount-proc": C_LIBRARY,
    "-f --kill-child": C_LIBRARY | VALUES,
    "-r --keep-caps": C_LIBRARY,
}


@needs("root")
@pytest.mark.parametrize("options", LOADED)
def test_modules_loaded_at_the_moment_of_exec(options: str) -> None:
    bare = _modules_imported("-c", "pass")
    loaded = _modules_imported(str(SCRIPT), *options.split(), "/bin/true")
    assert loaded - bare == ALWAYS | LOADED[options]


def _modules_imported(*words: str) -> set[str]:
    """Return the modules that an isolated interpreter imports by the time it ends or executes."""
    interpreter = SCRIPT.read_text().splitlines()[0].split()[0].lstrip("#!")
    shown = subprocess.run(
        [interpreter, "-IS", "-X", "importtime", *words], capture_output=True, text=True, check=True
    )
    return {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()[1:]}


# ---- the amalgamation -------------------------------------------------------------------------


def test_amalgamation_holds_what_its_parts_define() -> None:
    package = support.CHECKOUT / "pyunshare"
    merged = ast.parse(amalgamation.amalgamation(package))
    names = {node.name for node in merged.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    for part in amalgamation.PARTS:
        tree = ast.parse((package / f"{part}.py").read_text())
        defined = (ast.ClassDef, ast.FunctionDef)
        assert {node.name for node in tree.body if isinstance(node, defined)} <= names


def test_amalgamation_refuses_a_name_of_two_parts(tmp_path: Path) -> None:
    for part in amalgamation.PARTS:
        (tmp_path / f"{part}.py").write_text(f"{part}_only = 1\n")
    (tmp_path / "launch.py").write_text("parser_only = 2\n")
    with pytest.raises(ValueError, match=r"parser_only is from parser\.py, and from launch\.py"):
        amalgamation.amalgamation(tmp_path)
