"""The installed command: what it keeps out, what it loads, and the names it answers to."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from building import amalgamation, script
from tests.helpers import decoys, support
from tests.helpers.machine import needs

SCRIPT = support.SCRIPT

pytestmark = needs("installation")


@pytest.fixture(name="decoys_around")
def _decoys(tmp_path: Path) -> Iterator[Path]:
    """A directory full of modules, none of which is to be imported."""
    with decoys.none_run(tmp_path) as directory:
        yield directory


def test_first_line_isolates_python() -> None:
    interpreter, *options = SCRIPT.read_text().splitlines()[0].split()
    assert interpreter.startswith("#!/")
    assert options == ["-ISXutf8"]


def test_nothing_of_the_caller_is_run(decoys_around: Path) -> None:
    hostile = decoys.environment(decoys_around)
    hostile.update(PYTHONINSPECT="1", PYTHONWARNINGS="error::os.Decoy", PYTHONDEBUG="1")
    shown = subprocess.run(
        [SCRIPT, "-u", "--map-user", "root", "-f", "/usr/bin/env"],
        cwd=decoys_around,
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


@pytest.mark.parametrize("name", ["pyunshare", "unshare", "my-pyunshare"])
def test_link_beside_decoys_finds_the_real_package(name: str, decoys_around: Path) -> None:
    programs = decoys_around / "bin"
    programs.mkdir()
    (programs / name).symlink_to(SCRIPT)
    (programs / "unshare..").symlink_to(decoys_around)
    shown = subprocess.run(
        [programs / name, "-x"], cwd=decoys_around, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 1
    assert shown.stderr.splitlines() == [
        f"{name}: invalid option -- 'x'",
        f"Try '{name} --help' for more information.",
    ]


def test_link_to_a_relative_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "first").symlink_to(os.path.relpath(SCRIPT, tmp_path / "there"))
    (tmp_path / "second").symlink_to("there/first")
    shown = subprocess.run(
        ["./second", "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert shown.stdout.startswith("second from pyunshare ")


def test_words_of_any_bytes_in_any_locale(tmp_path: Path) -> None:
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
    assert not Path(file).is_relative_to(support.CHECKOUT / "pyunshare")


# ---- what a launch loads ------------------------------------------------------------------------

# The package itself is made, not imported; its modules that every launch needs are parts of one.
ALWAYS = {
    "pyunshare",
    *(f"pyunshare.{module}" for module in (*amalgamation.ROOMS, *amalgamation.PARTS)),
}
# CPython has unshare(2) itself since 3.12.
C_LIBRARY = {"_ctypes"}
FOR_UNSHARE = set() if hasattr(os, "unshare") else C_LIBRARY
VALUES = {"errno", "pyunshare.options.values"}
ACCOUNTS = VALUES | {"pyunshare.options.accounts", "pyunshare.lines"}
HELPERS = {"pyunshare.launch.helpers"}
RANGES = HELPERS | VALUES | {"pyunshare.options.ranges"}
ENVIRON = {"pyunshare.launch.environ"}
KEEPING = C_LIBRARY | {"pyunshare.capabilities"}

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
    "-m": C_LIBRARY,
    "-ipf --mount-proc": C_LIBRARY,
    "-f --kill-child": C_LIBRARY,
    "-f --forward-signals": FOR_UNSHARE,
    "-R /": FOR_UNSHARE,
    "-w /": FOR_UNSHARE,
    "--clear-env": FOR_UNSHARE | ENVIRON,
    "--propagation slave -m": C_LIBRARY,
    "-S 0": FOR_UNSHARE | VALUES,
    "-T --boottime 1": FOR_UNSHARE | VALUES,
    "--kill-child=TERM": C_LIBRARY | VALUES | {"pyunshare.options.signals"},
    "--map-user 0": FOR_UNSHARE | ACCOUNTS,
    "--map-users 0:0:1": FOR_UNSHARE | RANGES,
    "--map-user root": FOR_UNSHARE | ACCOUNTS | {"pwd"},
    "-r --keep-caps": KEEPING,
}

# Runs a script as Python would, and lists the modules in place of executing a program.
LIST_MODULES = """
import posix, sys
def list_modules(*_):
    posix.write(1, " ".join(sys.modules).encode())
    posix._exit(0)
posix.execv = posix.execve = list_modules
del sys.argv[0]
sys.modules["__main__"].__file__ = sys.argv[0]
exec(compile(open(sys.argv[0], encoding="utf-8").read(), sys.argv[0], "exec"))
"""


@needs("root")
@pytest.mark.parametrize("options", LOADED)
def test_modules_loaded_at_the_moment_of_exec(options: str, tmp_path: Path) -> None:
    lister, nothing = tmp_path / "list_modules.py", tmp_path / "nothing.py"
    lister.write_text(LIST_MODULES)
    nothing.write_text("posix.execv()")
    bare = _modules_loaded(lister, nothing)
    loaded = _modules_loaded(lister, SCRIPT, *options.split(), "/bin/true")
    assert loaded - bare == (ALWAYS | LOADED[options]) - bare  # a debug build has errno itself


@needs("root")
def test_nothing_more_is_loaded_without_a_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container: Python changes the environment then, which is undone."""
    for name in ("LC_ALL", "LC_CTYPE", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    lister = tmp_path / "list_modules.py"
    lister.write_text(LIST_MODULES)
    monkeypatch.setenv("LANG", "C.UTF-8")
    with_locale = _modules_loaded(lister, SCRIPT, "-u", "/bin/true")
    monkeypatch.delenv("LANG")
    assert _modules_loaded(lister, SCRIPT, "-u", "/bin/true") == with_locale


@needs("root")
def test_modules_loaded_by_the_search(tmp_path: Path) -> None:
    """It has to find the same; and so has a link."""
    lister, link = tmp_path / "list_modules.py", tmp_path / "unshare"
    searching = SCRIPT.with_name("pyunshare-searching")
    lister.write_text(LIST_MODULES)
    link.symlink_to(SCRIPT)
    place = 'directory = own + "/site-packages/pyunshare"'
    _, tried_first, _ = parts = script.installed_script().partition(place)
    assert tried_first
    searching.write_text("directory = '/nonexistent'".join(parts[::2]))
    try:
        direct, linked, found = (
            _modules_loaded(lister, each, "-u", "true") for each in (SCRIPT, link, searching)
        )
    finally:
        searching.unlink()
    assert direct == linked == found


def _modules_loaded(lister: Path, *words: str | Path) -> set[str]:
    interpreter, flags = SCRIPT.read_text().splitlines()[0].lstrip("#!").split()
    line = [interpreter, flags, lister, *words]
    return set(subprocess.run(line, capture_output=True, text=True, check=True).stdout.split())


# ---- the amalgamation -------------------------------------------------------------------------


def test_amalgamation_holds_what_its_parts_define() -> None:
    package = support.CHECKOUT / "pyunshare"
    merged = ast.parse(amalgamation.amalgamation(package))
    names = {node.name for node in merged.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    for part in amalgamation.PARTS:
        tree = ast.parse(amalgamation.source_of(part, package).read_text())
        defined = (ast.ClassDef, ast.FunctionDef)
        assert {node.name for node in tree.body if isinstance(node, defined)} <= names


def test_amalgamation_refuses_a_name_of_two_parts(tmp_path: Path) -> None:
    _make_parts(tmp_path)
    amalgamation.source_of("launch.steps", tmp_path).write_text("options_parser_only = 2\n")
    complaint = r"options_parser_only is from options\.parser, and from launch\.steps"
    with pytest.raises(ValueError, match=complaint):
        amalgamation.amalgamation(tmp_path)


def _make_parts(package: Path) -> None:
    """Make a package whose modules have a name of their own each."""
    for part in amalgamation.PARTS:
        path = amalgamation.source_of(part, package)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{part.replace('.', '_')}_only = 1\n")


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("from .options.parser import parse as parse_line", "as they are"),
        ("from .options import parser", "names of parts only"),
        ("from .options.values import unsigned", "names of parts only"),
        ("first, second = 1, 2", "one name at a time"),
        ("if True:\n    found = 1", "by a condition"),
        ("try:\n    import posix\nexcept ImportError:\n    posix = None", "cannot be merged"),
        ("for each in (): pass", "cannot be merged"),
    ],
)
def test_amalgamation_refuses_what_it_cannot_merge(
    statement: str, complaint: str, tmp_path: Path
) -> None:
    _make_parts(tmp_path)
    (tmp_path / "command.py").write_text(f"{statement}\n")
    with pytest.raises(ValueError, match=rf"command, line 1: .*{complaint}"):
        amalgamation.amalgamation(tmp_path)


# ---- the first line -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["python3", "/usr/bin/env python3", "/pyth on", "/" + 100 * "x"])
def test_an_interpreter_that_a_first_line_cannot_name_is_refused(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = pytest.importorskip("building.commands", reason="needs setuptools")
    monkeypatch.setenv("PYUNSHARE_INTERPRETER", path)
    with pytest.raises(SystemExit, match="absolute path without spaces"):
        commands.named_interpreter()
    # Nor is the line left to an installer, who would drop the options.
    monkeypatch.delenv("PYUNSHARE_INTERPRETER")
    monkeypatch.setattr(sys, "base_exec_prefix", "/nonexistent")
    monkeypatch.setattr(sys, "executable", f"/a b/{path}")
    with pytest.raises(SystemExit, match=r"cannot name this Python: .*; set PYUNSHARE_INT"):
        commands.named_interpreter()


def test_the_interpreter_that_the_first_line_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That of this machine, whoever builds, unless another one is asked for; or none."""
    commands = pytest.importorskip("building.commands", reason="needs setuptools")
    monkeypatch.delenv("PYUNSHARE_INTERPRETER", raising=False)
    named = commands.named_interpreter()
    assert os.path.samefile(named, os.path.realpath(sys.executable))
    (tmp_path / "bin").mkdir()
    for flags in ("", "t"):  # two builds that are installed side by side
        path = tmp_path / "bin" / "python{}.{}{}".format(*sys.version_info[:2], flags)
        path.symlink_to(sys.executable)
        monkeypatch.setattr(sys, "abiflags", flags)
        monkeypatch.setattr(sys, "base_exec_prefix", str(tmp_path))
        assert commands.named_interpreter() == str(path)
    monkeypatch.setattr(sys, "base_exec_prefix", "/nonexistent")
    assert commands.named_interpreter() == os.path.realpath(sys.executable)
    for asked in ("/usr/bin/python3", "python"):
        monkeypatch.setenv("PYUNSHARE_INTERPRETER", asked)
        assert commands.named_interpreter() == asked


# ---- the script -------------------------------------------------------------------------------


def test_the_script_is_made_of_the_template() -> None:
    _first_line, _, made = script.installed_script().partition("\n")
    _first_line, _, installed = SCRIPT.read_text().partition("\n")
    assert installed == made


@pytest.mark.parametrize("linked", [False, True])
def test_the_script_need_not_search(linked: bool, tmp_path: Path) -> None:
    """The search costs time; here it is something else that shows."""
    text = SCRIPT.read_text()
    start, _search, end = text.split("'''")
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "lib").symlink_to(SCRIPT.parent.parent / "lib")
    path = programs / "pyunshare"
    path.write_text(f"{start}'searched'{end}")
    path.chmod(0o755)
    if linked:
        path = tmp_path / "unshare"
        path.symlink_to(programs / "pyunshare")
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith(f"{path.name} from pyunshare ")


AS_ANOTHER_PYTHON = """
import sys
path, threads, sys.platlibdir = sys.argv[1:4]
sys.implementation.cache_tag += threads
sys.argv[:] = [path, "--version"]
sys.modules["__main__"].__file__ = path
exec(compile(open(path, encoding="utf-8").read(), path, "exec"))
"""
VERSION = "python{}.{}".format(*sys.version_info[:2])
LAYOUTS = [
    (f"lib/{VERSION}/site-packages", "", "lib"),  # a virtual environment
    (f"lib/{VERSION}/site-packages", "", "lib64"),  # Fedora's pip, of a wheel for every machine
    (f"lib64/{VERSION}/site-packages", "", "lib64"),  # or for its own
    (f"lib/{VERSION}t/site-packages", "t", "lib"),  # a free-threaded Python
    (f"lib64/{VERSION}t/site-packages", "t", "lib64"),
    (f"lib/{VERSION}/dist-packages", "", "lib"),  # Debian's pip
    (f"lib/{VERSION}/dist-packages", "t", "lib"),
    ("lib/python3/dist-packages", "", "lib"),  # Debian
    (".", "", "lib"),  # pip install --target
]


@pytest.mark.parametrize(("place", "threads", "library"), LAYOUTS)
def test_wherever_installers_put_the_package(
    place: str, threads: str, library: str, tmp_path: Path
) -> None:
    path, package = tmp_path / "bin" / "pyunshare", tmp_path / place / "pyunshare"
    path.parent.mkdir()
    package.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script.installed_script())
    package.symlink_to(Path(sysconfig.get_path("purelib"), "pyunshare"))
    interpreter = SCRIPT.read_text().splitlines()[0].lstrip("#!").split()
    line = [*interpreter, "-c", AS_ANOTHER_PYTHON, str(path), threads, library]
    shown = subprocess.run(line, capture_output=True, text=True, check=False)
    assert shown.stderr == ""
    assert shown.stdout.startswith("pyunshare from pyunshare ")


def test_a_script_that_is_told_where_the_package_is(tmp_path: Path) -> None:
    library = sysconfig.get_path("purelib")
    interpreter, flags = SCRIPT.read_text().splitlines()[0].lstrip("#!").split()
    path, link = tmp_path / "pyunshare", tmp_path / "unshare"
    link.symlink_to(path)
    path.write_text(script.installed_script(library))
    for each in (path, link):
        line = [interpreter, flags, each, "--version"]
        shown = subprocess.run(line, capture_output=True, text=True, check=True)
        assert shown.stdout.startswith(f"{each.name} from pyunshare ")

    path.write_text(script.installed_script("/nonexistent"))
    line = [interpreter, flags, path, "--version"]
    missing = subprocess.run(line, capture_output=True, text=True, check=False)
    assert missing.stderr == (
        f"{path}: cannot load pyunshare: [Errno 2] No such file or directory: "
        "'/nonexistent/pyunshare/loading.py'\n"
    )
    assert (missing.returncode, missing.stdout) == (1, "")


@pytest.mark.parametrize("library", [None, "/usr/lib/python3/dist-packages"])
def test_what_the_script_quotes_can_be_quoted(library: str | None) -> None:
    text = script.installed_script(library)
    assert text.count("'''") == 2
    quoted = text.split("'''")[1]
    assert "\\" not in quoted
    compile(quoted, "quoted", "exec")


def test_the_library_that_packagers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = pytest.importorskip("building.commands", reason="needs setuptools")
    monkeypatch.delenv("PYUNSHARE_LIBRARY", raising=False)
    assert commands.named_library() is None
    monkeypatch.setenv("PYUNSHARE_LIBRARY", "/usr/lib/python3/dist-packages")
    assert commands.named_library() == "/usr/lib/python3/dist-packages"
    monkeypatch.setenv("PYUNSHARE_LIBRARY", "lib/python3/dist-packages")
    with pytest.raises(SystemExit, match="absolute path"):
        commands.named_library()


# ---- where it cannot be loaded ------------------------------------------------------------------


def test_a_copied_script_says_that_the_package_is_missing(tmp_path: Path) -> None:
    copy = tmp_path / "bin" / "pyunshare"
    copy.parent.mkdir()
    copy.write_bytes(SCRIPT.read_bytes())
    for _ in range(2):
        interpreter = SCRIPT.read_text().splitlines()[0].lstrip("#!").split()
        line = [*interpreter, copy, "-u", "true"]
        shown = subprocess.run(line, capture_output=True, text=True, check=False)
        complaint = f"{copy}: cannot load pyunshare: No module named 'pyunshare'; looked first in "
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        place = f"{copy.parent}/../lib/python{version}/site-packages"
        assert shown.stderr == f"{complaint}{place}\n"
        assert shown.returncode == 1
        (tmp_path / "lib").touch(exist_ok=True)  # and next with a file where a directory should be


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    """What is loaded later would be looked for from the directory that --wd leads to."""
    gone = tmp_path / "gone"
    gone.mkdir()
    path = os.path.relpath(SCRIPT, gone)
    line = f"cd {gone} && rmdir {gone} && exec {path} -u true"
    shown = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert shown.stderr == f"{path}: cannot tell where this is\n"
    assert shown.returncode == 1
