"""Files that somebody else can make, or mask, where a launch reads one: it ends as the reference.

/etc/subuid and /etc/subgid are those of the machine, which containers mask; /etc/passwd is that of
a new root, which may be hostile.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable

import pytest

from pyunshare.lines import LONGEST_LINE, read_lines
from tests.helpers import support
from tests.helpers.faults import comparable_message
from tests.helpers.machine import needs
from tests.helpers.support import Program

pytestmark = [needs("root", "compiler")]

NO_DRIVER = os.makedev(240, 77)  # of a range for local use
SUBORDINATE = b"root:100000:65536\n"
ENTRY = b"root:x:0:0::/:/bin/listed\n"


# ---- kinds of files -----------------------------------------------------------------------------


def directory(path: Path, _: bytes) -> None:
    """Make a directory."""
    path.mkdir()


def dangling_link(path: Path, _: bytes) -> None:
    """Make a link to nothing."""
    path.symlink_to("/nonexistent")


def circular_link(path: Path, _: bytes) -> None:
    """Make a link to itself."""
    path.symlink_to(path.name)


def listening_socket(path: Path, _: bytes) -> None:
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def null_device(path: Path, _: bytes) -> None:
    """Make a device that has no bytes."""
    os.mknod(path, stat.S_IFCHR | 0o666, os.stat("/dev/null").st_rdev)


def missing_device(path: Path, _: bytes) -> None:
    """Make a device that is not there."""
    os.mknod(path, stat.S_IFCHR | 0o666, NO_DRIVER)


def missing_disk(path: Path, _: bytes) -> None:
    """Make a block device that is not there."""
    os.mknod(path, stat.S_IFBLK | 0o666, NO_DRIVER)


def regular_file(path: Path, content: bytes) -> None:
    """Make what should be there."""
    path.write_bytes(content)


def empty_file(path: Path, _: bytes) -> None:
    """Make an empty file."""
    path.touch()


KINDS = [
    directory,
    dangling_link,
    circular_link,
    listening_socket,
    null_device,
    missing_device,
    missing_disk,
    regular_file,
    empty_file,
    None,
]


def kind_name(kind: object) -> str:
    """The kind of a file in the name of a test."""
    return getattr(kind, "__name__", "nothing")


def ends(program: Program, words: Sequence[str], conditions: Sequence[str]) -> tuple[object, str]:
    """How a launch ends, and what it says."""
    result = support.start(program, words, conditions=conditions)
    return result.status, comparable_message(result.stdout + result.stderr)


# ---- subordinate ids ----------------------------------------------------------------------------


def etc_with(kind: Callable[[Path, bytes], None] | None, content: bytes = SUBORDINATE) -> Path:
    """A directory to be /etc, with files of that kind for the subordinate ids."""
    etc = support.new_directory()
    (etc / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (etc / "nsswitch.conf").write_text("passwd: files\n")
    for name in ("subuid", "subgid"):
        if kind:
            kind(etc / name, content)
    return etc


def both_map(etc: Path) -> tuple[tuple[object, str], tuple[object, str]]:
    """What becomes of --map-auto with another /etc, here and with the reference."""
    words = ["--map-auto", "/bin/cat", "/proc/self/uid_map"]
    conditions = ["mounts", f"bind={etc}:/etc"]
    ours, theirs = (
        ends(program, words, conditions)
        for program in (support.lean_command(), support.reference())
    )
    return ours, theirs


@needs("reference", "user namespaces")
@pytest.mark.parametrize("kind", KINDS, ids=kind_name)
def test_subordinate_ids_in_a_file_of_any_kind(
    kind: Callable[[Path, bytes], None] | None,
) -> None:
    ours, theirs = both_map(etc_with(kind))
    assert ours == theirs
    if kind in (directory, null_device):
        assert ours == (1, 'no line matching user "root" in /etc/subuid')


SUBORDINATE_LINES = [
    b"root:100000:65536",
    b"root:100000:65536\r\n",
    b"ro\0ot\nroot:5:6\n",
    b"root:5:\x006\n",
    b"root:5:6\x007\n",
    b"\0root:1:2\nroot:7:8\n",
    b"\n\n" + SUBORDINATE,
    b"x" * 200_000 + b"\nroot:7:8\n",
    b"root:1:2" + b" " * 100_000 + b"\nroot:7:8\n",
    b"root:7:" + b"0" * 100_000 + b"8\n",
    b"root:-1:5\n",
    b"root:+7:+8\n",
    b"root:\t7:8\n",
    b"root:7:8 \n",
    b"root:1:2:3\n",
    b"root:1\n",
]


@needs("reference", "user namespaces")
@pytest.mark.parametrize("content", SUBORDINATE_LINES, ids=lambda text: repr(text[:25]))
def test_subordinate_ids_in_odd_lines(content: bytes) -> None:
    ours, theirs = both_map(etc_with(regular_file, content))
    assert ours == theirs


@needs("reference", "user namespaces")
def test_subordinate_ids_from_a_fifo() -> None:
    for program in (support.lean_command(), support.reference()):
        etc = etc_with(lambda path, _: os.mkfifo(path))
        words = ["--map-auto", "/bin/cat", "/proc/self/uid_map"]
        line = support.started(program, words, conditions=["mounts", f"bind={etc}:/etc"])
        with support.popen(line) as process:
            for name in ("subuid", "subgid"):
                (etc / name).write_bytes(SUBORDINATE)  # which waits for a reader
            output, errors = process.communicate(timeout=support.PATIENCE)
        assert (output.split(), errors) == ([b"0", b"100000", b"65536"], b"")


# ---- the login shell of a new root --------------------------------------------------------------


def root_with(kind: Callable[[Path, bytes], None] | None, content: bytes = ENTRY) -> Path:
    """A root directory with two shells, and something where its users would be listed."""
    root = support.new_directory()
    for name in ("bin", "etc"):
        (root / name).mkdir()
    for name in ("sh", "listed"):
        shutil.copy(support.compiled("probe"), root / "bin" / name)
    if kind:
        kind(root / "etc/passwd", content)
    return root


def shells(root: Path) -> list[tuple[object, str]]:
    """Which shell is started in a root, or why none, here and by the reference."""
    found = []
    for program in (support.command(), support.reference()):
        status, said = ends(program, ["--root", str(root)], [])
        arguments = [line for line in said.splitlines() if line.startswith("argument=")]
        found.append((status, "\n".join(arguments) or said))
    return found


@needs("reference")
@pytest.mark.parametrize("kind", KINDS, ids=kind_name)
def test_a_login_shell_by_a_file_of_any_kind(
    kind: Callable[[Path, bytes], None] | None,
) -> None:
    ours, theirs = shells(root_with(kind))
    assert ours == theirs
    assert ours[1] == f"argument=-{'listed' if kind is regular_file else 'sh'}"


PASSWD_LINES = [
    b"root:x:0:0::/:/bin/\0sh\n",
    b"root:x:0:0::/:/bin/listed\0garbage\n",
    b"\0" + ENTRY,
    b"ro\0ot:x:0:0::/:/bin/sh\n" + ENTRY,
    b"root:x:0:0\0\n" + ENTRY,
    b"root:x:0:0::/:\0/bin/sh\n" + ENTRY,
    *(
        b"root:x:%s:0::/:/bin/listed\n" % uid
        for uid in (b"-0", b"+0", b" 0", b" +0", b"+-0", b"0" * 30, b"0x0", b"0 ", b"", b"+")
    ),
    *(b"root:x:%d:0::/:/bin/listed\n" % (1 << bits) for bits in (32, 64)),
    *(
        b"root:x:0:%s::/:/bin/listed\n" % gid
        for gid in (b"-0", b"+0", b"-1", b"", b"x", b"4294967295", b"4294967296", b"9" * 30)
    ),
    b"root:x:0:0:" + b"g" * 100_000 + b":/:/bin/listed\n",
    b"x" * 200_000 + b"\n" + ENTRY,
    b"y" * 65_530 + ENTRY + ENTRY,
    b"root:x:0:0::/:/" + b"s" * 70_000 + b"\n",
    b"+root:x:0:0::/:/bin/listed\n",
    b" \t" + ENTRY,
    b"root:x:0:0\n" + ENTRY,
    b"root:x:0:0::/:/bin/listed\r\n",
    ENTRY[:-1],
]


@needs("reference")
@pytest.mark.parametrize("content", PASSWD_LINES, ids=lambda text: repr(text[:35]))
def test_a_login_shell_by_odd_lines(content: bytes) -> None:
    ours, theirs = shells(root_with(regular_file, content))
    assert ours == theirs


@pytest.mark.parametrize("device", ["zero", "full", "random"])
def test_a_device_without_an_end_lists_nobody(device: str) -> None:
    """The reference reads on and on."""
    root = root_with(
        lambda path, _: os.mknod(path, stat.S_IFCHR, os.stat(f"/dev/{device}").st_rdev)
    )
    assert support.pyunshare("--root", str(root)).status == 0


def test_nobody_waits_for_a_fifo_that_is_not_written_to() -> None:
    """The reference does."""
    root = root_with(lambda path, _: os.mkfifo(path))
    assert support.pyunshare("--root", str(root)).status == 0


# ---- memory -------------------------------------------------------------------------------------

ENOUGH = 320 << 20  # bytes of memory in all, of which the interpreter takes some
MUCH_MORE = 400 << 20


@contextlib.contextmanager
def large_passwd(short_lines: bool) -> Iterator[Path]:
    """A root in which the file of users is larger than the memory, and ends with an entry."""
    root = root_with(None)
    with (root / "etc/passwd").open("wb") as file:
        if short_lines:
            lines = b"user:x:1000:1000::/:/bin/sh\n" * 100_000
            for _ in range(MUCH_MORE // len(lines)):
                file.write(lines)
        else:
            file.seek(MUCH_MORE)
        file.write(b"\n" + ENTRY)
    try:
        yield root
    finally:
        (root / "etc/passwd").unlink()


@pytest.mark.parametrize("short_lines", [True, False], ids=["short lines", "a hole"])
def test_a_large_file_of_users_takes_no_memory(short_lines: bool) -> None:
    with large_passwd(short_lines) as root:
        limit = f"limit={resource.RLIMIT_AS}:{ENOUGH}:{ENOUGH}"
        result = support.start(
            support.lean_command(), ["--root", str(root)], conditions=[limit, "emptyenv"]
        )
    assert (result.status, result.stderr) == (0, b"")
    assert b"argument=-listed\n" in result.stdout


@pytest.mark.parametrize("length", [LONGEST_LINE, LONGEST_LINE + 1])
def test_a_line_is_read_whole_or_not_at_all(length: int, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"before\n" + b"x" * length + b"\nafter\n" + b"y" * length)
    found = [(line[:1], len(line)) for line in read_lines(str(path))]
    long_ones = [(b"x", length), (b"y", length)] if length == LONGEST_LINE else []
    assert found == [(b"b", 6), *long_ones[:1], (b"a", 5), *long_ones[1:]]
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:  # as it comes, in pieces
        assert cat.stdout is not None
        piped = read_lines(f"/proc/self/fd/{cat.stdout.fileno()}")
        assert [(line[:1], len(line)) for line in piped] == found
