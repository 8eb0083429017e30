"""Values that are numbers or names."""

from __future__ import annotations

import grp
import os
import pwd
import signal
from errno import EINVAL, ENOENT, ENOTDIR, ERANGE
from typing import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyunshare.errors import Failure
from pyunshare.options.accounts import user_or_group_id
from pyunshare.options.signals import signal_number
from pyunshare.options.values import (
    NO_ID,
    SIGNED_64_BIT,
    UNSIGNED_32_BIT,
    UNSIGNED_64_BIT,
    integer,
    owner,
    signed,
    unsigned,
)
from tests.helpers import profiles
from tests.helpers.c_library import LeadingNumber, signal_name, strtoll, strtoull

OUT_OF_RANGE = os.strerror(ERANGE)
INVALID = os.strerror(EINVAL)

# ---- integers -----------------------------------------------------------------------------------

around_limits = st.builds(
    lambda bits, distance: (1 << bits) + distance,
    st.sampled_from([31, 32, 63, 64, 65, 128]),
    st.integers(-2, 2),
)
digits = st.one_of(
    st.integers(0, 99).map(str), around_limits.map(str), st.text("0123456789", max_size=30)
)
white_space = st.text(" \t\n\v\f\r", max_size=2)
odd_space = st.sampled_from(["", "\x1c", "\x85", "\xa0", "\u2003"])
rests = st.one_of(
    st.just(""),
    st.just(""),
    st.sampled_from([" ", "x", "0x10", "_0", "٣", "²", ".", "-", "+1", "\udcff"]),
)
numbers_as_text = st.builds(
    "".join,
    st.tuples(
        white_space, odd_space, st.sampled_from(["", "", "-", "+", "--", "+-"]), digits, rests
    ),
)


def described(text: str, limits: range) -> object:
    """Return the number, or the kind of the fault."""
    try:
        return integer(text, limits)
    except OverflowError:
        return "out of range"
    except ValueError:
        return "no number"


def judged(number: LeadingNumber, is_below_0: bool, limits: range) -> object:
    """Judge what strtol(3) found. Too large for it, or below 0, comes before what is behind."""
    if not number.read:
        return "no number"
    if number.is_out_of_range or (is_below_0 and limits.start == 0):
        return "out of range"
    if number.rest:
        return "no number"
    return number.value if number.value in limits else "out of range"


@profiles.one_in(2)
@given(numbers_as_text)
@example("-0")
@example("-0x")
@example("-1x")
@example("18446744073709551616x")
@example("18446744073709551615x")
def test_unsigned_integer(text: str) -> None:
    found = strtoull(text)
    # It would negate the number; only zero stays what it is.
    is_below_0 = b"-" in found.read and found.value != 0
    for limits in (UNSIGNED_32_BIT, UNSIGNED_64_BIT):
        assert described(text, limits) == judged(found, is_below_0, limits)


@profiles.one_in(2)
@given(numbers_as_text)
@example("-9223372036854775808")
@example("-9223372036854775809")
@example("9223372036854775808x")
def test_signed_integer(text: str) -> None:
    found = strtoll(text)
    assert described(text, SIGNED_64_BIT) == judged(found, found.value < 0, SIGNED_64_BIT)


@profiles.one_in(2)
@given(st.integers(-(1 << 70), 1 << 70))
def test_integer_returns_what_the_text_says(number: int) -> None:
    for limits in (UNSIGNED_32_BIT, UNSIGNED_64_BIT, SIGNED_64_BIT):
        expected = number if number in limits else "out of range"
        assert described(str(number), limits) == expected


def test_very_long_integer() -> None:
    """CPython refuses to read more than 4300 digits, and takes quadratic time before that."""
    assert integer("0" * 100_000 + "7", UNSIGNED_32_BIT) == 7
    with pytest.raises(OverflowError):
        integer("9" * 100_000, SIGNED_64_BIT)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("abc", "failed to parse uid: 'abc'"),
        ("", "failed to parse uid: ''"),
        ("5 ", "failed to parse uid: '5 '"),
        ("0x10", "failed to parse uid: '0x10'"),
        ("4294967296", f"failed to parse uid: '4294967296': {OUT_OF_RANGE}"),
        ("-1", f"failed to parse uid: '-1': {OUT_OF_RANGE}"),
        ("-5x", f"failed to parse uid: '-5x': {OUT_OF_RANGE}"),
        ("4294967297x", "failed to parse uid: '4294967297x'"),
    ],
)
def test_bad_unsigned(text: str, complaint: str) -> None:
    assert complaint_of(unsigned, text, "failed to parse uid") == complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x", "wrong: 'x'"),
        ("-", "wrong: '-'"),
        ("9223372036854775808", f"wrong: '9223372036854775808': {OUT_OF_RANGE}"),
        ("-9223372036854775809x", f"wrong: '-9223372036854775809x': {OUT_OF_RANGE}"),
    ],
)
def test_bad_signed(text: str, complaint: str) -> None:
    assert complaint_of(signed, text, "wrong") == complaint


def complaint_of(function: Callable[..., object], *arguments: str) -> str:
    """Return what the function has against its arguments."""
    with pytest.raises(Failure) as caught:
        function(*arguments)
    assert not caught.value.see_help
    return str(caught.value)


# ---- ids ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["uid", "gid"])
@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("00", 0), (" 7", 7), ("+7", 7), ("-0", 0), ("4294967294", 4294967294)],
)
def test_id_by_number(kind: str, text: str, number: int) -> None:
    assert user_or_group_id(kind, text) == number


@pytest.mark.parametrize("kind", ["uid", "gid"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no such name", INVALID),
        ("", INVALID),
        ("5x", INVALID),
        ("5 ", INVALID),
        ("-x", INVALID),
        ("\udcff", INVALID),
        ("4294967295", INVALID),
        ("4294967296", OUT_OF_RANGE),
        ("-1", OUT_OF_RANGE),
        ("99999999999999999999x", OUT_OF_RANGE),
    ],
)
def test_bad_id(kind: str, text: str, reason: str) -> None:
    complaint = f"failed to parse {kind} '{text}': {reason}"
    assert complaint_of(user_or_group_id, kind, text) == complaint


def test_id_by_name() -> None:
    user, group = pwd.getpwuid(0), grp.getgrgid(0)
    assert user_or_group_id("uid", user.pw_name) == 0
    assert user_or_group_id("gid", group.gr_name) == 0


def test_name_beside_a_number_is_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user may be called 1000 and be another one; no database is asked."""
    monkeypatch.setattr("pyunshare.options.accounts.id_of_name", lambda kind, name: 5)
    assert user_or_group_id("uid", "1000") == 1000
    assert user_or_group_id("uid", "x1000") == 5


@pytest.mark.parametrize("kind", ["uid", "gid"])
@pytest.mark.parametrize(
    ("path", "errno"), [("/proc/no-such-file", ENOENT), ("/dev/null/passwd", ENOTDIR)]
)
def test_no_user_database(
    kind: str, path: str, errno: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyunshare.options.accounts._DATABASES", {kind: path})
    complaint = f"failed to parse {kind} 'nobody at all': {os.strerror(errno)}"
    assert complaint_of(user_or_group_id, kind, "nobody at all") == complaint


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("0:0", (0, 0)),
        ("1001:1002", (1001, 1002)),
        (" 1:+2", (1, 2)),
        ("4294967294:4294967294", (4294967294, 4294967294)),
        # (uid_t) -1 is "leave it as it is" to the kernel.
        (f"{NO_ID}:0", (None, 0)),
        (f"0:{NO_ID}", (0, None)),
        (f"{NO_ID}:{NO_ID}", (None, None)),
    ],
)
def test_owner(text: str, ids: tuple[int | None, int | None]) -> None:
    assert owner(text) == ids


BAD_OWNERS = {
    "not two numbers": ["", "0", ":", "0:", ":0", "0:0:", "0:0:0", "0,0"],
    "names": ["root:root", "0:x", "x:0"],
    "other text": ["0x0:0", "0 :0", "0:0 "],
    "out of range": ["-1:0", "0:-1", "4294967296:0", "0:4294967296"],
}


@pytest.mark.parametrize("text", [text for texts in BAD_OWNERS.values() for text in texts])
def test_bad_owner(text: str) -> None:
    assert complaint_of(owner, text) == "failed to parse owner"


# ---- signals ------------------------------------------------------------------------------------

REAL_TIME = {signal.SIGRTMIN, signal.SIGRTMAX}
BY_NAME = {
    name[len("SIG") :]: int(number)
    for name, number in signal.Signals.__members__.items()
    if number not in REAL_TIME
}
LAST_DISTANCE = signal.SIGRTMAX - signal.SIGRTMIN


def assert_is_signal(name: str, number: int) -> None:
    """See that the name is understood, in any case, with or without SIG."""
    for spelling in (name, "SIG" + name):
        for text in (spelling.upper(), spelling.lower(), spelling.swapcase(), spelling.title()):
            assert signal_number(text) == number


@pytest.mark.parametrize(("name", "number"), BY_NAME.items())
def test_signal(name: str, number: int) -> None:
    assert_is_signal(name, number)


def test_signals_that_python_has_no_name_for() -> None:
    names = {number: signal_name(number) for number in range(1, 32)}
    if not any(names.values()):
        pytest.skip("this C library does not tell the names of signals")
    for number, name in names.items():
        assert name is not None
        assert_is_signal(name, number)


def test_aliases() -> None:
    assert signal_number("IOT") == signal.SIGABRT
    assert signal_number("CLD") == signal.SIGCHLD
    assert signal_number("POLL") == signal.SIGIO


@pytest.mark.parametrize("distance", range(LAST_DISTANCE + 1))
def test_real_time_signal(distance: int) -> None:
    assert_is_signal(f"RTMIN+{distance}", signal.SIGRTMIN + distance)
    assert_is_signal(f"RTMAX-{distance}", signal.SIGRTMAX - distance)
    assert_is_signal(f"RT{distance}", signal.SIGRTMIN + distance)


def test_real_time_signal_with_more_behind_it() -> None:
    """Facts measured on util-linux: the number may have zeros before it and anything behind."""
    assert signal_number("RTMIN+3x") == signal.SIGRTMIN + 3
    assert signal_number("RTMAX-03") == signal.SIGRTMAX - 3
    assert signal_number("RT3-") == signal.SIGRTMIN + 3


BAD_SIGNALS = [
    "",
    "SIG",
    "sigsigterm",
    "SIG TERM",
    " TERM",
    "TERM ",
    "NOSUCH",
    "9",
    "015",
    "0",
    "-9",
    "_DFL",
    "SIG_IGN",
    "\u017fIGTERM",  # the long s, an S in upper case
    "s\u0131gterm",  # the i without a dot, an I in upper case
    "TERM\udcff",
    "RT",
    "RTMIN",
    "RTMAX",
    "SIGRTMIN",
    "RTMIN+",
    "RTMAX-",
    "RTMIN-1",
    "RTMAX+1",
    "RTMIN++1",
    "RTMIN+-1",
    "RTMIN+ 1",
    "RT+1",
    "RT-1",
    "RT\u0663",
    f"RTMIN+{LAST_DISTANCE + 1}",
    f"RTMAX-{LAST_DISTANCE + 1}",
    f"RT{LAST_DISTANCE + 1}",
    "RT99999999999999999999",
    "RTMIN+18446744073709551617",
]


@pytest.mark.parametrize("text", BAD_SIGNALS)
def test_bad_signal(text: str) -> None:
    assert complaint_of(signal_number, text) == f"unknown signal: {text}"


prefixes = st.sampled_from(["", "SIG", "RT", "sigrt", "RTMIN+", "SIGRTMIN+", "rtmax-"])
endings = st.one_of(st.text("0123456789", max_size=4), st.sampled_from(list(BY_NAME)), st.text())


@profiles.one_in(2)
@given(st.builds("".join, st.tuples(prefixes, endings)))
def test_any_text_is_a_signal_or_a_usage_error(text: str) -> None:
    try:
        number = signal_number(text)
    except Failure:
        return
    assert number in signal.valid_signals()
