"""Becoming a program: the search as the C library does it, the login shell, the environment."""

from __future__ import annotations

import os
import posix
import shutil
import subprocess
import sys
from collections.abc import Iterator
from errno import (
    EACCES,
    EIO,
    ELOOP,
    ENAMETOOLONG,
    ENODEV,
    ENOENT,
    ENOEXEC,
    ENOTDIR,
    ESTALE,
    ETIMEDOUT,
    ETXTBSY,
    errorcode,
)
from pathlib import Path
from typing import Callable, NamedTuple, NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyunshare.errors import Failure
from pyunshare.launch import login_shell as login_shells
from pyunshare.launch import startup
from pyunshare.launch.environ import filter_env
from pyunshare.launch.login_shell import start_login_shell
from pyunshare.launch.program import DEFAULT_PATH, getenv, start_program
from tests.helpers import profiles, support
from tests.helpers.c_library import execve, execvp, shell_of_user
from tests.helpers.machine import needs

NOBODY = 65534  # root may read and search everything, so that nothing would be refused to it
FAULT_OF_THE_TEST = 125  # a status that no program of these tests ends with


class Outcome(NamedTuple):
    """What became of an attempt to execute a program."""

    errno: int | None  # None if there was one
    status: int
    output: bytes


def outcome(attempt: Callable[[], int], stdin: str = "") -> Outcome:
    """Let a child make the attempt, which returns errno if it fails."""
    refusal, refuse = os.pipe()  # closed when a program is executed
    output = os.memfd_create("output")
    process = os.fork()
    if process == 0:
        try:
            _set_up_child(stdin, output)
            os.write(refuse, b"%d" % attempt())
            os._exit(0)
        finally:
            os._exit(FAULT_OF_THE_TEST)
    os.close(refuse)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status != FAULT_OF_THE_TEST
    errno = os.read(refusal, 16)
    printed = os.pread(output, 1 << 20, 0)
    os.close(refusal)
    os.close(output)
    return Outcome(int(errno) if errno else None, status, printed)


def _set_up_child(stdin: str, output: int) -> None:
    script = os.memfd_create("input")
    os.write(script, stdin.encode())
    os.lseek(script, 0, os.SEEK_SET)
    os.dup2(script, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def failure(attempt: Callable[..., None], *arguments: object) -> Failure:
    """Return what is raised by an attempt that does not get as far as a program."""
    with pytest.raises(Failure) as caught:
        attempt(*arguments)
    return caught.value


def errno_of(start: Callable[..., None], *arguments: object) -> int:
    """Return the reason for which nothing was started."""
    try:
        start(*arguments)
    except Failure as error:
        return error.errno or 0
    raise AssertionError("there is a program, and yet we are here")


# ---- the search ---------------------------------------------------------------------------------

LONG_NAME = "x" * 255  # as long as one can be
SAY_WHAT_RAN = 'printf "%s|" "$0" "$@"\n'


@pytest.fixture(scope="module")
def places() -> Iterator[Path]:
    """Directories with something that is called "tool", named for what is the matter with it."""
    root = support.new_directory()
    root.chmod(0o755)
    for name, text, mode in (
        ("script", "#!/bin/sh\n" + SAY_WHAT_RAN, 0o755),
        ("plain", SAY_WHAT_RAN, 0o755),
        ("nothing", "", 0o755),
        ("binary", "\x7fELF\0\0\0\0", 0o755),
        ("unexecutable", SAY_WHAT_RAN, 0o644),
        ("unreadable", SAY_WHAT_RAN, 0o711),
        ("uninterpretable", "#!/no/such/interpreter\n", 0o755),
        ("busy", "#!/bin/sh\n", 0o755),
        ("locked", SAY_WHAT_RAN, 0o755),
    ):
        (root / name).mkdir()
        tool = root / name / "tool"
        tool.write_text(text)
        tool.chmod(mode)
    (root / "locked").chmod(0)
    (root / "directory/tool").mkdir(parents=True)
    (root / "dangling").mkdir()
    (root / "dangling/tool").symlink_to("nowhere")
    (root / "circular").mkdir()
    (root / "circular/tool").symlink_to("tool")
    (root / "loop").symlink_to("loop")
    (root / "file").touch()
    (root / LONG_NAME).mkdir()
    shutil.copy(root / "script/tool", root / "script" / LONG_NAME)
    with (root / "busy/tool").open("a"):
        yield root


PLACES = ["script", "plain", "nothing", "binary", "unexecutable", "unreadable", "uninterpretable"]
PLACES += ["busy", "locked", "directory", "dangling", "circular", "loop", "file", "missing"]
LONG = [LONG_NAME, "x" * 256, "/" * 4095, "/" * 4096, "." * 4095, "." * 4096]

elements = st.one_of(
    st.sampled_from([f"{{}}/{name}" for name in PLACES]),  # the braces are for the root
    st.sampled_from(PLACES + [f"../{name}" for name in PLACES]),
    st.sampled_from(["", "", ".", "..", "/dev/null", "/proc", *LONG]),
)
search_paths = st.one_of(st.none(), st.lists(elements, max_size=5).map(":".join))
names = st.one_of(
    st.just("tool"),
    st.sampled_from(["sh", "absent", "", ".", "..", "\udcff", LONG_NAME]),
    st.sampled_from(["/", "./tool", "tool/", "/" * 5000, *(f"../{name}/tool" for name in PLACES)]),
)
working_directories = st.sampled_from(["script", "plain", "unexecutable", LONG_NAME])
arguments = st.lists(st.sampled_from(["", "-c", "a b", "\udcff", "é"]), max_size=3)


def both_outcomes(
    places: Path, search_path: str | None, words: list[str], directory: str
) -> tuple[Outcome, Outcome]:
    """Return what the package makes of the words, and what the C library does."""

    def prepare() -> None:
        os.chdir(places / directory)
        os.environ.pop("PATH", None)
        if search_path is not None:
            os.environ["PATH"] = search_path.replace("{}", str(places))

    def ours() -> int:
        prepare()
        return errno_of(start_program, words)

    def theirs() -> int:
        prepare()
        # Where the C library finds nothing at all to try in PATH it leaves errno as it was.
        return execvp(words, errno_before=ENOENT)

    return outcome(ours), outcome(theirs)


@needs("glibc")
@profiles.one_in(5)
@given(search_paths, names, arguments, working_directories)
@example(None, "sh", ["-c", "echo $0 $1", "a", "b"], "script")
@example(None, "tool", [], "script")
@example("", "tool", [], "script")
@example("/" * 4096, "tool", [], "script")
def test_execvp(
    places: Path, search_path: str | None, name: str, arguments: list[str], directory: str
) -> None:
    ours, theirs = both_outcomes(places, search_path, [name, *arguments], directory)
    assert ours == theirs


# The same search as a table to read: the place where the tool is found, or the reason.
SEARCHES = [
    ("missing:file:dangling:uninterpretable:script", "script"),
    ("plain:script", "plain"),
    ("unexecutable:script", "script"),
    ("locked:directory:script", "script"),
    ("script:loop", "script"),
    ("unexecutable:missing", EACCES),
    ("missing:unexecutable:file", EACCES),
    ("missing:file", ENOTDIR),
    ("file:missing", ENOENT),
    ("loop:script", ELOOP),
    ("circular:script", ELOOP),
    ("busy:script", ETXTBSY),
    ("x" * 256 + ":script", ENAMETOOLONG),
    ("y" * 4096 + ":script", "script"),
    ("script:" + "y" * 4096, "script"),
    ("missing:" + "y" * 4096, ENOENT),
]


@needs("glibc")
@pytest.mark.parametrize(("search_path", "expected"), SEARCHES)
def test_search(search_path: str, expected: str | int, places: Path) -> None:
    ours, theirs = both_outcomes(places, search_path, ["tool", "a", ""], directory=".")
    assert ours == theirs
    if isinstance(expected, int):
        assert ours.errno == expected
    else:
        assert ours == (None, 0, f"{expected}/tool|a||".encode())


@needs("glibc")
def test_element_longer_than_a_path(places: Path) -> None:
    """The C library then looks in the working directory, unless it is the last element."""
    ours, theirs = both_outcomes(places, "y" * 4096 + ":{}/plain", ["tool"], "script")
    assert ours == theirs == (None, 0, b"tool|")


@needs("glibc")
@pytest.mark.parametrize("search_path", ["", ":missing", "missing:", "missing::file"])
def test_empty_element_is_the_working_directory(search_path: str, places: Path) -> None:
    for directory in ("script", "plain"):
        ours, theirs = both_outcomes(places, search_path, ["tool"], directory)
        assert ours == theirs == (None, 0, b"tool|")


def searched(errors: dict[str, int]) -> tuple[list[str], Failure | None]:
    """What a search in /a, /b and /c tries where execve(2) fails so, and what it raises."""
    tried: list[str] = []

    def execute(path: str, argv: list[str], env: object) -> None:
        tried.append(path)
        if path in errors:
            raise OSError(errors[path], path)

    try:
        start_program(["tool"], {b"PATH": b"/a:/b:/c"}, execute=execute)
    except Failure as error:
        return tried, error
    return tried, None


# As glibc does, and so the reference
SEARCH_GOES_ON = {EACCES, ENODEV, ENOENT, ENOTDIR, ESTALE, ETIMEDOUT}


@pytest.mark.parametrize("number", sorted(errorcode.keys() - {ENOEXEC}), ids=errorcode.get)
def test_after_which_errors_the_search_goes_on(number: int) -> None:
    tried, error = searched({"/a/tool": number})
    if number in SEARCH_GOES_ON:
        assert (tried, error) == (["/a/tool", "/b/tool"], None)
    else:
        assert tried == ["/a/tool"]
        assert error is not None
        assert error.errno == number


@pytest.mark.parametrize(
    ("errors", "expected", "status"),
    [
        ([ENOENT, ENOENT, ENOENT], ENOENT, 127),
        ([ENOENT, ENOENT, ESTALE], ESTALE, 126),
        ([ESTALE, ENOENT, ENOENT], ENOENT, 127),
        ([EACCES, ENOENT, ENOENT], EACCES, 126),
        ([ENOENT, EACCES, ENODEV], EACCES, 126),
        ([EACCES, ENOENT, EIO], EIO, 126),
    ],
)
def test_which_error_of_a_search_is_raised(errors: list[int], expected: int, status: int) -> None:
    tried, error = searched(dict(zip(["/a/tool", "/b/tool", "/c/tool"], errors)))
    assert tried == ["/a/tool", "/b/tool", "/c/tool"]
    assert error is not None
    assert (error.errno, error.status) == (expected, status)


def test_default_path() -> None:
    assert os.confstr("CS_PATH") == DEFAULT_PATH


def test_the_chosen_path_is_searched(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{places}/script")
    path = filter_env(os.environb, ["PATH"])
    chosen = outcome(lambda: errno_of(start_program, ["tool"], path))
    assert chosen == (None, 0, f"{places}/script/tool|".encode())
    default = outcome(lambda: errno_of(start_program, ["tool"], {}))
    assert default.errno == ENOENT


@pytest.mark.parametrize("search_path", ["", "/no/such/directory", "/dev/null", "/bin"])
def test_long_name(search_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not against the C library: glibc 2.36, for one, searches for such a name all the same."""
    monkeypatch.setenv("PATH", search_path)
    for length in (256, 5000):
        assert failure(start_program, ["n" * length]).errno == ENAMETOOLONG


@pytest.mark.parametrize(
    ("words", "errno", "status"),
    [
        (["no-such-program"], ENOENT, 127),
        ([""], ENOENT, 127),
        (["/no/such/program", "x"], ENOENT, 127),
        (["/"], EACCES, 126),
        (["/dev/null/program"], ENOTDIR, 126),
        (["n" * 256], ENAMETOOLONG, 126),
    ],
)
def test_failure(
    words: list[str], errno: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    error = failure(start_program, words)
    assert str(error) == f"failed to execute {words[0]}: {os.strerror(errno)}"
    assert (error.errno, error.status) == (errno, status)


# ---- the login shell ----------------------------------------------------------------------------

SAY_WHICH_SHELL = 'echo "$0 $(readlink /proc/$$/exe)"\n'


@pytest.fixture(scope="module")
def shells() -> Path:
    """Shells that are told apart by their directory."""
    root = support.new_directory()
    for name in ("environment", "passwd"):
        (root / name).mkdir()
        shutil.copy(os.path.realpath("/bin/sh"), root / name / "sh")
        (root / name).chmod(0o755)
    return root


@pytest.fixture
def passwd(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The text of /etc/passwd, which is missing until there is one. The user is number 1000."""
    texts: dict[str, str] = {}

    def read_lines(path: str, *_: object) -> list[bytes]:
        if path not in texts:
            raise OSError(ENOENT, path)
        return os.fsencode(texts[path]).split(b"\n")

    monkeypatch.setattr(login_shells, "read_lines", read_lines)
    monkeypatch.setattr("posix.getuid", lambda: 1000)
    monkeypatch.delenv("SHELL", raising=False)
    monkeypatch.setenv("HOME", "/no/profile/to/read")
    return texts


def login_shell() -> str:
    """Return the path of the shell that is started, which has to be a login shell."""
    found = outcome(lambda: errno_of(start_login_shell), SAY_WHICH_SHELL)
    assert (found.errno, found.status) == (None, 0)
    argument0, path = os.fsdecode(found.output).split()
    assert argument0 == "-sh"
    return path


DEFAULT_SHELL = os.path.realpath("/bin/sh")

Passwd = dict[str, str]


def test_shell_of_the_environment(
    shells: Path, passwd: Passwd, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwd["/etc/passwd"] = f"user:x:1000:1000::/:{shells}/passwd/sh\n"
    monkeypatch.setenv("SHELL", f"{shells}/environment/sh")
    assert login_shell() == f"{shells}/environment/sh"
    monkeypatch.setenv("SHELL", "")
    assert login_shell() == f"{shells}/passwd/sh"


def test_shell_of_the_passwd_file(shells: Path, passwd: Passwd) -> None:
    shell = f"{shells}/passwd/sh"
    passwd["/etc/passwd"] = f"root:x:0:0::/:/no\nuser:x:1000:1:,,\udcff,:/:{shell}\nx:x:1:1::/:/no"
    assert login_shell() == shell


@pytest.mark.parametrize("text", [None, "", "root:x:0:0::/:/no\n", "user:x:1000:1000::/:\n"])
def test_no_shell_in_the_passwd_file(text: str | None, passwd: Passwd) -> None:
    if text is not None:
        passwd["/etc/passwd"] = text
    assert login_shell() == DEFAULT_SHELL


user_names = st.sampled_from(["user", "", "#user", "+", "-user", "+@user", " user", "\t#user", "9"])
passwd_fields = st.tuples(
    user_names,
    st.sampled_from(["x", "", "1000"]),
    st.sampled_from(["1000", "1000", "1", "0", "10000"]),
    st.sampled_from(["1000", "0"]),
    st.sampled_from(["", "User,,,", "\udcff", "#"]),
    st.sampled_from(["/home", ""]),
    st.sampled_from(["/bin/a", "/bin/b", "", " /bin/c ", "/bin/d:", "/bin/e:x", "\udcff"]),
)
odd_lines = st.sampled_from(["", " ", "#", "+", "+::::::", "user", "x:x:x:x:x:x:x", "user:x"])
passwd_lines = st.one_of(passwd_fields.map(":".join), odd_lines)


@needs("glibc")
@profiles.one_in(2)
@given(st.lists(passwd_lines, max_size=4))
def test_passwd_file(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    for read in (text, text.rstrip("\n")):
        with pytest.MonkeyPatch.context() as patch:
            lines_read = os.fsencode(read).split(b"\n")
            patch.setattr(login_shells, "read_lines", lambda *_, found=lines_read: found)
            assert login_shells._shell_of_user(1000) == shell_of_user(1000, text)


@needs("glibc")
@pytest.mark.parametrize(
    "line",
    [
        "user:x:01000:1000::/:/shell",
        "user:x: 1000:1000::/:/shell",
        "user:x:1000:::/:/shell",  # no entry: there is no group
        "user:x:1000:x::/:/shell",
        "user:x:1000:1000::/home\nuser:x:1000:1000::/:/shell",  # the first has no shell
        # What a user may write into an own entry does not end the line.
        *(
            f"a:x:1:1:{end}user:x:1000:1000::/:/no:/:/bin/a\nuser:x:1000:1000::/:/shell"
            for end in "\f\v\r\x1c\x85\u2028"
        ),
    ],
)
def test_odd_entry(line: str, passwd: Passwd) -> None:
    passwd["/etc/passwd"] = line
    assert (login_shells._shell_of_user(1000) or "") == (shell_of_user(1000, line + "\n") or "")


def test_shell_that_was_not_chosen(passwd: Passwd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SHELL that the program is not to have is not asked either."""
    monkeypatch.setenv("SHELL", "/no/such/shell")
    found = outcome(lambda: errno_of(start_login_shell, {}), SAY_WHICH_SHELL)
    assert found.output == f"-sh {DEFAULT_SHELL}\n".encode()


@pytest.mark.parametrize(
    ("shell", "errno", "status"),
    [
        ("sh", ENOENT, 127),  # no search in PATH
        ("/no/such/shell", ENOENT, 127),
        ("{}/plain/tool", ENOEXEC, 126),  # and no /bin/sh for a file without a format
        ("{}/unexecutable/tool", EACCES, 126),
    ],
)
def test_bad_shell(
    shell: str, errno: int, status: int, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shell.replace("{}", str(places))
    monkeypatch.setenv("SHELL", path)
    monkeypatch.chdir("/")
    error = failure(start_login_shell)
    assert str(error) == f"failed to execute {path}: {os.strerror(errno)}"
    assert (error.errno, error.status) == (errno, status)


# ---- the environment ----------------------------------------------------------------------------


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("\udcff", "\udcfe")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("UNSET", raising=False)
    chosen = filter_env(os.environb, ["UNSET", "\udcff", "EMPTY"])
    for variables in (None, chosen):
        assert getenv("\udcff", variables) == "\udcfe"
        assert getenv("EMPTY", variables) == ""
        assert getenv("UNSET", variables) is None
    assert getenv("EMPTY", {}) is None


def test_filter_env(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("A", "1"), ("B", ""), ("AB", "x"), ("\udcff", "\udcfe")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("UNSET", raising=False)
    chosen = filter_env(os.environb, ["B", "A", "UNSET", "A", "", "A=1", "\udcff"])
    words = ["/bin/cat", "/proc/self/environ"]
    found = outcome(lambda: errno_of(start_program, words, chosen))
    # The last one named comes first: the order that util-linux gives to such a list.
    assert found.output == b"\xff=\xfe\0A=1\0B=\0"


# An interpreter that starts with a certain environment, and a program that shows what it gets.
SHOW_ENVIRONMENT = """
import sys
sys.path.insert(0, sys.argv[1])
from pyunshare.launch.startup import restore_environ
from pyunshare.launch.program import execute_file
if sys.argv[2] == "undo":
    restore_environ()
execute_file("/bin/cat", ["cat", "/proc/self/environ"], None)
"""


def passed_on(given: list[bytes], action: str = "undo") -> list[bytes]:
    """Return the environment that a program gets from an interpreter that was given this one."""
    words = [sys.executable, "-ISB", "-c", SHOW_ENVIRONMENT, support.IMPORTABLE, action]
    process, output = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(output, 1)
        os._exit(execve(sys.executable, words, given))
    os.close(output)
    with os.fdopen(process, "rb") as file:
        block = file.read()
    assert os.waitpid(child, 0)[1] == 0
    return block.split(b"\0")[:-1]


C_LOCALES = [
    [],
    [b"LANG=C"],
    [b"LC_CTYPE=POSIX"],
    [b"LC_CTYPE="],
    [b"A=1", b"LC_CTYPE=C", b"LANG=C.UTF-8", b"LC_CTYPE=C"],
    [b"LC_CTYPE=UTF-8"],
]


@pytest.mark.parametrize("given", C_LOCALES, ids=repr)
def test_locale_coercion_is_undone(given: list[bytes]) -> None:
    coerced = passed_on(given, "leave")
    if coerced == given:
        pytest.skip("this Python does not coerce the locale")
    assert any(entry.startswith(b"LC_CTYPE=") for entry in coerced)
    assert passed_on(given) == given


@pytest.mark.parametrize("value", [b"C.UTF-8", b"C.utf8", b"UTF-8"])
def test_a_locale_of_the_callers_own_stays(value: bytes) -> None:
    given = [b"A=1", b"LC_CTYPE=" + value, b"B=2"]
    assert passed_on(given) == given


# What CPython takes out of its environment, from 3.11 on
LAUNCHERS = [
    [b"__PYVENV_LAUNCHER__=/x"],
    [b"__PYVENV_LAUNCHER__=", b"A=1"],
    [b"A=1", b"__PYVENV_LAUNCHER__=/x", b"B=2", b"B=3", b"malformed", b""],
    [b"__PYVENV_LAUNCHER__=/x", b"__PYVENV_LAUNCHER__=/y", b"LC_CTYPE=C"],
    [b"LANG=C", b"__PYVENV_LAUNCHER__=\xff"],
    [b"__PYVENV_LAUNCHER__", b"X__PYVENV_LAUNCHER__=1", b"A=\n__PYVENV_LAUNCHER__=1"],
]


@pytest.mark.parametrize("given", LAUNCHERS, ids=repr)
def test_what_python_takes_away_is_given_back(given: list[bytes]) -> None:
    assert passed_on(given) == given


def test_an_older_python_takes_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> NoReturn:
        raise AssertionError(path)

    monkeypatch.setattr(startup, "TAKES_LAUNCHER", False)
    monkeypatch.setattr(startup, "read_bytes", refuse)
    monkeypatch.delitem(posix.environ, b"LC_CTYPE", raising=False)
    startup.restore_environ()


def test_a_variable_is_given_back_to_getenv() -> None:
    """Also where Python cannot reach the C library's variables: at the end then."""
    taken = subprocess.run(
        [sys.executable, "-ISB", "-c", WITHOUT_CTYPES, support.IMPORTABLE],
        env={"__PYVENV_LAUNCHER__": "/x", "PATH": "/bin:/usr/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    assert b"__PYVENV_LAUNCHER__=/x" in taken.stdout.split(b"\0")


WITHOUT_CTYPES = """
import sys
sys.path.insert(0, sys.argv[1])
sys.modules["ctypes"] = None
from pyunshare.launch.startup import restore_environ
from pyunshare.launch.program import execute_file, getenv
restore_environ()
assert getenv("__PYVENV_LAUNCHER__", None) == "/x"
execute_file("/bin/cat", ["cat", "/proc/self/environ"], None)
"""


entries = st.one_of(
    st.sampled_from([b"__PYVENV_LAUNCHER__=" + value for value in (b"", b"/x", b"\xff")]),
    st.sampled_from(
        [b"LC_CTYPE=" + value for value in (b"C", b"POSIX", b"", b"C.UTF-8", b"UTF-8")]
    ),
    st.sampled_from([b"LANG=C", b"LANG=C.UTF-8", b"LC_ALL=C", b"LC_ALL=", b"LC_ALL=C.UTF-8"]),
    st.sampled_from([b"LC_CTYPE", b"LC_CTYPES=1", b"XLC_CTYPE=1", b"=LC_CTYPE=C", b"lc_ctype=C"]),
    st.sampled_from(
        [b"A=1", b"A=2", b"A=1", b"A", b"", b"=", b"=x", b"\xff=\xfe", b"A=\nLC_CTYPE=C"]
    ),
    st.sampled_from([b"PYTHONCOERCECLOCALE=0", b"PYTHONUTF8=1", b"PYTHONUTF8=0"]),
)


@profiles.one_in(20)
@given(st.lists(entries, max_size=6))
@example([b"LC_CTYPE", b"LC_CTYPE=C", b"LC_CTYPE=C.UTF-8"])
@example([b"LC_CTYPE=C.UTF-8", b"LC_CTYPE=C"])
def test_environment_is_passed_on_byte_by_byte(given_entries: list[bytes]) -> None:
    assert passed_on(given_entries) == given_entries
