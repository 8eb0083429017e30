"""What is printed of a failure, by whom, in which language, and with which hint."""

from __future__ import annotations

import posix
import sys
from errno import ENOENT, EPIPE
from types import SimpleNamespace
from typing import Callable, NoReturn

import pytest

from pyunshare import messages
from pyunshare.errors import Failure
from pyunshare.messages import STANDARD_ERROR, Reporter, locale_of_messages, run_and_exit
from pyunshare.options.request import Request

FAILURE = Failure(("cannot open %s", "x"), ENOENT, status=126)
ENGLISH = "name: cannot open x: No such file or directory\n"

Environ = dict[bytes, bytes]


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> Environ:
    """Have an environment that asks for nothing."""
    variables: Environ = {}
    monkeypatch.setattr(posix, "environ", variables)
    monkeypatch.setattr(posix, "isatty", lambda fd: False)
    return variables


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written to the standard error."""
    texts: list[str] = []

    def write_all(fd: int, text: bytes) -> None:
        assert fd == STANDARD_ERROR
        texts.append(text.decode())

    monkeypatch.setattr(messages, "write_all", write_all)
    return texts


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands for the module with the translations, which knows one."""
    module = SimpleNamespace(translated=lambda name, failure: f"{name}: translated\n".encode())
    monkeypatch.setitem(sys.modules, "pyunshare.translation", module)
    return module


class Hints:
    """Stands for the hints: it says what it is asked for."""

    def __init__(self, name: str, argv: list[str], request: Request) -> None:
        self.name = name

    def prepare(self, rehearse: object) -> None:
        """Take a note."""
        self.name = f"prepared {self.name}"

    def about(self, failure: Failure | None, rehearse: object) -> str:
        """Return what is to be printed."""
        can_try = ", and can try" if rehearse else ""
        return f"{self.name}: hint: {failure}{can_try}\n"


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> type[Hints]:
    """Have them in the place of the real ones."""
    kind = type("Some", (Hints,), {})
    module = SimpleNamespace(Hints=kind)
    monkeypatch.setitem(sys.modules, "pyunshare.diagnostics.rules", module)
    return kind


@pytest.fixture
def reporter() -> Reporter:
    """Of a launch that was asked for."""
    found = Reporter("name", ["-x"])
    found.request = Request()
    return found


@pytest.mark.parametrize(
    ("variables", "locale"),
    [
        ({}, b"C"),
        ({"LC_ALL": "a", "LC_MESSAGES": "b", "LANG": "c"}, b"a"),
        ({"LC_ALL": "", "LC_MESSAGES": "b", "LANG": "c"}, b"b"),
        ({"LC_MESSAGES": "b"}, b"b"),
        ({"LC_ALL": "a"}, b"a"),
        ({"LANG": "c"}, b"c"),
        ({"LC_CTYPE": "d"}, b"C"),
    ],
)
def test_locale(variables: dict[str, str], locale: bytes, environ: Environ) -> None:
    environ.update({name.encode(): value.encode() for name, value in variables.items()})
    assert locale_of_messages() == locale


@pytest.mark.parametrize("locale", [b"C", b"POSIX", b"C.UTF-8", b""])
def test_no_catalogue_where_there_is_none(
    locale: bytes,
    environ: Environ,
    reporter: Reporter,
    printed: list[str],
    catalogue: SimpleNamespace,
) -> None:
    environ[b"LANG"] = locale
    assert reporter.report(FAILURE) == 126
    assert printed == [ENGLISH]


@pytest.mark.parametrize("locale", [b"de_DE.UTF-8", b"Cx", b"en_US.UTF-8"])
def test_catalogue(
    locale: bytes,
    environ: Environ,
    reporter: Reporter,
    printed: list[str],
    catalogue: SimpleNamespace,
) -> None:
    environ[b"LANG"] = locale
    assert reporter.report(FAILURE) == 126
    reporter.stop_loading()
    assert reporter.report(FAILURE) == 126
    assert printed == ["name: translated\n", ENGLISH]


def test_a_catalogue_that_fails_is_none(
    environ: Environ, reporter: Reporter, printed: list[str], catalogue: SimpleNamespace
) -> None:
    environ[b"LANG"] = b"de_DE"
    catalogue.translated = lambda name, failure: 1 // 0
    reporter.report(FAILURE)
    assert printed == [ENGLISH]


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (Failure("wrong"), "name: wrong\n"),
        (
            Failure("wrong", see_help=True),
            "name: wrong\nTry 'name --help' for more information.\n",
        ),
        (Failure("wrong", ENOENT), "name: wrong: No such file or directory\n"),
        (Failure(("%s of %s", ("no %s", "a"), "b")), "name: no a of b\n"),
    ],
)
def test_what_is_printed(
    failure: Failure, text: str, reporter: Reporter, printed: list[str]
) -> None:
    assert reporter.report(failure) == 1
    assert printed == [text]


def test_what_has_been_printed_or_nobody_reads(reporter: Reporter, printed: list[str]) -> None:
    assert reporter.report(Failure("seen", status=77, reported=True)) == 77
    assert printed == []


@pytest.mark.parametrize("error", [OSError(EPIPE, ""), UnicodeEncodeError("x", "", 0, 1, "")])
def test_what_cannot_be_printed(
    error: Exception, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_all(fd: int, text: bytes) -> None:
        raise error

    monkeypatch.setattr(messages, "write_all", write_all)
    assert reporter.report(FAILURE) == 1


@pytest.mark.parametrize(
    ("wish", "is_terminal", "is_hinted"),
    [
        (None, False, False),
        (None, True, True),
        (b"never", True, False),
        (b"always", False, True),
        (b"other", False, False),
        (b"other", True, True),
    ],
)
def test_who_gets_hints(
    wish: bytes | None,
    is_terminal: bool,
    is_hinted: bool,
    environ: Environ,
    reporter: Reporter,
    printed: list[str],
    hints: type[Hints],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if wish is not None:
        environ[b"PYUNSHARE_HINTS"] = wish
    monkeypatch.setattr(posix, "isatty", lambda fd: is_terminal and fd == STANDARD_ERROR)
    reporter.report(FAILURE)
    assert printed == [ENGLISH] + [f"name: hint: {FAILURE}\n"] * is_hinted


def test_hints_are_loaded_in_time_or_not_at_all(
    environ: Environ, printed: list[str], hints: type[Hints]
) -> None:
    environ[b"PYUNSHARE_HINTS"] = b"always"
    late, prepared, unasked = (Reporter("name", [], lambda argv: None) for _ in range(3))
    late.request = prepared.request = Request()
    prepared.prepare_hints()
    for each in (late, prepared, unasked):
        each.stop_loading()
        each.print_prepared_hint()
        each.report(FAILURE)
    hint = "prepared name: hint: "
    assert printed == [ENGLISH, f"{hint}None\n", ENGLISH, f"{hint}{FAILURE}\n", ENGLISH]


def test_nothing_is_tried_once_nothing_is_loaded(
    environ: Environ, printed: list[str], hints: type[Hints]
) -> None:
    environ[b"PYUNSHARE_HINTS"] = b"always"
    reporter = Reporter("name", [], lambda argv: None)
    reporter.request = Request()
    for _ in range(2):
        reporter.report(FAILURE)
        reporter.stop_loading()
    assert [text.endswith("and can try\n") for text in printed] == [False, True, False, False]


@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyboardInterrupt])
def test_a_hint_that_fails_is_none(
    error: type[BaseException],
    environ: Environ,
    reporter: Reporter,
    printed: list[str],
    hints: type[Hints],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object) -> str:
        raise error

    environ[b"PYUNSHARE_HINTS"] = b"always"
    monkeypatch.setattr(hints, "about", fail)
    assert reporter.report(FAILURE) == 126
    assert printed == [ENGLISH]


def test_hints_that_cannot_be_prepared_are_none(
    environ: Environ, reporter: Reporter, hints: type[Hints], monkeypatch: pytest.MonkeyPatch
) -> None:
    environ[b"PYUNSHARE_HINTS"] = b"always"
    monkeypatch.setattr(hints, "prepare", lambda self, rehearse: 1 // 0)
    reporter.prepare_hints()


class Ended(BaseException):
    """Stands for the end of the process, with a status."""


def failing(error: BaseException) -> Callable[[], int]:
    """Return what raises an exception."""

    def action() -> int:
        raise error

    return action


@pytest.mark.parametrize(
    ("action", "status", "texts"),
    [
        (lambda: 5, 5, []),
        (failing(FAILURE), 126, [ENGLISH]),
        (failing(MemoryError()), 1, ["name: unexpected MemoryError\n"]),
        (failing(KeyboardInterrupt()), 1, ["name: unexpected KeyboardInterrupt\n"]),
    ],
)
def test_the_end_of_a_process(
    action: Callable[[], int],
    status: int,
    texts: list[str],
    reporter: Reporter,
    printed: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def end(status: int) -> NoReturn:
        raise Ended(status)

    monkeypatch.setattr(posix, "_exit", end)
    with pytest.raises(Ended) as caught:
        run_and_exit(reporter, action)
    assert caught.value.args == (status,)
    assert printed == texts


def test_the_end_of_a_process_that_can_report_nothing(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(status: int) -> NoReturn:
        raise Ended(status)

    monkeypatch.setattr(posix, "_exit", end)
    monkeypatch.setattr(reporter, "report", lambda failure: 1 // 0)
    with pytest.raises(Ended) as caught:
        run_and_exit(reporter, failing(FAILURE))
    assert caught.value.args == (1,)
