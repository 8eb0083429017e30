"""Many launches, large ones, and launches with nowhere to write to."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.helpers import support
from tests.helpers.faults import comparable_message
from tests.helpers.machine import needs
from tests.helpers.support import ROOT, WITH_SUBORDINATE_IDS, Program, Result, User, Word

pytestmark = [pytest.mark.thorough, needs("root", "compiler", "user namespaces", "child lists")]

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
AT_ONCE = 500 if DEEP else 100
IN_A_ROW = 5000 if DEEP else 500
PATIENCE = 600.0 if DEEP else 120.0

KINDS = [
    [],
    ["-f"],
    ["-r"],
    ["-r", "-p", "-f", "--mount-proc"],
    ["--map-users", "0:0:10", "-f"],
    ["--kill-child", "-S", "0"],
    ["--forward-signals", "-u"],
]


class Possessions:
    """What a test has: descriptors, mounts, and files where temporary ones would be."""

    def __init__(self) -> None:
        self.descriptors = sorted(os.listdir("/proc/self/fd"))
        self.mounts = support.mount_table()
        self.files = self._files()

    @staticmethod
    def _files() -> set[str]:
        """Files with our name, but for the workspaces, of which other tests have theirs."""
        places = [Path(tempfile.gettempdir()), Path("/run"), Path("/dev/shm")]
        found = {str(path) for place in places if place.is_dir() for path in place.iterdir()}
        return {path for path in found if "unshare" in path and "unshare-tests-" not in path}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Possessions) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


@pytest.fixture
def nothing_new() -> Iterator[None]:
    """See that the test has afterwards what it had before."""
    support.workspace()
    before = Possessions()
    yield
    after = Possessions()
    assert vars(after) == vars(before)


def options_of(index: int) -> tuple[list[str], int]:
    """The options of one launch of many, and the status that it is to have."""
    return KINDS[index % len(KINDS)], index % 256


@pytest.mark.usefixtures("nothing_new")
def test_many_launches_at_once() -> None:
    running: list[tuple[subprocess.Popen[bytes], int]] = []
    with contextlib.ExitStack() as stack:
        stopping, starting = os.pipe()
        stack.callback(os.close, stopping)
        for index in range(AT_ONCE):
            options, status = options_of(index)
            # Each waits for the end of the input, which comes to all of them together.
            words = [*options, "sh", "-c", f"read line; exit {status}"]
            line = support.started(support.command(), words)
            process = stack.enter_context(support.popen(line, stdin=stopping))
            running.append((process, status))
        os.close(starting)
        for process, status in running:
            output, errors = process.communicate(timeout=PATIENCE)
            assert (process.returncode, output, errors) == (status, b"", b"")


@pytest.mark.usefixtures("nothing_new")
def test_many_launches_one_after_the_other() -> None:
    for index in range(IN_A_ROW):
        options, status = options_of(index)
        result = support.pyunshare(*options, "sh", "-c", f"exit {status}")
        assert (result.status, result.stdout, result.stderr) == (status, b"", b""), index


@pytest.mark.usefixtures("nothing_new")
def test_many_failing_launches_at_once() -> None:
    with contextlib.ExitStack() as stack:
        running = []
        for index in range(AT_ONCE):
            options, _ = options_of(index)
            line = support.started(support.command(), [*options, "/nonexistent/program"])
            running.append(stack.enter_context(support.popen(line)))
        for process in running:
            _, errors = process.communicate(timeout=PATIENCE)
            assert process.returncode == 127
            assert errors.endswith(
                b"failed to execute /nonexistent/program: No such file or directory\n"
            )


# ---- arguments and environment ------------------------------------------------------------------

EVERY_BYTE = bytes(range(1, 256))


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX", "xx_YY.BAD", ""])
@pytest.mark.parametrize("fork", [[], ["-f"], ["-r", "-f"]], ids=str)
def test_arguments_of_every_byte(locale: str, fork: list[str]) -> None:
    arguments = [bytes([value]) for value in EVERY_BYTE]
    arguments += [EVERY_BYTE, EVERY_BYTE[::-1], b"", b"-", b"--", b"--help"]
    environment = {**support.ENVIRONMENT, "LC_ALL": locale}
    result = support.start(
        support.command(),
        [*fork, "sh", "-c", 'printf "%s\\0" "$@"', "sh", *arguments],
        environment=environment,
    )
    assert result.status == 0
    assert result.stdout.split(b"\0")[:-1] == arguments


def test_an_option_value_of_every_byte() -> None:
    """As a directory, a name of any bytes has to be found, and to be shown where it is missing."""
    name = bytes(set(EVERY_BYTE) - {ord("/"), ord("\n")})[:250]
    directory = os.fsencode(support.new_directory()) + b"/" + name
    os.mkdir(directory)
    result = support.pyunshare("-w", directory, "pwd")
    assert (result.status, result.stdout) == (0, directory + b"\n")
    os.rmdir(directory)
    result = support.pyunshare("-w", directory, "pwd")
    assert result.status == 1
    assert b"cannot change directory to " + directory + b": No such file" in result.stderr


@pytest.mark.parametrize("fork", [[], ["-f"]], ids=str)
def test_a_hundred_thousand_arguments(fork: list[str]) -> None:
    arguments = [str(index) for index in range(100_000)]
    result = support.pyunshare(
        *fork, "sh", "-c", 'echo $# "$1"; shift 99999; echo "$1"', "sh", *arguments
    )
    assert result.lines == ["100000 0", "99999"]


@pytest.mark.parametrize("fork", [[], ["-f"]], ids=str)
def test_as_many_options_as_arguments(fork: list[str]) -> None:
    result = support.pyunshare(*fork, *["-u"] * 50_000, "echo", "done")
    assert (result.status, result.stdout) == (0, b"done\n")


def big_environment(size: int) -> dict[str, str]:
    """An environment of about this many bytes; the kernel allows 128 KiB for one entry."""
    value = "v" * 100_000
    return {**support.ENVIRONMENT, **{f"BIG{index}": value for index in range(size // len(value))}}


@pytest.mark.parametrize("options", [[], ["-f"], ["-r"], ["--map-users", "0:0:10"]], ids=str)
def test_two_megabytes_of_environment(options: list[str]) -> None:
    environment = big_environment(2_000_000)
    # A quarter of the stack's limit is for arguments and environment; the usual 8 MiB give 2.
    result = support.start(
        support.command(),
        [*options, "cat", "/proc/self/environ"],
        environment=environment,
    )
    assert result.status == 0, result.stderr
    entries = dict(entry.split(b"=", 1) for entry in result.stdout.split(b"\0") if entry)
    for name, value in environment.items():
        assert entries[os.fsencode(name)] == os.fsencode(value)


def test_a_chosen_environment_of_hundreds_of_names() -> None:
    environment = {**support.ENVIRONMENT, **{f"NAME{index}": str(index) for index in range(2000)}}
    names = ",".join(f"NAME{index}" for index in range(0, 2000, 2))
    result = support.start(
        support.command(),
        ["--whitelist-env", names, "/bin/cat", "/proc/self/environ"],
        environment=environment,
    )
    assert result.status == 0, result.stderr
    entries = [entry for entry in result.stdout.split(b"\0") if entry]
    assert sorted(entries) == sorted(b"NAME%d=%d" % (index, index) for index in range(0, 2000, 2))


@needs("reference")
@pytest.mark.parametrize("length", [131_000, 200_000])
def test_an_argument_as_long_as_the_kernel_takes_and_longer(length: int) -> None:
    """A launcher cannot be given more than the program takes, except where it makes it longer."""
    script = support.new_directory() / "script"
    script.write_text("echo ${#1}\n")
    script.chmod(0o755)
    arguments = ["x" * min(length, 131_000)] * (1 + (length > 131_000) * 12)
    results = [
        support.start(program, [str(script), *arguments], conditions=["limit=3:1048576:1048576"])
        for program in (support.command(), support.reference())
    ]
    assert results[0].status == results[1].status
    assert results[0].stdout == results[1].stdout


# ---- standard descriptors -----------------------------------------------------------------------

CLOSED = [closed for count in range(4) for closed in itertools.combinations((0, 1, 2), count)]
DESCRIPTOR_KINDS = [[], ["-f"], ["--map-users", "0:0:10", "-f"], ["--kill-child", "-S", "0"]]


@pytest.mark.parametrize("closed", CLOSED, ids=str)
@pytest.mark.parametrize("options", DESCRIPTOR_KINDS, ids=str)
def test_closed_descriptors_stay_closed(options: list[str], closed: Sequence[int]) -> None:
    report = support.new_directory() / "report"
    # The shell opens the report under a number of its own only for the one command.
    script = (
        f'for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && list="$list$n"; done; echo "$list" > {report}'
    )
    result = support.start(
        support.command(),
        [*options, "sh", "-c", script],
        conditions=[f"close={number}" for number in closed],
    )
    assert result.status == 0
    expected = "".join(str(number) for number in (0, 1, 2) if number not in closed)
    assert report.read_text() == f"{expected}\n"


@needs("reference")
def test_no_file_of_ours_is_taken_for_standard_error() -> None:
    """With 0 and 2 closed a pipe would take their places, and the message release a helper."""
    file = support.new_directory() / "namespace"
    file.touch()
    result = support.start(
        support.command(WITH_SUBORDINATE_IDS),
        [f"--uts={file}", "--map-auto", "/bin/true"],
        user=WITH_SUBORDINATE_IDS,
        conditions=["close=0", "close=2"],
        environment={"PATH": "/nonexistent"},
    )
    # newuidmap is not found, which would be 127, and cannot be told, which makes it 1.
    assert result.status == 1


@pytest.mark.parametrize("closed", CLOSED, ids=str)
@pytest.mark.parametrize(
    "words",
    [
        ["/nonexistent"],
        ["--no-such-option"],
        ["-f", "/nonexistent"],
        ["-w", "/nonexistent", "true"],
    ],
    ids=str,
)
def test_failures_with_closed_descriptors_end_as_with_the_reference(
    words: list[str], closed: Sequence[int]
) -> None:
    # With a condition, both are started under one name.
    conditions = ["umask=022", *(f"close={number}" for number in closed)]
    ours, theirs = (
        support.start(program, words, conditions=conditions)
        for program in (support.command(), support.reference())
    )
    assert ours.status == theirs.status
    assert (ours.stdout, comparable_message(ours.stderr)) == (
        theirs.stdout,
        comparable_message(theirs.stderr),
    )


def with_output(
    program: Program, words: Sequence[Word], stdout: int, stderr: int, user: User = ROOT
) -> Result:
    """Run a launch with these standard descriptors."""
    return support.start(program, words, stdout=stdout, stderr=stderr, user=user)


@contextlib.contextmanager
def broken_output(kind: str) -> Iterator[int]:
    """A descriptor that cannot be written to: a full device, or a pipe that nobody reads."""
    if kind == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reading, descriptor = os.pipe()
        os.close(reading)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@needs("reference")
@pytest.mark.parametrize("kind", ["full", "gone"])
@pytest.mark.parametrize("words", [["--help"], ["--version"]], ids=str)
def test_help_that_cannot_be_written(kind: str, words: list[str]) -> None:
    results = []
    for program in (support.command(), support.reference()):
        with broken_output(kind) as output:
            results.append(with_output(program, words, output, subprocess.PIPE))
    ours, theirs = results
    assert ours.status == theirs.status
    assert comparable_message(ours.stderr) == comparable_message(theirs.stderr)


FAILING = [
    ["/nonexistent"],
    ["-f", "/nonexistent"],
    ["/etc/passwd"],
    ["-w", "/nonexistent", "true"],
    ["--no-such-option"],
    ["-S", "x"],
    ["--map-users", "0:0:10", "-f", "/nonexistent"],
]


@needs("reference")
@pytest.mark.parametrize("kind", ["full", "gone"])
@pytest.mark.parametrize("words", FAILING, ids=str)
def test_a_message_that_cannot_be_written(kind: str, words: list[str]) -> None:
    results = []
    for program in (support.command(), support.reference()):
        with broken_output(kind) as output:
            results.append(with_output(program, words, subprocess.PIPE, output))
    assert results[0].status == results[1].status
    assert results[0].stdout == results[1].stdout


@pytest.mark.parametrize("kind", ["full", "gone"])
@pytest.mark.parametrize("options", DESCRIPTOR_KINDS, ids=str)
def test_broken_output_is_no_matter_for_a_launch_that_works(kind: str, options: list[str]) -> None:
    with broken_output(kind) as output:
        result = with_output(support.command(), [*options, "sh", "-c", "exit 3"], output, output)
    assert result.status == 3


def test_a_reader_that_goes_away_ends_the_program_with_sigpipe() -> None:
    """SIGPIPE, which Python ignores, has its default in the program and ends it."""
    for options in DESCRIPTOR_KINDS:
        line = support.started(support.command(), [*options, "yes"])
        with support.popen(line) as process:
            assert process.stdout is not None
            readable, _, _ = select.select([process.stdout], [], [], support.PATIENCE)
            assert readable
            process.stdout.close()
            deadline = time.monotonic() + support.PATIENCE
            status = process.wait(max(0, deadline - time.monotonic()))
        assert status == -13
