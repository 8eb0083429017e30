"""Records that the processes of a launch send."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from errno import ENOENT

import pytest

from pyunshare.api.status import FAILED, LONGEST_RECORD, REFUSED, Reporter, fields_of
from pyunshare.errors import Failure


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Reporter]]:
    """A socket that keeps records apart: the end that reads, and who writes to the other."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.settimeout(20)
        yield ours, Reporter(theirs.fileno())


@pytest.mark.parametrize("size", [0, 1000, LONGEST_RECORD, 1 << 22])
def test_a_failure_of_any_length_is_told(size: int, ends: tuple[socket.socket, Reporter]) -> None:
    ours, reporter = ends
    message = "m" + size * "x"
    assert reporter.report(Failure(message, ENOENT, step="open", path="/p", status=9)) == 9
    record = ours.recv(LONGEST_RECORD)
    assert record[:1] == FAILED
    errno, step, path, told = fields_of(record)
    assert (errno, step, path) == (str(ENOENT), "open", "/p")
    assert told is not None
    assert message.startswith(told)
    assert told == message or len(record) == LONGEST_RECORD


def test_a_failure_that_another_program_told(ends: tuple[socket.socket, Reporter]) -> None:
    ours, reporter = ends
    assert reporter.report(Failure("x", status=7, reported=True)) == 7
    assert fields_of(ours.recv(1000)) == [
        None,
        "launch",
        None,
        "writing the id maps failed with status 7",
    ]


def test_what_cannot_be_had(ends: tuple[socket.socket, Reporter]) -> None:
    ours, reporter = ends
    assert reporter.refuse(OSError(ENOENT, "x", "/q")) == 1
    record = ours.recv(1000)
    assert record[:1] == REFUSED
    assert fields_of(record) == [str(ENOENT), "/q"]


def test_nobody_listens(ends: tuple[socket.socket, Reporter]) -> None:
    ours, reporter = ends
    ours.close()
    assert reporter.report(Failure("x", status=3)) == 3
