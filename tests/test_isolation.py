"""After the namespaces and the root have changed, nothing of Python's is loaded any more.

strace lists what the launch opens from unshare(2) on, and what of it is found in a new root that
has a trap for everything an interpreter or a C library might look for. The program is static, so
that what it opens itself is known: nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.helpers import support
from tests.helpers.faults import Fault, Traced, run_traced, run_with_fault
from tests.helpers.machine import needs
from tests.helpers.support import Result, Word

pytestmark = [
    pytest.mark.thorough,
    needs("root", "strace", "compiler", "busybox", "user namespaces"),
]

OPENING = "open,openat,?openat2,execve,uselib,stat,?newfstatat,access,readlink,connect"
PROC = "/proc/"
# Since 3.12, to warn of threads, after fork(2)
NAMED_BY_PYTHON = {"/proc/self/stat"} if sys.version_info >= (3, 12) else set()
FORMAT = ":pyunshare-test:E::pyunshare-test::/bin/sh:"


def busybox() -> str:
    """A static program that opens nothing by itself."""
    path = shutil.which("busybox", path=support.STANDARD_PATH)
    assert path is not None
    return path


# ---- what is opened after the line --------------------------------------------------------------


def named_after(traced: Traced, line_crossed: str) -> list[str]:
    """The files that calls name from the first call of one kind on, the program's own excepted."""
    calls = iter(traced.trace)
    for call in calls:
        if re.search(line_crossed, call):
            break
    else:
        raise AssertionError(f"no {line_crossed} in {traced}")
    found = []
    executed: set[str] = set()
    for call in calls:
        process = call.split()[0]
        if process in executed:
            continue  # that is the program by now
        if "execve(" in call and call.endswith(" = 0"):
            executed.add(process)
        found += re.findall(r'^\d+ +\w+\([^"]*"([^"]*)"', call)
    # fstat(2) gives an empty name
    return [name for name in found if name and name not in NAMED_BY_PYTHON]


def files_after(
    words: Sequence[Word], line_crossed: str, environment: dict[str, str] | None = None
) -> list[str]:
    """What a launch of the command names from one of its calls on."""
    names = f"unshare,chroot,mount,chdir,{OPENING}".replace("open,", "?open,")
    names = names.replace(",stat", ",?stat").replace(",access", ",?access")
    names = names.replace(",readlink", ",?readlink").replace(",uselib", "")
    options = ["--seccomp-bpf", "-s", "4096", "-e", f"trace={names}"]
    traced = run_traced(support.command(), words, options, environment=environment)
    assert traced.result.status == 0, traced.result
    return named_after(traced, line_crossed)


UID_MAP, GID_MAP, SETGROUPS = (f"/proc/self/{name}" for name in ("uid_map", "gid_map", "setgroups"))
LAUNCHES: list[tuple[list[str], list[str]]] = [
    ([], []),
    (["-f"], []),
    (["-m"], ["/"]),
    (["-r"], [UID_MAP, SETGROUPS, GID_MAP]),
    (["-r", "-f"], [UID_MAP, SETGROUPS, GID_MAP]),
    (["-c", "--keep-caps", "-f"], [UID_MAP, SETGROUPS, GID_MAP]),
    (["--kill-child", "-S", "0", "-G", "0"], []),
    (["--forward-signals"], []),
    (["-p", "-f", "--mount-proc"], ["/", "/proc"]),
    (["-T", "--boottime", "5", "--monotonic", "5"], ["/proc/self/timens_offsets"] * 2),
    (["-U", "--setgroups", "deny"], [SETGROUPS]),
    (["-w", "/tmp"], ["/tmp"]),
    (["-R", "/"], ["/", "/"]),
    (["-R", "/", "-w", "/tmp"], ["/", "/", "/tmp"]),
    (["--clear-env"], []),
]


@needs("time namespaces")
@pytest.mark.parametrize(("options", "expected"), LAUNCHES, ids=str)
def test_a_launch_names_only_what_its_steps_are_about(
    options: list[str], expected: list[str]
) -> None:
    """Each row: the files that calls after unshare(2) may name, in order."""
    found = files_after([*options, busybox(), "true"], r"\bunshare\(")
    # The first string of mount(2) is what is mounted; the mounts themselves are compared elsewhere.
    mounted = ["none" if name == "/" else "proc" for name in expected]
    if "-m" in options or "--mount-proc" in options:
        expected = mounted
    assert found == [*expected, busybox()]


def test_the_mapper_names_only_the_maps() -> None:
    words = ["--map-users", "0:0:10", "--map-groups", "0:0:10", "-f", busybox(), "true"]
    found = files_after(words, r"\bunshare\(")
    maps = [re.sub(r"\d+", "PID", name) for name in found[:2]]
    assert maps == ["/proc/PID/uid_map", "/proc/PID/gid_map"]
    assert found[2:] == [busybox()]


@needs("binfmt_misc in a user namespace")
def test_binary_formats_are_registered_without_more() -> None:
    words = ["-r", "-p", "-f", "-l", FORMAT, busybox(), "true"]
    found = files_after(words, r"\bunshare\(")
    directory = "/proc/sys/fs/binfmt_misc"
    assert found == [
        UID_MAP,
        SETGROUPS,
        GID_MAP,
        *("none", "proc", "binfmt_misc"),
        *(directory, "register"),
        busybox(),
    ]


@pytest.mark.parametrize("fork", [[], ["-f"]], ids=str)
def test_namespaces_are_bound_without_more(fork: list[str]) -> None:
    file = support.new_directory() / "namespace"
    file.touch()
    names = "unshare,mount,openat,?open,execve,?newfstatat,?stat"
    for options in ([], ["-U"]):
        traced = run_traced(
            support.command(),
            [*options, *fork, f"--uts={file}", busybox(), "true"],
            ["--seccomp-bpf", "-e", f"trace={names}"],
            conditions=["processor=0", "mounts"],
        )
        assert traced.result.status == 0
        # The conditions of the test are made by calls of these kinds too, before ours.
        found = named_after(traced, r"\bunshare\(CLONE_NEWU")
        assert [re.sub(r"\d+", "PID", name) for name in found] == [
            "/proc/PID/ns/uts",
            busybox(),
        ]


def test_a_missing_program_is_searched_for_without_more() -> None:
    environment = {**support.ENVIRONMENT, "PATH": "/nonexistent:/dev/null:/bin"}
    names = "unshare,openat,?open,execve,?newfstatat,?stat,?access"
    traced = run_traced(
        support.command(),
        ["-f", "no-such-program"],
        ["--seccomp-bpf", "-e", f"trace={names}"],
        environment=environment,
    )
    assert traced.result.status in (126, 127)
    assert named_after(traced, r"\bunshare\(") == [
        "/nonexistent/no-such-program",
        "/dev/null/no-such-program",
        "/bin/no-such-program",
    ]


# ---- a hostile root -----------------------------------------------------------------------------

SHOUT = "import os\nos.write(2, b'TRAPPED')\nos._exit(99)\n"
MODULES = "os posix encodings/__init__ encodings/utf_8 encodings/idna warnings traceback site"
MODULES += " sitecustomize usercustomize codecs io abc re linecache ctypes/__init__ _ctypes pwd"
MODULES += " grp signal errno subprocess pyunshare/__init__ pyunshare/helpers pyunshare/errors"


def hostile_root() -> Path:
    """A root with a trap for each thing that Python or the C library might load."""
    root = support.new_directory()
    root.chmod(0o755)
    (root / "bin").mkdir()
    shutil.copy(busybox(), root / "bin" / "busybox")
    (root / "bin" / "sh").symlink_to("busybox")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    prefixes = [sys.prefix, sys.base_prefix, "/usr", "/usr/local", str(support.CHECKOUT), "/"]
    for prefix in prefixes:
        for place in ("", f"lib/{version}", f"lib/{version}/site-packages", "lib/python3"):
            set_traps(root / prefix.lstrip("/") / place)
    architecture = "lib/x86_64-linux-gnu"
    for name in ("lib", "lib64", "usr/lib", architecture, f"usr/{architecture}"):
        directory = root / name
        directory.mkdir(parents=True, exist_ok=True)
        for library in ("libnss_files.so.2", "libnss_evil.so.2", "libc.so.6", "libgcc_s.so.1"):
            (directory / library).write_bytes(b"a trap")
    etc = root / "etc"
    etc.mkdir()
    (etc / "nsswitch.conf").write_text("passwd: evil\ngroup: evil\n")
    (etc / "ld.so.preload").write_text("/lib/libnss_evil.so.2\n")
    (etc / "ld.so.cache").write_bytes(b"a trap")
    (etc / "passwd").write_text("root:x:0:0::/:/bin/login-shell\n")
    shutil.copy(busybox(), root / "bin" / "login-shell")
    return root


def set_traps(directory: Path) -> None:
    """Put a false module of each name into a directory."""
    for name in MODULES.split():
        path = directory / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SHOUT)


HOSTILE: list[tuple[list[str], list[str], list[str]]] = [
    ([], ["/bin/busybox", "true"], ["/bin/busybox"]),
    (["-f"], ["/bin/busybox", "true"], ["/bin/busybox"]),
    (["--kill-child", "-S", "7", "-G", "7"], ["/bin/busybox", "true"], ["/bin/busybox"]),
    (["-r", "-p", "-f"], ["/bin/busybox", "true"], ["/bin/busybox"]),
    (["-U", "--keep-caps", "-c"], ["/bin/busybox", "true"], ["/bin/busybox"]),
    (["-w", "/etc"], ["/bin/busybox", "true"], ["/etc", "/bin/busybox"]),
    (["-m"], ["busybox", "true"], ["/usr/bin/busybox", "/bin/busybox"]),
]


@pytest.mark.parametrize(("options", "program", "expected"), HOSTILE, ids=str)
def test_nothing_of_a_hostile_root_is_opened(
    options: list[str], program: list[str], expected: list[str]
) -> None:
    environment = {**support.ENVIRONMENT, "PATH": "/usr/bin:/bin"}
    words = ["-R", str(hostile_root()), *options, *program]
    found = files_after(words, r"\bchroot\(", environment)
    assert found[:1] == ["/"]
    assert found[1:] == expected


def test_the_login_shell_is_looked_up_in_passwd_only() -> None:
    root = hostile_root()
    names = "chroot,chdir,openat,?open,execve,?newfstatat,?stat,?access,connect"
    # That shell is busybox under a name that it does not know: its status tells nothing.
    traced = run_traced(
        support.command(), ["-R", str(root)], ["--seccomp-bpf", "-e", f"trace={names}"]
    )
    assert b"TRAPPED" not in traced.result.stderr
    named = named_after(traced, r"\bchroot\(")
    assert named == ["/", "/etc/passwd", "/bin/login-shell"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("chdir", "error=EACCES"), b"cannot change directory to /"),
        (Fault("setuid", "error=EAGAIN"), b"setuid() failed"),
        (Fault("execve", "error=ELOOP", "1+", "/bin/busybox"), b"failed to execute /bin/busybox"),
    ],
    ids=str,
)
def test_a_failure_inside_a_hostile_root_is_told_without_it(fault: Fault, message: bytes) -> None:
    """A traceback, a warning or a codec would have to be loaded to be shown."""
    words = ["-R", str(hostile_root()), "-S", "0", "-w", "/", "/bin/busybox", "true"]
    traced = run_with_fault(support.command(), words, fault)
    assert traced.struck
    assert message in traced.result.stderr
    assert b"TRAPPED" not in traced.result.stderr
    assert len(traced.message.splitlines()) == 1


def test_an_empty_root_is_enough_to_fail_in() -> None:
    root = support.new_directory()
    result = support.pyunshare("-R", str(root), "/no/program")
    assert result.status == 127
    assert result.stderr.endswith(b": failed to execute /no/program: No such file or directory\n")
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("encoding", ["C", "POSIX", "C.UTF-8", "de_DE.ISO-8859-1", "xx_YY.BAD"])
def test_bytes_need_nothing_of_a_hostile_root(encoding: str) -> None:
    environment = {**support.ENVIRONMENT, "LC_ALL": encoding, "PATH": "/bin"}
    words: list[Word] = ["-R", str(hostile_root()), "busybox", "echo", b"\xff\xc3", "\u20ac"]
    result = support.start(support.command(), words, environment=environment)
    assert result.status == 0
    assert result.stdout == b"\xff\xc3 \xe2\x82\xac\n"
    assert result.stderr == b""


# ---- what the program has -----------------------------------------------------------------------

KINDS = [
    [],
    ["-f"],
    ["-r"],
    ["-p", "-f", "--mount-proc"],
    ["--kill-child", "-S", "0"],
    ["--forward-signals"],
    ["--map-users", "0:0:10"],
    ["--map-users", "0:0:10", "-f"],
    ["-T", "--boottime", "5", "-f"],
    ["-R", "/"],
    ["-c", "--keep-caps"],
]


@needs("time namespaces")
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_no_descriptor_leaks_into_the_program(options: list[str]) -> None:
    result = support.pyunshare(*options, busybox(), "ls", "/proc/self/fd")
    # One of them is the directory that ls reads.
    assert result.lines == ["0", "1", "2", "3"], result


@pytest.mark.parametrize("options", [[], ["-f"], ["-U"], ["-U", "-f"]], ids=str)
def test_no_descriptor_leaks_where_files_are_bound(options: list[str]) -> None:
    file = support.new_directory() / "namespace"
    file.touch()
    result = support.start(
        support.command(),
        [*options, f"--uts={file}", busybox(), "ls", "/proc/self/fd"],
        conditions=["processor=0", "mounts"],
    )
    assert result.lines == ["0", "1", "2", "3"], result


@pytest.mark.parametrize("options", [[], ["-f"], ["--map-users", "0:0:10", "-f"]], ids=str)
def test_the_callers_descriptors_are_passed_on(options: list[str]) -> None:
    reading, writing = os.pipe()
    high = os.dup2(reading, 77, inheritable=True)
    try:
        result = support.start(
            support.command(),
            [*options, busybox(), "ls", "/proc/self/fd"],
            descriptors=(writing, high),
        )
    finally:
        for descriptor in (reading, writing, high):
            os.close(descriptor)
    assert sorted(map(int, result.lines)) == sorted({0, 1, 2, 3, writing, 77} | extra(writing))


def extra(writing: int) -> set[int]:
    """The number that ls gets for its own directory: the lowest that is free."""
    return {next(number for number in range(3, 100) if number not in (writing, 77))}


def signal_lines(result: Result) -> list[str]:
    """The signal sets of a program that printed its own status."""
    return [line for line in result.lines if line.startswith("Sig") and "SigQ" not in line]


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize(
    "conditions",
    [[], ["block=10", "block=15", "block=34"], ["ignore=1", "ignore=2", "ignore=64"]],
    ids=str,
)
def test_signals_are_as_they_were_given(options: list[str], conditions: list[str]) -> None:
    program = [busybox(), "cat", "/proc/self/status"]
    plain = support.run([str(support.compiled("start")), *conditions, "--", program[0], *program])
    launched = support.start(support.command(), [*options, *program], conditions=conditions)
    assert launched.status == 0, launched
    assert signal_lines(launched) == signal_lines(plain)


@pytest.mark.parametrize("options", [[], ["-f"], ["-r", "-f"], ["-R", "/"]], ids=str)
def test_the_environment_is_as_it_was_given(options: list[str]) -> None:
    given: list[Word] = [
        "emptyenv",
        "env=A=1",
        "env=A=2",
        "env=malformed",
        "env==x",
        b"env=B=\xff",
        "env=LANG=C",
    ]
    result = support.start(
        support.command(), [*options, busybox(), "cat", "/proc/self/environ"], conditions=given
    )
    entries = [
        entry for entry in result.stdout.split(b"\0") if not entry.startswith(b"PYTHONPATH=")
    ]
    assert entries == [b"A=1", b"A=2", b"malformed", b"=x", b"B=\xff", b"LANG=C", b""]
