"""What depends on the Python and the machine, as it would be with others than those at hand."""

from __future__ import annotations

import _signal
import builtins
import errno
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from pyunshare import syscalls
from pyunshare.api import spawn
from pyunshare.errors import Failure
from pyunshare.launch import steps as launch
from pyunshare.messages import Reporter
from pyunshare.options.parser import take_options
from pyunshare.options.request import Request
from pyunshare.options.signals import signal_number, signal_numbers
from tests.helpers import support


def request_of(*words: str) -> Request:
    """Return what a command line asks for."""
    return Request.from_options(take_options([*words]))


# Launches that call the C library with any Python, and some for which posix.unshare() will do
NEEDING = [["-m"], ["--mount-proc"], ["--kill-child"], ["-r", "--keep-caps"], ["--uts=/file"]]
NOT_NEEDING = [[], ["-f"], ["-r", "-u", "-p", "-f"], ["--forward-signals"], ["-S", "5"]]


@pytest.mark.parametrize("words", [*NEEDING, *NOT_NEEDING], ids=" ".join)
def test_the_c_library_is_looked_into_when_it_is_called(words: list[str]) -> None:
    assert request_of(*words).needs_c_library == (words in NEEDING)


def test_a_python_without_ctypes_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    given_import = builtins.__import__

    def without_ctypes(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "_ctypes":
            raise ImportError("No module named '_ctypes'")
        return given_import(name, *arguments, **more)

    monkeypatch.delitem(sys.modules, "_ctypes", raising=False)
    monkeypatch.setattr(sys, "path", ["/nonexistent/lib-dynload"])
    monkeypatch.setattr(builtins, "__import__", without_ctypes)
    monkeypatch.setattr(syscalls, "_look_up", None)
    with pytest.raises(Failure) as caught:
        launch.require_c_library()
    assert str(caught.value) == "this Python cannot call the C library: No module named '_ctypes'"
    assert caught.value.status == 1


def test_unshare_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CPython 3.12 and newer many launches need no C library."""
    looked_up: list[bool] = []
    flags: list[int] = []
    monkeypatch.setattr(launch, "HAS_UNSHARE", True)
    monkeypatch.setattr(spawn, "HAS_UNSHARE", True)
    monkeypatch.setattr(launch, "require_c_library", lambda: looked_up.append(True))
    monkeypatch.setattr(spawn, "load_c_library", lambda: looked_up.append(True))
    launch.enter(request_of("-u"), Reporter("unshare", []), unshare=flags.append)
    assert spawn._has_what_it_calls(needs_c_library=False)
    assert flags == [syscalls.CLONE_NEWUTS]
    assert not looked_up


def test_unshare_of_the_c_library() -> None:
    """What launches call with CPython before 3.12."""
    syscalls.load_c_library()
    syscalls._c_unshare(0)  # into no new namespace
    with pytest.raises(OSError, match="Invalid argument"):
        syscalls._c_unshare(1)


def test_the_c_library_is_loaded_without_a_trace() -> None:
    statements = (
        f"import sys; sys.path.insert(0, {str(support.CHECKOUT)!r})",
        "from pyunshare.syscalls import load_c_library",
        "before = sys.getdlopenflags(), list(sys.path)",
        "load_c_library()",
        "assert (sys.getdlopenflags(), sys.path) == before",
        "import ctypes",
        "assert ctypes.CDLL(None).getpid() > 0",
    )
    subprocess.run([sys.executable, "-IS", "-c", "; ".join(statements)], check=True)


def test_a_signal_that_not_every_architecture_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython names SIGSTKFLT from 3.11 on; MIPS and SPARC have no such signal."""
    monkeypatch.delattr(_signal, "SIGSTKFLT", raising=False)
    assert signal_number("STKFLT") == 16
    monkeypatch.setattr(_signal, "SIGCHLD", 18)
    assert "STKFLT" not in signal_numbers()
    with pytest.raises(Failure, match="unknown signal: STKFLT"):
        signal_number("STKFLT")


def test_a_signal_that_musl_does_not_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_signal, "SIGCLD", raising=False)
    assert signal_number("CLD") == _signal.SIGCHLD


def test_error_numbers_are_those_of_this_machine() -> None:
    """They are written down, because to import errno takes long; so no architecture may differ."""
    for name in ("ENOENT", "ENOEXEC", "EBADF", "EACCES", "ENODEV", "ENOTDIR", "EINVAL"):
        assert getattr(syscalls, name) == getattr(errno, name)


def test_the_script_in_a_clone_finds_the_package_beside_it(tmp_path: Path) -> None:
    (tmp_path / "unshare").symlink_to(support.CHECKOUT / "bin" / "pyunshare")
    for script in (support.CHECKOUT / "bin" / "pyunshare", tmp_path / "unshare"):
        line = [sys.executable, "-ISXutf8", script, "-x"]
        shown = subprocess.run(line, cwd="/", capture_output=True, text=True, check=False)
        assert shown.stderr.splitlines()[0] == f"{script.name}: invalid option -- 'x'"
        assert shown.returncode == 1


@pytest.mark.parametrize("step", ["setuid", "setgid"])
def test_the_highest_id_is_passed_on_32_bits_too(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There CPython takes 4294967295 for too large, and -1 for the same to the kernel."""

    def refuse(number: int) -> None:
        if number > (1 << 31) - 1:
            raise OverflowError(f"{step} is greater than maximum")
        raise OSError(errno.EINVAL, number)

    monkeypatch.setattr(f"posix.{step}", refuse)
    monkeypatch.setattr("posix.setgroups", lambda _: None)
    highest = (1 << 32) - 1
    uid, gid = (highest, None) if step == "setuid" else (None, highest)
    with pytest.raises(Failure) as caught:
        launch._change_credentials(uid, gid, types.SimpleNamespace())  # type: ignore[arg-type]
    assert (caught.value.errno, caught.value.step) == (errno.EINVAL, step)
