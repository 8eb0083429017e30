"""Small files, read and written whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from errno import EINVAL, ENOENT
from pathlib import Path

import pytest

from pyunshare.errors import Failure
from pyunshare.files import read_file, write_file

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
    assert os.fsencode(read_file(str(file))) == content


def test_files_of_proc_are_regular_ones() -> None:
    """They say that they are empty, and are not."""
    assert read_file("/proc/self/environ") == Path("/proc/self/environ").read_text()


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
        read_file(paths[kind])
    assert caught.value.errno == EINVAL


@pytest.mark.usefixtures("nothing_stays_open")
def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        read_file(str(tmp_path / "missing"))
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
