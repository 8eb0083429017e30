"""The Python interface under load: many threads, very many launches, exceptions at any moment."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import pyunshare
from tests.helpers import support
from tests.helpers.machine import needs
from tests.test_api import BACKENDS

# Of the moments, each of which takes a launch
SHARE = 1.0 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 0.2

pytestmark = [pytest.mark.thorough, needs("root", "child lists", "user namespaces")]

THREADS = 64
IN_ALL = 10_000
# Most of them by threads of the calling process, for those share its state with all else in it
KINDS: list[dict[str, Any]] = [
    {"uts": True},
    {"pid": True, "fork": True},
    {"mount": True, "ipc": True},
    {"cgroup": True, "wd": "/"},
    {"time": True},
    {},
]
BY_LAUNCHER: list[dict[str, Any]] = [
    {"map_root_user": True},
    {"pid": True, "user": True, "fork": True, "mount_proc": True},
    {"kill_child": True},
    {"map_users": "0:0:10"},
]

TRUE = support.shutil.which("true") or "/bin/true"


@pytest.fixture
def busy() -> Iterator[None]:
    """Threads that allocate, take locks and log, all the time."""
    stop = threading.Event()
    logger = logging.getLogger("busy")
    logger.addHandler(logging.NullHandler())
    lock = threading.Lock()

    def work() -> None:
        while not stop.is_set():
            with lock:
                logger.warning("%s", sum(len(bytearray(1 << 16)) for _ in range(4)))
            stop.wait(0.002)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


@pytest.fixture(autouse=True)
def nothing_of_the_caller_changes() -> Iterator[None]:
    with support.own_state_kept():
        yield


def launch(index: int, kinds: list[dict[str, Any]]) -> None:
    """One launch, with a result of its own, or one that fails."""
    kind = kinds[index % len(kinds)]
    if index % 7 == 3:
        with pytest.raises(FileNotFoundError):
            pyunshare.run(["no-such-program"], **kind)
    elif index % 7 == 5:
        status = index % 200
        words = ["sh", "-c", f"echo {index}; exit {status}"]
        result = pyunshare.run(words, stdout=subprocess.PIPE, **kind)
        assert (result.returncode, result.stdout) == (status, f"{index}\n".encode())
    else:
        assert pyunshare.run([TRUE], **kind).returncode == 0


@pytest.mark.usefixtures("busy")
def test_ten_thousand_launches_from_64_threads() -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(lambda index: launch(index, KINDS), range(IN_ALL)):
            pass


@pytest.mark.usefixtures("busy")
def test_64_threads_launch_by_other_processes() -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(lambda index: launch(index, BY_LAUNCHER), range(4 * THREADS)):
            pass


@pytest.mark.usefixtures("busy")
def test_64_programs_at_once_are_killed() -> None:
    kinds = [*KINDS, *BY_LAUNCHER]
    with ThreadPoolExecutor(THREADS) as pool:
        processes = list(
            pool.map(
                lambda index: pyunshare.Popen(["sleep", "1000"], **kinds[index % len(kinds)]),
                range(THREADS),
            )
        )
    for process in processes:
        process.kill()
    assert {process.wait(20) for process in processes} == {-9}


@pytest.mark.parametrize("name", BACKENDS)
def test_an_exception_at_any_moment_is_raised_and_leaves_nothing(name: str) -> None:
    """A signal handler raises it, in run() or in what ends the program after a timeout."""
    backend, way = BACKENDS[name]
    shown = subprocess.run(
        [sys.executable, "-m", "tests.helpers.interrupted", backend, str(way), str(SHARE)],
        env={**os.environ, "PYTHONPATH": str(support.CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == ""
    assert int(shown.stderr.split()[0]) > 100
