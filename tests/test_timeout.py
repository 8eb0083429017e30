"""A test that hangs fails in time, and ends the run where it does not let itself be failed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.helpers import support

pytest.importorskip("pytest_timeout")

WAITING = """
import os
from tests import conftest
conftest.GRACE = 1
def test_pipe():
    reader, writer = os.pipe()
    os.read(reader, 1)
"""
SWALLOWING = """
import _thread
from tests import conftest
conftest.GRACE = 1
def test_lock():
    lock = _thread.allocate_lock()
    lock.acquire()
    while True:
        try:
            lock.acquire()
        except BaseException:
            pass
"""


def pytest_on(source: str, directory: Path) -> support.Result:
    """Run a test with our settings, for a second."""
    (directory / "test_hanging.py").write_text(source)
    settings = support.CHECKOUT / "tox.ini"
    command = [sys.executable, "-m", "pytest", "-c", str(settings), "-p", "tests.conftest"]
    command += ["-p", "no:cacheprovider", "--timeout=1", str(directory)]
    environment = {**support.ENVIRONMENT, "PYTHONPATH": str(support.CHECKOUT)}
    return support.run(command, environment=environment)


def test_a_wait_is_failed_and_shown(tmp_path: Path) -> None:
    result = pytest_on(WAITING, tmp_path)
    assert result.status == 1, result
    assert b"os.read(reader, 1)" in result.stdout
    assert re.search(rb"Timeout \(?>1", result.stdout)  # by version of pytest-timeout


def test_what_swallows_the_failure_ends_the_run(tmp_path: Path) -> None:
    result = pytest_on(SWALLOWING, tmp_path)
    assert result.status == -14, result
    assert b"in test_lock" in result.stderr
