"""The arithmetic of id maps, against SPEC.md's table and against pairs counted on the fingers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyunshare.errors import Failure
from pyunshare.options.ranges import Range, map_lines, parse_range, with_single
from tests.helpers import profiles

Line = tuple[int, int, int]
Pair = tuple[int, int]

flags = st.booleans()


def lines(ranges: list[Range]) -> list[Line]:
    return [one.as_tuple() for one in ranges]


def auto(start: int, count: int) -> Range:
    """Return the range of --map-users auto."""
    return Range(0, start, count, shifts=True)


# ---- what util-linux writes ---------------------------------------------------------------------

# The caller's id is 0, and 100000:65536 the block of the user.
ROOT = 0
TABLE = [
    ("-r --map-users 0:100000:65536", 0, [Range(0, 100000, 65536)], "0 0 1, 1 100000 65535"),
    ("-r --map-users 5:100000:10", 0, [Range(5, 100000, 10)], "0 0 1, 5 100000 10"),
    ("-c --map-users 0:0:10", 0, [Range(0, 0, 10)], "0 0 1, 1 1 9"),
    ("-r --map-users 1:1:10", 0, [Range(1, 1, 10)], "0 0 1, 1 1 10"),
    ("--map-user 5 --map-users 0:0:10", 5, [Range(0, 0, 10)], "5 0 1, 0 1 5, 6 6 4"),
    ("--map-user 5 --map-users 0:100:10", 5, [Range(0, 100, 10)], "5 0 1, 0 100 5, 6 105 4"),
    (
        "--map-user 5 --map-users 0:100:3 --map-users 10:200:3",
        5,
        [Range(0, 100, 3), Range(10, 200, 3)],
        "5 0 1, 0 100 3, 10 200 3",
    ),
    ("--map-user 10 --map-users 0:100:10", 10, [Range(0, 100, 10)], "10 0 1, 0 100 9"),
    ("--map-user 11 --map-users 0:100:10", 11, [Range(0, 100, 10)], "11 0 1, 0 100 10"),
    ("--map-user 3 --map-users 10:0:10", 3, [Range(10, 0, 10)], "3 0 1, 10 1 9"),
    ("--map-user 3 --map-users 0:0:1", 3, [Range(0, 0, 1)], "3 0 1"),
    (
        "--map-user 1000 --map-users all",
        1000,
        [Range(0, 0, 4294967295)],
        "1000 0 1, 0 1 1000, 1001 1001 4294966294",
    ),
    ("-r --map-auto", 0, [auto(100000, 65536)], "0 0 1, 1 100000 65536"),
    ("-c --map-subids", 0, [Range(100000, 100000, 65536)], "0 0 1, 100000 100000 65536"),
    ("--map-user 7 --map-auto", 7, [auto(100000, 65536)], "7 0 1, 0 100000 7, 8 100007 65529"),
    ("--map-user 4 --owner 1001:1001", 4, [], "4 0 1"),
]


@pytest.mark.parametrize(
    ("single", "ranges", "expected"),
    [pytest.param(*row[1:], id=row[0]) for row in TABLE],
)
def test_as_util_linux(single: int, ranges: list[Range], expected: str) -> None:
    text = map_lines(with_single(ranges, single, ROOT))
    assert text.rstrip("\n").split("\n") == expected.split(", ")


def test_map_lines() -> None:
    assert map_lines([]) == ""
    assert map_lines([Range(0, 100, 10), Range(20, 300, 5)]) == "0 100 10\n20 300 5\n"


# ---- any ranges ---------------------------------------------------------------------------------


class Asked(NamedTuple):
    """Ranges, the single id inside, and the caller's id outside that it stands for."""

    ranges: list[Range]
    single: int
    caller: int

    def lines(self) -> list[Line]:
        """Return the map: the single mapping, then what is left of the ranges."""
        return lines(with_single(self.ranges, self.single, self.caller))


def pairs(lines: list[Line]) -> list[Pair]:
    """Return each id inside with the one outside that it stands for."""
    return [
        (inner + distance, outer + distance)
        for inner, outer, count in lines
        for distance in range(count)
    ]


def all_but(taken: int, start: int) -> Iterator[int]:
    """Return the ids from ``start`` on, without the one that is taken."""
    return (number for number in itertools.count(start) if number != taken)


def pairs_left(asked: Range, single: int, caller: int) -> list[Pair]:
    """Return what is left of a range: both sides in order, each without the id that is taken."""
    inner, outer, left = asked.as_tuple()
    # An id just past the end touches the range, too.
    touched = inner <= single <= inner + left or outer <= caller <= outer + left
    if touched and not asked.shifts:
        left -= 1
    both_sides = zip(all_but(single, inner), all_but(caller, outer))
    return list(itertools.islice(both_sides, max(0, left)))


@st.composite
def questions(draw: st.DrawFn, most: int = 4, shifts: st.SearchStrategy[bool] = flags) -> Asked:
    """Return up to ``most`` ranges so short and near that the ids taken often touch them."""
    start = draw(st.sampled_from([0, 1000, (1 << 32) - 100]))
    near = st.integers(start, start + 12)
    nearly = st.integers(start, start + 26)
    ranges = st.builds(Range, near, near, st.integers(0, 12), shifts)
    return Asked(draw(st.lists(ranges, max_size=most)), draw(nearly), draw(nearly))


@profiles.one_in(2)
@given(questions())
def test_each_range_gives_way(asked: Asked) -> None:
    expected = [(asked.single, asked.caller)]
    for one in asked.ranges:
        expected += pairs_left(one, asked.single, asked.caller)
    assert pairs(asked.lines()) == expected
    assert all(count > 0 for _, _, count in asked.lines()), "the kernel takes no empty line"


@profiles.one_in(2)
@given(questions(most=1))
def test_no_line_too_many(asked: Asked) -> None:
    """The kernel has a limit for lines: a range is cut only where it must be."""
    pieces = asked.lines()[1:]
    for (inner, outer, count), (next_inner, next_outer, _) in zip(pieces, pieces[1:]):
        assert (inner + count, outer + count) != (next_inner, next_outer)


@profiles.one_in(2)
@given(questions(most=1, shifts=st.just(False)))
def test_one_to_one_and_nothing_that_was_not_given(asked: Asked) -> None:
    joined = pairs(asked.lines())
    given_ids = pairs(lines(asked.ranges))
    for side, taken in enumerate((asked.single, asked.caller)):
        ids = [pair[side] for pair in joined]
        assert len(set(ids)) == len(ids)
        assert set(ids) <= {taken, *(pair[side] for pair in given_ids)}


@profiles.one_in(2)
@given(questions(most=1, shifts=st.just(True)))
def test_a_shifting_range_loses_nothing(asked: Asked) -> None:
    kept = sum(count for _, _, count in asked.lines()[1:])
    assert kept == sum(one.count for one in asked.ranges)


# ---- reading a range ----------------------------------------------------------------------------

numbers = st.integers(0, (1 << 32) - 1)


@profiles.one_in(4)
@given(numbers, numbers, numbers)
def test_both_forms(inner: int, outer: int, count: int) -> None:
    for text in (f"{inner}:{outer}:{count}", f"{outer},{inner},{count}"):
        found = parse_range(text)
        assert (found.as_tuple(), found.shifts) == ((inner, outer, count), False)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0:100000:65536", (0, 100000, 65536)),
        ("100000,0,65536", (0, 100000, 65536)),
        (" 0:\t1: +2", (0, 1, 2)),
        (" 1, 0,+2", (0, 1, 2)),
        ("0:0:0", (0, 0, 0)),
        ("0:0:4294967295", (0, 0, 4294967295)),
        ("-0:00:1", (0, 0, 1)),
    ],
)
def test_good_range(text: str, line: Line) -> None:
    assert parse_range(text).as_tuple() == line


BAD_RANGES = {
    "too few numbers": ["", "0", "0:0", "0,0", "::", ",,", "0::1", ":0:1", "0:0:", "0,0,"],
    "too many numbers": ["0:0:0:0", "0,0,0,0"],
    "both forms at once": ["0:0,0", "0,0:0", "0:0,0:0"],
    "other separators": ["0;0;1", "0 0 1", "0-0-1"],
    "no numbers": ["a:b:c", "0:0:1x", "0:0:0x1", "0:0:1 ", "0 :0:1", "\u0660:\u0660:\u0661"],
    "no words either": ["AUTO", "automatic", "sub", " all"],
    "below 0": ["-1:0:1", "0:-1:1", "0:0:-1"],
    "above 4294967295": ["4294967296:0:1", "0:4294967296:1", "0:0:4294967296", "0,0,4294967296"],
}


@pytest.mark.parametrize("text", [text for texts in BAD_RANGES.values() for text in texts])
def test_bad_range(text: str) -> None:
    with pytest.raises(Failure) as caught:
        parse_range(text)
    assert str(caught.value) == f"invalid mapping '{text}'"
