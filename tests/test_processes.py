"""The gate, and the worker at it, where the other side has died: hardly ever met in a launch."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from pyunshare.errors import Failure
from pyunshare.launch.processes import Gate, Worker
from pyunshare.syscalls import load_c_library


@pytest.fixture(autouse=True)
def signal_mask() -> Iterator[None]:
    """Take back what workers do to the signals of this process."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that nobody else has a copy of."""
    gate = Gate()
    yield gate
    for descriptor in (gate._read_end, gate._write_end):
        with contextlib.suppress(OSError):  # shut by the test
            os.close(descriptor)


@pytest.fixture
def worker(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker as its own process sees it: all that it needs for that is a fork that says 0."""
    monkeypatch.setattr("posix.fork", lambda: 0)
    return Worker(gate, forward_signals=False)


def test_an_opened_gate_lets_one_pass(gate: Gate) -> None:
    gate.open()
    assert gate.wait()


def test_an_opened_gate_lets_pass_even_after_its_owner_is_gone(gate: Gate) -> None:
    gate.open()
    gate.shut()
    assert gate.wait()
    assert not gate.wait()


def test_a_gate_is_deserted_when_the_last_write_end_is_closed(gate: Gate) -> None:
    assert not gate.is_deserted()
    gate.shut()
    assert gate.is_deserted()


def test_a_deserted_gate_is_not_waited_at(gate: Gate) -> None:
    gate.shut()
    assert not gate.wait()


def test_the_worker_has_the_callers_signal_mask(worker: Worker) -> None:
    assert worker.is_this_process
    during = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert during >= {signal.SIGINT, signal.SIGTERM}
    worker.begin(wait_for_parent=False)
    after = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert not after & {signal.SIGINT, signal.SIGTERM}


def test_a_worker_whose_parent_died_before_the_files_were_bound(worker: Worker) -> None:
    with pytest.raises(Failure) as caught:
        worker.begin(wait_for_parent=True)
    assert caught.value.is_told


def test_a_worker_whose_parent_died_before_the_death_signal_was_armed(worker: Worker) -> None:
    load_c_library()
    worker.begin(wait_for_parent=False)
    with pytest.raises(Failure) as caught:
        worker.arm_death_signal(signal.SIGCONT)
    assert caught.value.status == 1
    assert caught.value.is_told


def test_a_worker_whose_parent_lives(worker: Worker, gate: Gate) -> None:
    load_c_library()
    parents_copy = os.dup(gate._write_end)
    worker.begin(wait_for_parent=False)
    worker.arm_death_signal(signal.SIGCONT)
    os.close(parents_copy)
    with pytest.raises(Failure) as caught:
        worker.arm_death_signal(signal.SIGCONT)
    assert caught.value.is_told
