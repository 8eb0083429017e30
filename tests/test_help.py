"""The texts of --help and --version."""

from __future__ import annotations

import contextlib
import re
from errno import EBADF, ENOSPC

import pytest

from pyunshare import __version__
from pyunshare.errors import Failure
from pyunshare.options import help
from pyunshare.options.option import OPTIONS, Option

NAME = "unshare"
TEXT = help.help_text(NAME)
PARAGRAPHS = TEXT.split("\n\n")


def entry(option: Option) -> str:
    """Return the lines of an option, as one."""
    start = re.search(rf"^  (-., |    )--{option.name}(?=[ \[\n])", TEXT, re.MULTILINE)
    assert start is not None
    end = re.search(r"\n(  [- ]...--|\n)", TEXT[start.end() :])
    assert end is not None
    return " ".join(TEXT[start.start() : start.end() + end.start()].split())


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_there(option: Option) -> None:
    names = f"-{option.short}, --{option.name}" if option.short else f"--{option.name}"
    value = ""
    if option.metavar is not None:
        optional = f"[=<{option.metavar[1:]}>]"
        value = f" <{option.metavar}>" if option.requires_value else optional
    assert entry(option) == f"{names}{value} {option.help}"


def test_each_option_is_there_once() -> None:
    names = re.findall(r"^  (?:-., |    )--([a-z-]+)", TEXT, re.MULTILINE)
    assert sorted(names) == sorted(option.name for option in OPTIONS)


def test_options_stand_under_their_group_in_table_order() -> None:
    for group in {option.group for option in OPTIONS}:
        (paragraph,) = [part for part in PARAGRAPHS if part.startswith(f"{group}:\n")]
        listed = re.findall(r"^  (?:-., |    )--([a-z-]+)", paragraph, re.MULTILINE)
        assert listed == [option.name for option in OPTIONS if option.group == group]


def test_general_options_come_last() -> None:
    headings = [part.partition("\n")[0] for part in PARAGRAPHS if ":\n" in part]
    assert headings[0] == "Namespaces:"
    assert headings[-1] == "General:"


def test_lines_fit() -> None:
    for line in TEXT.splitlines():
        assert len(line) <= 80
        assert line == line.rstrip()
    assert TEXT.isascii()
    assert TEXT.endswith(".\n")


def test_texts_stand_in_one_column() -> None:
    entries = "\n".join(part.partition(":\n")[2] for part in PARAGRAPHS if ":\n" in part)
    for line in entries.splitlines():
        if line:
            assert line[:30].isspace() or line.startswith(("  -", "      --"))
            assert not line[30:31].isspace(), line


def test_usage_line_has_the_name() -> None:
    assert TEXT.startswith("Usage: unshare [options] [program [argument...]]\n")
    assert help.help_text("pyunshare").startswith("Usage: pyunshare ")


def test_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert help.version_text("unshare") == (
        f"unshare from pyunshare {__version__}, compatible with util-linux 2.43\n"
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("abc def", ["abc def"]),
        ("abc defg", ["abc", "defg"]),
        ("a b c d e f", ["a b c d", "e f"]),
        ("abcdefghij k", ["abcdefghij", "k"]),
    ],
)
def test_lines_are_as_long_as_they_may_be(text: str, lines: list[str]) -> None:
    assert help._wrap(text, 7) == lines


def test_a_closed_standard_output_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[bytes] = []
    monkeypatch.setattr(help, "write_all", lambda fd, text: printed.append(text))
    assert help.print_text("x") == 0
    assert printed == [b"x"]
    for error, is_failure in ((EBADF, False), (ENOSPC, True)):

        def write_all(fd: int, text: bytes, error: int = error) -> None:
            raise OSError(error, "")

        monkeypatch.setattr(help, "write_all", write_all)
        with pytest.raises(Failure) if is_failure else contextlib.nullcontext():
            assert help.print_text("x") == 0
