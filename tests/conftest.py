"""What every black-box test gets: checked needs, and proof that it left nothing behind."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import posix
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from pyunshare import syscalls
from tests.helpers import machine, support

GRACE = 5  # seconds from the failure of a test that takes too long to the end of all

# Seconds that a test may take where thousands of launches are one
LONG = 36000 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 3600
if LONG > 3600:
    os.environ.setdefault("PYTEST_TIMEOUT", str(LONG))

# As Python sets them; tests send SIGINT to their own process, too.
DEFAULTS = {
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL,
}


def pytest_configure(config: pytest.Config) -> None:
    """Name our own mark; adopt what tests orphan, so that it can be found."""
    global _stderr
    _stderr = os.dup(2)  # that of pytest, which is not captured here
    config.addinivalue_line("markers", "needs(*names): tools, privileges and kernel features")
    os.umask(0o022)  # what tests make is for other users, too
    support.adopt_orphans()
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            _leave_the_mounts_of_others()
    # Otherwise a launch in this process could become `true`, and all tests would have passed.
    for name in ("execv", "execve", "_exit"):
        setattr(posix, name, _for_children_only(name, getattr(posix, name)))
    # In the background and under nohup(1) some are ignored, and would be by all that tests start.
    for number, handler in DEFAULTS.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def _leave_the_mounts_of_others() -> None:
    """Have mounts of our own: what others mount meanwhile is not seen here, nor ours there."""
    is_shared = any(" / / " in line and " shared:" in line for line in support.mount_table())
    syscalls.load_c_library()
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    if is_shared:  # as it was, but with nobody
        syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_SHARED)


def _for_children_only(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a call that ends a process, such that the tests' own process survives it.

    There a child makes the call. If it fails, so does ours.
    """
    own_process = os.getpid()

    def guarded(*arguments: Any) -> Any:
        if os.getpid() != own_process:
            return call(*arguments)
        result, ending = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                call(*arguments)
            except BaseException:
                os.write(ending, b"failed")
            os._exit(0)
        os.close(ending)
        has_failed = os.read(result, 10)
        os.close(result)
        os.waitpid(child, 0)
        assert has_failed, f"{name}() in the process of the tests"
        return call(*arguments)

    return guarded


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a property time for all its examples."""
    for item in items:
        if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.timeout(LONG))


@pytest.hookimpl(hookwrapper=True, optionalhook=True)
def pytest_timeout_set_timer(settings: Any) -> Iterator[None]:
    """End a test that goes on after pytest-timeout has failed it, with all others.

    The failure is an exception, which what is tested may take for an interrupt and wait on. A
    watchdog thread would be simpler, but a process that has one may not unshare all namespaces.
    """
    yield
    fail = signal.getsignal(signal.SIGALRM)
    if not callable(fail):
        return

    def fail_once(number: int, frame: Any) -> None:
        faulthandler.unregister(number)
        signal.signal(number, signal.SIG_DFL)
        faulthandler.register(number, file=_stderr, chain=True)
        fail(number, frame)

    signal.signal(signal.SIGALRM, fail_once)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, GRACE)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run on this machine, by name."""
    for mark in item.iter_markers("needs"):
        machine.check(mark.args)


@pytest.fixture(scope="session", autouse=True)
def workspace_removed() -> Iterator[None]:
    """Remove what the session made."""
    yield
    support.remove_workspace()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Each test ends its processes and takes its mounts away."""
    mounts_before = support.mount_table()
    yield
    processes = support.left_over_children()
    # A killed one may still be on its way out: only one that stays is a fault.
    if processes:
        try:
            support.wait_for(lambda: not support.left_over_children(), "processes to end", 3)
            processes = []
        except AssertionError:
            processes = support.left_over_children()
    described = []
    for pid in processes:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        described.append(f"{pid}: {os.fsdecode(command)}")
        os.kill(pid, signal.SIGKILL)
    support.left_over_children()
    assert not described, "processes were left behind"
    added = [mount for mount in support.mount_table() if mount not in mounts_before]
    assert not added, "mounts were left behind"
