"""The grammar of the command line, word for word as the C library's getopt_long(3) has it."""

from __future__ import annotations

import os
import posix
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyunshare.errors import Failure
from pyunshare.messages import Reporter, run_and_exit
from pyunshare.options.option import OPTIONS
from tests.helpers import profiles, support
from tests.helpers.c_library import ParsedLine, getopt_long
from tests.helpers.machine import needs

NAME = "unshare"

names = st.sampled_from([option.name for option in OPTIONS])
letters = st.sampled_from([option.short for option in OPTIONS if option.short])


def argument_text(alphabet: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[str]:
    """Return short texts that an argument can be, bytes that are no text included."""
    any_byte = st.integers(1, 255).map(lambda byte: os.fsdecode(bytes([byte])))
    wide = st.sampled_from("éſ०\u2003😀")
    odd = st.one_of(any_byte, wide)
    characters = odd if alphabet is None else st.one_of(alphabet, alphabet, alphabet, odd)
    return st.lists(characters, max_size=5).map("".join)


@st.composite
def long_options(draw: st.DrawFn) -> str:
    """Return a name, part of one, or one with something wrong about it; perhaps with a value."""
    name = draw(names)
    name = name[: draw(st.integers(0, len(name)))] if draw(st.booleans()) else name
    if draw(st.integers(0, 9)) == 0:
        name += draw(argument_text(st.sampled_from(string.ascii_letters + "-")))
    value = "=" + draw(argument_text()) if draw(st.booleans()) else ""
    return f"--{name}{value}"


bundles = argument_text(letters).map(lambda text: "-" + text)
other_words = st.sampled_from(["-", "--", "--=x", "", "0", "program", "a=b", "-:", "-;", "-?"])
command_lines = st.lists(
    st.one_of(long_options(), long_options(), bundles, bundles, other_words, argument_text()),
    max_size=8,
).map(lambda words: [os.fsdecode(os.fsencode(word)) for word in words])  # as sys.argv has them


def of_package(words: list[str]) -> ParsedLine:
    """Parse a line as the package does, and print what is wrong with it as it prints it."""
    found, rest, error = support.parse(list(words))
    return ParsedLine(found, rest, f"{NAME}: {error}\n" if error else None)


def assert_same(words: list[str]) -> None:
    """Compare what the two make of a line. Behind a fault nobody looks at the rest."""
    ours, theirs = of_package(words), getopt_long(NAME, words)
    assert (ours.options, ours.complaint) == (theirs.options, theirs.complaint)
    assert theirs.complaint or ours.rest == theirs.rest


@needs("glibc")
@given(command_lines)
def test_any_line(words: list[str]) -> None:
    assert_same(words)


@pytest.mark.parametrize("value", ["", "1"])
def test_posixly_correct_changes_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [["-m", "a", "-f"], ["--", "-f"], ["a", "--fork"], ["-S", "-f", "-"], []]
    plain = [of_package(words) for words in lines]
    monkeypatch.setenv("POSIXLY_CORRECT", value)
    assert [of_package(words) for words in lines] == plain
    for words in lines:
        assert_same(words)


@needs("glibc")
@profiles.one_in(4)
@given(words=command_lines)
@example(words=["program", "-f"])
def test_any_line_with_posixly_correct(words: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSIXLY_CORRECT", "1")
        assert_same(words)


@needs("glibc")
@pytest.mark.parametrize("name", [option.name for option in OPTIONS])
def test_every_beginning_of_a_name(name: str) -> None:
    for length in range(len(name) + 1):
        for value in ([], ["="], ["=a=b"]):
            word = "".join(["--", name[:length], *value])
            assert_same([word])
            assert_same([word, "program", "--fork"])


@needs("glibc")
@pytest.mark.parametrize("code", range(1, 256))
def test_every_byte_as_a_letter(code: int) -> None:
    letter = os.fsdecode(bytes([code]))
    for words in (["-" + letter], ["-f" + letter, "-", "-f"], [f"-{letter}f", "--fork"]):
        assert_same(words)


def test_only_the_first_byte_of_a_wide_letter_is_named() -> None:
    *_, complaint = of_package(["-fé"])
    assert complaint is not None
    assert os.fsencode(complaint) == b"unshare: invalid option -- '\xc3'\n"


# The same facts once more as a table to read; SPEC.md is where they come from.
GOOD_LINES = [
    (["-ipf"], ["ipc", "pid", "fork"], []),
    (["-mp"], ["mount", "pid"], []),
    (["-m", "file"], ["mount"], ["file"]),
    (["-S0"], ["setuid=0"], []),
    (["-S", "0"], ["setuid=0"], []),
    (["-fS", "-f", "-f"], ["fork", "setuid=-f", "fork"], []),
    (["--setuid", "--", "-f"], ["setuid=--", "fork"], []),
    (["--mount="], ["mount="], []),
    (["--mount", "file"], ["mount"], ["file"]),
    (["--mount=file"], ["mount=file"], []),
    (["--map-user", "0"], ["map-user=0"], []),
    (["--map-root"], ["map-root-user"], []),
    (["--", "-f"], [], ["-f"]),
    (["-", "-f"], [], ["-", "-f"]),
    (["", "-f"], [], ["", "-f"]),
    (["-f", "program", "-f", "--"], ["fork"], ["program", "-f", "--"]),
]


@pytest.mark.parametrize(("words", "options", "rest"), GOOD_LINES)
def test_good_line(words: list[str], options: list[str], rest: list[str]) -> None:
    found, program, error = support.parse(words)
    shown = [name if value is None else f"{name}={value}" for name, value in found]
    assert (shown, program, error) == (options, rest, None)


BAD_LINES = [
    (["-x"], [], "invalid option -- 'x'"),
    (["-mx"], ["mount"], "invalid option -- 'x'"),
    (["-S"], [], "option requires an argument -- 'S'"),
    (["-f", "--foo=bar"], ["fork"], "unrecognized option '--foo=bar'"),
    (["--fork=1"], [], "option '--fork' doesn't allow an argument"),
    (["--for=1"], [], "option '--for=1' is ambiguous; possibilities: '--fork' '--forward-signals'"),
    (["--setuid"], [], "option '--setuid' requires an argument"),
    (["--setu"], [], "option '--setuid' requires an argument"),
    (
        ["--moun"],
        [],
        "option '--moun' is ambiguous; possibilities: '--mount' '--mount-proc' '--mount-binfmt'",
    ),
    (["--c"], [], "option '--c' is ambiguous; possibilities: '--cgroup' '--clear-env'"),
    (["--w"], [], "option '--w' is ambiguous; possibilities: '--wd' '--whitelist-env'"),
]


@pytest.mark.parametrize(("words", "options", "complaint"), BAD_LINES)
def test_bad_line(words: list[str], options: list[str], complaint: str) -> None:
    found, _, error = support.parse(words)
    assert [name for name, _ in found] == options
    assert isinstance(error, Failure)
    assert (str(error), error.see_help, error.status) == (complaint, True, 1)


def test_printed_complaint(capfd: pytest.CaptureFixture[str]) -> None:
    """The line of getopt_long(3), and then ours about --help."""

    def fail() -> int:
        _, _, error = support.parse(["-x"])
        assert error is not None
        raise error

    process = posix.fork()
    if process == 0:
        run_and_exit(Reporter(NAME, []), fail)
    assert os.WEXITSTATUS(os.waitpid(process, 0)[1]) == 1
    assert capfd.readouterr().err == (
        "unshare: invalid option -- 'x'\nTry 'unshare --help' for more information.\n"
    )
