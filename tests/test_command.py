"""The command from its entry point on, in this process: what no launch by a caller can show."""

from __future__ import annotations

import _signal
import posix
import runpy
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

import pytest

from pyunshare import command
from pyunshare.messages import Reporter, run_and_exit
from pyunshare.options.help import version_text
from tests.helpers import support

# Those that main() gives back their defaults
SIGNALS = (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)


class Ended(BaseException):
    """Stands for the end of the process; nothing catches it on the way."""


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep pytest's process, its signal handlers and its environment."""

    def end(status: int) -> NoReturn:
        raise Ended(status)

    monkeypatch.setattr(posix, "_exit", end)
    monkeypatch.delitem(posix.environ, b"LC_CTYPE", raising=False)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def status_of_main(name: str | None = None) -> object:
    """Run the command to its end."""
    with pytest.raises(Ended) as caught:
        command.main(name)
    return caught.value.args[0]


@pytest.mark.parametrize(
    ("argument0", "name"),
    [("/usr/bin/unshare", "unshare"), ("unshare", "unshare"), ("../bin/", ""), ("", "")],
)
def test_the_name_is_the_one_that_it_was_started_by(
    argument0: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [argument0, "--version"])
    assert status_of_main() == 0
    assert capfd.readouterr() == (version_text(name), "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (signal.default_int_handler, signal.SIG_DFL),
        (signal.SIG_DFL, signal.SIG_DFL),
        (signal.SIG_IGN, signal.SIG_IGN),  # the caller's wish, not Python's
    ],
    ids=["Python's handler", "default", "ignored"],
)
def test_signals_are_as_they_were_before_python(
    before: signal.Handlers, after: signal.Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal.signal(signal.SIGINT, before)
    monkeypatch.setattr(sys, "argv", ["unshare", "--version"])
    assert status_of_main("unshare") == 0
    assert signal.getsignal(signal.SIGINT) == after
    assert signal.getsignal(signal.SIGPIPE) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_DFL


def test_the_module_starts_where_no_signal_can_be_set() -> None:
    """As under a filter, which Python has not told that the handler is refused."""

    def refuse(*_: object) -> NoReturn:
        raise PermissionError

    def start() -> str:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        names: list[str | None] = []
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(_signal, "signal", refuse)
            patched.setattr(command, "main", names.append)
            runpy.run_path(str(support.CHECKOUT / "pyunshare" / "__main__.py"))
        return str(names)

    assert support.in_a_child(start) == "[None]"


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a defect"), MemoryError(), KeyboardInterrupt(), SystemExit(0), OSError(2, "x")],
    ids=repr,
)
def test_an_exception_that_nobody_expects_is_one_line(
    error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> NoReturn:
        raise error

    with pytest.raises(Ended) as caught:
        run_and_exit(Reporter("unshare", []), fail)
    assert caught.value.args == (1,)
    output, message = capfd.readouterr()
    assert output == ""
    assert message.startswith("unshare: ")
    assert type(error).__name__ in message
    assert message.count("\n") == 1
    assert message.endswith("\n")
