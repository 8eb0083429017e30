"""Small files, read and written whole."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from errno import EFBIG, EINVAL, ELOOP, ENOENT
from pathlib import Path

import pytest

from pyunshare.errors import Failure
from pyunshare.files import BLOCK, LARGEST_FILE, read_bytes, write_file
from pyunshare.lines import LONGEST_LINE, read_lines

SIZES = [0, 1, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 3 << 16]


@pytest.fixture
def nothing_stays_open() -> Iterator[None]:
    """See that no descriptor is left, whatever came of the reading."""
    lowest = os.dup(0)
    os.close(lowest)
    yield
    again = os.dup(0)
    os.close(again)
    assert again == lowest


@pytest.mark.usefixtures("nothing_stays_open")
@pytest.mark.parametrize("size", SIZES)
def test_read_as_it_is(size: int, tmp_path: Path) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    file = tmp_path / "file"
    file.write_bytes(content)
    assert read_bytes(str(file)) == content


def test_files_of_proc_are_regular_ones() -> None:
    """They say that they are empty, and are not."""
    assert read_bytes("/proc/self/environ") == Path("/proc/self/environ").read_bytes()


@pytest.mark.usefixtures("nothing_stays_open")
@pytest.mark.parametrize("kind", ["device", "endless device", "pipe", "directory"])
def test_nothing_else_is_read_or_waited_for(kind: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    paths = {
        "device": "/dev/null",
        "endless device": "/dev/zero",
        "pipe": str(pipe),
        "directory": str(tmp_path),
    }
    with pytest.raises(OSError, match="Invalid argument") as caught:
        read_bytes(paths[kind])
    assert caught.value.errno == EINVAL


@pytest.mark.usefixtures("nothing_stays_open")
@pytest.mark.parametrize("size", [LARGEST_FILE, LARGEST_FILE + 2 * BLOCK])
def test_what_is_too_large_is_not_read(size: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    os.truncate(file, size)
    if size <= LARGEST_FILE:
        assert len(read_bytes(str(file))) == size
        return
    with pytest.raises(OSError, match="too large") as caught:
        read_bytes(str(file))
    assert caught.value.errno == EFBIG


@pytest.mark.usefixtures("nothing_stays_open")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"\n\na", [b"a"]),
        (b"a\0b\nc\0", [b"a", b"c"]),
        (b"x" * (BLOCK - 1) + b"\nyz", [b"x" * (BLOCK - 1), b"yz"]),
        (b"x" * (BLOCK - 2) + b"\nyz\n", [b"x" * (BLOCK - 2), b"yz"]),
        (b"a\n" + b"x" * BLOCK + b"\nb\n", [b"a", b"x" * BLOCK, b"b"]),
        (b"x" * (3 * BLOCK), [b"x" * (3 * BLOCK)]),
        (b"a\n" + b"x" * (LONGEST_LINE + BLOCK) + b"\nb", [b"a", b"b"]),
        (b"x" * LONGEST_LINE, [b"x" * LONGEST_LINE]),
        (b"x" * (LONGEST_LINE + 1), []),
        (b"x\0" + b"y" * (LONGEST_LINE + BLOCK) + b"\nb", [b"x", b"b"]),
    ],
    ids=lambda value: f"{value[:5]!r}",
)
def test_lines(content: bytes, expected: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert list(read_lines(str(file))) == expected


@pytest.mark.usefixtures("nothing_stays_open")
@pytest.mark.parametrize("path", ["/", "/dev/zero", "/dev/null"])
def test_what_has_no_lines(path: str) -> None:
    assert list(read_lines(path)) == []


def test_lines_are_read_with_the_flags_that_are_given(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"a\n")
    link.symlink_to(file)
    assert list(read_lines(str(link))) == [b"a"]
    with pytest.raises(OSError, match="ymbolic link") as caught:
        list(read_lines(str(link), os.O_NOFOLLOW))
    assert caught.value.errno == ELOOP


@pytest.mark.parametrize("flags", [0, os.O_NOFOLLOW])
def test_an_open_file_is_closed_by_execve(flags: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a\nb\n")
    lowest = os.dup(0)
    os.close(lowest)
    lines = read_lines(str(file), flags)
    assert next(lines) == b"a"
    assert not os.get_inheritable(lowest)
    assert fcntl.fcntl(lowest, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        read_bytes(str(tmp_path / "missing"))
    assert caught.value.errno == ENOENT


def test_write_to_a_file_that_is_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    write_file(str(file), "\udcff\u00e9", "cannot open", "cannot write")
    assert file.read_bytes() == b"\xff\xc3\xa9ore"


def test_write_to_a_file_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    directory = os.open(tmp_path, os.O_PATH)
    try:
        write_file("file", "text", "cannot open", "cannot write", "dir", directory)
    finally:
        os.close(directory)
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("@/missing", "text", "cannot open: No such file or directory"),
        ("@", "text", "cannot open: Is a directory"),
        ("/dev/full", "text", "cannot write: No space left on device"),
    ],
)
def test_what_cannot_be_written_is_told(path: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        write_file(path.replace("@", str(tmp_path)), text, "cannot open", "cannot write")
    assert str(caught.value) == message
    assert not (tmp_path / "missing").exists()
