"""Plain helpers of the black-box tests: the programs, the users, and running one as the other.

No test lives here. What the machine can do is decided in ``machine.py``; how two programs are
compared, in ``comparing.py``.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import random
import re
import select
import shlex
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, NamedTuple, TypeVar, Union

from pyunshare.errors import Failure
from pyunshare.options.accounts import mapped_ids
from pyunshare.options.option import OPTIONS, Option
from pyunshare.options.parser import take_options

Word = Union[str, bytes]
Found = TypeVar("Found")

HELPERS = Path(__file__).resolve().parent
TESTS = HELPERS.parent
CHECKOUT = TESTS.parent
SCRIPT = Path(sys.executable).with_name("pyunshare")  # where the package is installed
# From where programs in Python import the package, if not from their working directory:
# measuring.py has another place
IMPORTABLE = os.environ.get("PYUNSHARE_IMPORTABLE") or str(CHECKOUT)
STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"
ENVIRONMENT: Mapping[str, str] = {"PATH": STANDARD_PATH, "LANG": "C.UTF-8", "HOME": "/"}
PATIENCE = 60.0

PR_SET_CHILD_SUBREAPER = 36


# ---- command lines ------------------------------------------------------------------------------


def parse(argv: Sequence[str]) -> tuple[list[tuple[str, str | None]], list[str], Failure | None]:
    """The options of a command line, its program, and what the grammar has against it."""
    rest = [*argv]
    options: list[tuple[str, str | None]] = []
    try:
        for option in take_options(rest):
            options.append(option)
    except Failure as failure:
        return options, rest, failure
    return options, rest, None


# ---- the workspace ------------------------------------------------------------------------------


@functools.cache
def workspace() -> Path:
    """A directory for this session that every user may read (pytest's own are for one user)."""
    usual = Path(tempfile.gettempdir())
    is_for_all = all(path.stat().st_mode & stat.S_IXOTH for path in [usual, *usual.parents])
    path = Path(tempfile.mkdtemp(prefix="pyunshare-tests-", dir=usual if is_for_all else "/tmp"))
    path.chmod(0o755)
    return path


def remove_workspace() -> None:
    """Remove what this session made."""
    if workspace.cache_info().currsize:
        shutil.rmtree(workspace(), ignore_errors=True)


def new_directory() -> Path:
    """An empty directory that every user may enter and write to."""
    path = Path(tempfile.mkdtemp(dir=workspace()))
    path.chmod(0o777)
    return path


@functools.cache
def compiler() -> str | None:
    """The C compiler, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@functools.cache
def compiled(name: str) -> Path:
    """The static program made from NAME.c, compiled once in a session.

    ``PYUNSHARE_COMPILED`` is a directory where it has been compiled already.
    """
    given = os.environ.get("PYUNSHARE_COMPILED")
    if given:
        return Path(given) / name
    program = workspace() / name
    command = [compiler() or "cc", "-static", "-O1", "-o", str(program), str(HELPERS / f"{name}.c")]
    subprocess.run(command, check=True)
    program.chmod(0o755)
    return program


# ---- users --------------------------------------------------------------------------------------


class User(NamedTuple):
    """Somebody to run a program as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    known: bool = True


ROOT = User("root", 0, 0)
# These exist in the tests' own mount namespaces only: the host's user database stays as it is.
WITH_SUBORDINATE_IDS = User("pyunshare-with", 61001, 61001, (61001, 61010))
WITHOUT_SUBORDINATE_IDS = User("pyunshare-without", 61002, 61002, (61002,))
UNKNOWN = User("?", 61003, 61003, known=False)


def unused_id() -> int:
    """Of a user without a process, even of other tests on this machine or in a container on it.

    In a container there may be some 65536 ids only.
    """
    most = max(start + count for start, count in mapped_ids("uid"))
    return random.randrange(61_100, min(most, 1 << 30))


SUBORDINATE_START = {ROOT.uid: 100000, WITH_SUBORDINATE_IDS.uid: 300000}
SUBORDINATE_COUNT = 65536


def subordinate_lines() -> str:
    """What /etc/subuid and /etc/subgid say in the tests."""
    return "".join(
        f"{user.name}:{SUBORDINATE_START[user.uid]}:{SUBORDINATE_COUNT}\n"
        for user in (ROOT, WITH_SUBORDINATE_IDS)
    )


@functools.cache
def databases() -> Mapping[str, Path]:
    """Our own user databases by the name of the file each stands in for."""
    directory = workspace() / "etc"
    directory.mkdir()
    users = [WITH_SUBORDINATE_IDS, WITHOUT_SUBORDINATE_IDS]
    contents = {
        "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
        + "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        + "".join(f"{user.name}:x:{user.uid}:{user.gid}::/:/bin/sh\n" for user in users),
        "/etc/group": "root:x:0:\nnogroup:x:65534:\n"
        + "".join(f"{user.name}:x:{user.gid}:\n" for user in users),
        "/etc/subuid": subordinate_lines(),
        "/etc/subgid": subordinate_lines(),
    }
    for name, content in contents.items():
        (directory / Path(name).name).write_text(content)
    return {name: directory / Path(name).name for name in contents}


def database_conditions(**replaced: str) -> list[str]:
    """Conditions that put our user databases in place; ``subuid="..."`` has other text in one."""
    conditions = ["mounts"]
    for target, source in databases().items():
        text = replaced.get(Path(target).name)
        if text is not None:
            source = new_directory() / Path(target).name
            source.write_text(text)
        # /etc/subuid is missing where no subordinate ids were ever given out.
        if Path(target).exists():
            conditions.append(f"bind={source}:{target}")
    return conditions


def user_condition(user: User) -> str:
    """The condition that makes the program run as this user."""
    return f"user={user.uid}:{user.gid}:{','.join(map(str, user.groups))}"


# ---- programs -----------------------------------------------------------------------------------


class Program(NamedTuple):
    """A way to start one of the two implementations."""

    file: str
    argument0: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()

    def words(self) -> list[str]:
        """The program as ``start`` wants it: the file, argument 0 and the first arguments."""
        return [self.file, self.argument0, *self.arguments]


def _absolute(name: str) -> str:
    return shutil.which(name) or os.path.abspath(name)


def _command_words() -> tuple[list[str], dict[str, str]]:
    """The command under test and the environment it needs."""
    given = os.environ.get("PYUNSHARE_COMMAND")
    if given:
        return shlex.split(given), {}
    if SCRIPT.exists():
        return [str(SCRIPT)], {}
    return [sys.executable, "-m", "pyunshare"], {"PYTHONPATH": str(CHECKOUT)}


_WORDS, _NEEDED = _command_words()
COMMAND = [_absolute(_WORDS[0]), *_WORDS[1:]]
NAME = os.path.basename(COMMAND[0]) if len(COMMAND) == 1 else "pyunshare"


def command(user: User = ROOT) -> Program:
    """The command under test, in a form that this user can execute."""
    argument0 = NAME if len(COMMAND) == 1 else COMMAND[0]
    program = Program(COMMAND[0], argument0, tuple(COMMAND[1:]), tuple(_NEEDED.items()))
    return _executable_by(program, user)


def reference_path() -> str | None:
    """The reference program, None where there is none that this user can execute."""
    return _reference()[0]


def reference_version() -> tuple[int, ...]:
    """The version of the reference program, () when there is none."""
    return _reference()[1]


@functools.cache
def _reference() -> tuple[str | None, tuple[int, ...]]:
    path = shutil.which(os.environ.get("PYUNSHARE_REFERENCE") or "unshare")
    if path is None:
        return None, ()
    try:
        text = subprocess.run([path, "--version"], stdout=subprocess.PIPE, check=False).stdout
    except PermissionError:  # what loads it is in somebody else's home directory
        return None, ()
    return path, tuple(map(int, re.findall(rb"\d+", text)))


@functools.cache
def reference_options() -> frozenset[str]:
    """The long options that the reference takes."""
    path = reference_path()
    if path is None:
        return frozenset()
    return frozenset(f"--{option.name}" for option in OPTIONS if takes(path, option))


def takes(program: str, option: Option) -> bool:
    """Whether an `unshare` takes an option, tried because its help may leave it out."""
    word = f"--{option.name}=" if option.requires_value else f"--{option.name}"
    said = subprocess.run(
        [program, word, "--no-such-option"],
        env={"LC_ALL": "C"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    ).stderr
    return f"unrecognized option '{word}'".encode() not in said


def is_installed(script: Path) -> bool:
    """Whether there is such a script, and the package is where it looks first for it.

    It is not after ``pip install --editable``, which leaves it to site to find the checkout.
    """
    library = script.resolve().parent.parent / "lib"
    modules = library.glob("python3*/*-packages/pyunshare/amalgamation.py")
    return script.exists() and any(modules)


def lean_command() -> Program:
    """The command under test without the searching that -m and site do, as when installed."""
    if len(COMMAND) == 1 and is_installed(Path(COMMAND[0])):
        return command()
    code = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); "
    code += f"from pyunshare.command import main; main({NAME!r})"
    return Program(sys.executable, sys.executable, ("-ISBXutf8", "-c", code))


def reference(user: User = ROOT) -> Program:
    """The reference program, under the name of the command under test."""
    path = reference_path()
    assert path is not None, "there is no reference program: set PYUNSHARE_REFERENCE"
    return _executable_by(Program(os.path.abspath(path), NAME), user)


def reference_tool(name: str) -> str:
    """A tool (nsenter, lsns) that lies beside the reference, else the one on PATH."""
    beside = Path(reference_path() or "/").with_name(name)
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(name)
    assert found is not None, f"{name} is missing"
    return found


@functools.cache
def _executable_by(program: Program, user: User) -> Program:
    """The same program where this user may execute it: checkouts and caches can be private."""
    if os.geteuid() != 0 or user.uid == 0:
        return program
    tried = []
    for candidate in _copies(program):
        result = start(candidate, ["--version"], user=user)
        if result.status == 0:
            return candidate
        tried.append(f"{candidate.words()}: {result!r}")
    raise AssertionError(f"{user.name} cannot run the program:\n" + "\n".join(tried))


def _copies(program: Program) -> Iterator[Program]:
    """The program itself; else a copy of it in the workspace, by any interpreter there is."""
    yield program
    if Path(program.file).read_bytes()[:4] == b"\x7fELF" and not program.arguments:
        yield _with_its_libraries(program)
        return
    copy = copied_package()
    script = copy / "bin" / "pyunshare"
    if not program.arguments:
        yield Program(str(script), NAME)
    for interpreter in dict.fromkeys([sys.executable, "/usr/bin/python3", _absolute("python3")]):
        if program.arguments:
            needed = (("PYTHONPATH", str(copy)),)
            yield Program(interpreter, interpreter, ("-m", "pyunshare"), needed)
        else:
            yield Program(interpreter, interpreter, ("-IS", str(script)))


@functools.cache
def copied_package() -> Path:
    """A copy of the checkout's package and script that every user may read."""
    copy = workspace() / "package"
    for name in ("pyunshare", "bin"):
        shutil.copytree(CHECKOUT / name, copy / name)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return copy


def _with_its_libraries(program: Program) -> Program:
    """A copy of a dynamic executable, its loader and its libraries, started through the loader."""
    directory = Path(tempfile.mkdtemp(dir=workspace()))
    directory.chmod(0o755)
    loader = interpreter_of(program.file)
    for path in {loader, program.file, *libraries_of(program.file)}:
        shutil.copy(path, directory)
    copied_loader = str(directory / os.path.basename(loader))
    return Program(
        copied_loader,
        copied_loader,
        (
            "--argv0",
            program.argument0,
            "--library-path",
            str(directory),
            str(directory / os.path.basename(program.file)),
        ),
    )


def libraries_of(path: str) -> list[str]:
    """The libraries that a dynamic executable would be started with."""
    line = [interpreter_of(path), "--list", path]
    listed = subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout
    return [os.fsdecode(word) for word in listed.split() if word.startswith(b"/")]


def interpreter_of(path: str) -> str:
    """The program interpreter (the dynamic loader) that an executable names."""
    content = Path(path).read_bytes()
    is_64_bit = content[4] == 2  # EI_CLASS
    (table,) = struct.unpack_from("=Q" if is_64_bit else "=I", content, 0x20 if is_64_bit else 0x1C)
    size, count = struct.unpack_from("=HH", content, 0x36 if is_64_bit else 0x2A)
    for offset in range(table, table + size * count, size):
        if is_64_bit:
            kind, _, begin, _, _, length = struct.unpack_from("=IIQQQQ", content, offset)
        else:
            kind, begin, _, _, length = struct.unpack_from("=IIIII", content, offset)
        if kind == 3:  # PT_INTERP
            return os.fsdecode(content[begin : begin + length].rstrip(b"\0"))
    raise AssertionError(f"{path} has no program interpreter")


# ---- running ------------------------------------------------------------------------------------


class Result(NamedTuple):
    """How a program ended: its status (negative: the signal; None: killed after a timeout)."""

    status: int | None
    stdout: bytes
    stderr: bytes
    pid: int

    @property
    def lines(self) -> list[str]:
        """The lines of the standard output."""
        return os.fsdecode(self.stdout).splitlines()


# Where the C library is another, its own texts are right: with musl, "Result not representable"
TEXTS_OF_GLIBC = {
    errno.EBUSY: "Device or resource busy",
    errno.ECHILD: "No child processes",
    errno.EIO: "Input/output error",
    errno.ELOOP: "Too many levels of symbolic links",
    errno.EMFILE: "Too many open files",
    errno.ENAMETOOLONG: "File name too long",
    errno.ENOMEM: "Cannot allocate memory",
    errno.ENOTTY: "Inappropriate ioctl for device",
    errno.EOVERFLOW: "Value too large for defined data type",
    errno.ERANGE: "Numerical result out of range",
    errno.EXDEV: "Invalid cross-device link",
}
TRANSLATED = [
    (os.strerror(number).encode(), text.encode())
    for number, text in TEXTS_OF_GLIBC.items()
    if os.strerror(number) != text
]


def in_words_of_glibc(output: bytes) -> bytes:
    """What was printed, as the tests expect it, and as the reference says it."""
    for ours, theirs in TRANSLATED:
        output = output.replace(ours, theirs)
    return output


class Launch(NamedTuple):
    """A program to start, by whom and in what conditions, and what it is given.

    It leads a session of its own, in a neutral directory. An ordinary user gets our own user
    databases, in a mount namespace where they are mounted.
    """

    argv: Sequence[Word]  # behind the name of the program, or with it where there is no program
    program: Program | None = None
    user: User = ROOT
    conditions: Sequence[Word] = ()  # see start.c
    environment: Mapping[str, str] | None = None  # or else ENVIRONMENT
    stdin: int | None = subprocess.DEVNULL
    send: bytes | None = None  # by a pipe, instead
    stdout: int = subprocess.PIPE
    stderr: int = subprocess.PIPE
    descriptors: Sequence[int] = ()
    timeout: float = PATIENCE

    def words(self) -> list[bytes]:
        """The words of a command line that starts it."""
        if self.program is None:
            return [os.fsencode(word) for word in self.argv]
        before: list[Word] = []
        # Where the program needs a variable it comes last, so that a test can see the first ones.
        after: list[Word] = [f"env={name}={value}" for name, value in self.program.environment]
        if os.geteuid() == 0 and self.user.uid != 0:
            before += database_conditions()
            after.append(user_condition(self.user))
        line: list[Word] = [self.program.file, *self.program.arguments, *self.argv]
        conditions = [*before, *self.conditions, *after]
        if conditions:
            started = [*self.program.words(), *self.argv]
            line = [str(compiled("start")), *conditions, "--", *started]
        return [os.fsencode(word) for word in line]

    def start(self) -> subprocess.Popen[bytes]:
        """Start it."""
        return subprocess.Popen(
            self.words(),
            env=dict(ENVIRONMENT if self.environment is None else self.environment),
            stdin=self.stdin if self.send is None else subprocess.PIPE,
            stdout=self.stdout,
            stderr=self.stderr,
            pass_fds=self.descriptors,
            cwd=workspace(),
            start_new_session=True,
        )

    def run(self) -> Result:
        """Run it and see that nothing of its session stays."""
        with self.start() as process:
            try:
                output, errors = process.communicate(self.send, self.timeout)
                status: int | None = process.returncode
            except subprocess.TimeoutExpired:
                kill_session(process)
                output, errors = process.communicate(timeout=PATIENCE)
                status = None
        output, errors = (in_words_of_glibc(each or b"") for each in (output, errors))
        return Result(status, output, errors, process.pid)


def run(argv: Sequence[Word], **given: Any) -> Result:
    """Run a program; what is given are fields of ``Launch``, here and below."""
    return Launch(argv, **given).run()


def popen(argv: Sequence[Word], **given: Any) -> subprocess.Popen[bytes]:
    """Start a program."""
    return Launch(argv, **given).start()


def start(program: Program, argv: Sequence[Word], **given: Any) -> Result:
    """Run one of the two implementations, as a user and under conditions."""
    return Launch(argv, program, **given).run()


def started(program: Program, argv: Sequence[Word], **given: Any) -> list[bytes]:
    """The words of a command line that starts one of the two implementations."""
    return Launch(argv, program, **given).words()


def pyunshare(*argv: Word, user: User = ROOT, **given: Any) -> Result:
    """Run the command under test."""
    return Launch(argv, command(user), user, **given).run()


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill a program that ``popen`` started, and all of its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # A child that left the group, or a whole pid namespace, hangs on the pipes otherwise.
    for pid in descendants(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# ---- looking at processes -----------------------------------------------------------------------


def wait_for_name(pid: int, name: str) -> None:
    """Wait until a process has this name: execve(2) closes files a moment before it gives one."""
    path = Path(f"/proc/{pid}/comm")
    wait_for(lambda: path.read_text().strip() == name, f"process {pid} to be {name}")


def wait_for(condition: Callable[[], Found], what: str, patience: float = 20.0) -> Found:
    """The first true value of ``condition()``; fails when there is none in time."""
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


def children(pid: int) -> list[int]:
    """The children of a process, as seen from outside of all namespaces."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """All that came from a process."""
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def state(pid: int) -> str:
    """The state of a process, a letter: proc_pid_stat(5). Raises OSError if there is none."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def exists(pid: int) -> bool:
    """Whether there is such a process that has not ended (an unreaped one has)."""
    try:
        return state(pid) not in "ZX"
    except OSError:
        return False


def namespace(pid: int | str, name: str) -> str:
    """The namespace of a process, as its link in /proc/PID/ns reads."""
    return os.readlink(f"/proc/{pid}/ns/{name}")


def adopt_orphans() -> None:
    """Let every orphan of a test become our child, where it can be found."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def left_over_children() -> list[int]:
    """Children that are still running; those that have ended are reaped."""
    for pid in children(os.getpid()):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return [pid for pid in children(os.getpid()) if exists(pid)]


def other_threads() -> list[str]:
    """The threads of our own process beside the first one."""
    return [each for each in os.listdir("/proc/self/task") if int(each) != os.getpid()]


def mount_table() -> list[str]:
    """The mounts of our own mount namespace."""
    return Path("/proc/self/mountinfo").read_text().splitlines()


def own_state() -> dict[str, object]:
    """What a launch must leave alone in the process that asks for it.

    SIGALRM belongs to pytest-timeout, which sets it back as soon as a test has failed.
    """
    return {
        "namespaces": sorted(
            (name, os.readlink(f"/proc/self/ns/{name}")) for name in os.listdir("/proc/self/ns")
        ),
        "descriptors": sorted(os.listdir("/proc/self/fd"), key=int),
        "directory": os.getcwd(),
        "handlers": [
            signal.getsignal(number) for number in sorted(signal.valid_signals() - {signal.SIGALRM})
        ],
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "ids": (os.getresuid(), os.getresgid(), os.getgroups()),
        "environment": {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
        "mounts": mount_table(),
    }


@contextlib.contextmanager
def own_state_kept() -> Iterator[None]:
    """Check that what a launch must leave alone is the same at the end, without more threads."""
    before, threads = own_state(), len(other_threads())
    yield
    wait_for(lambda: len(other_threads()) <= threads, "threads to end")
    changed = {
        name: (before[name], now) for name, now in own_state().items() if now != before[name]
    }
    assert not changed, changed


def in_a_child(action: Callable[[], object], patience: float | None = None) -> str:
    """What an action returns in a process of its own, or the exception it raises.

    Nothing where it took longer than the patience; then it is killed with all that it started.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, str(action()).encode())
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        if not select.select([pipe], [], [], patience)[0]:
            for each in [*descendants(pid), pid]:
                os.kill(each, signal.SIGKILL)
        text = pipe.read()
    os.waitpid(pid, 0)
    return text
