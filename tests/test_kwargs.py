"""Keywords of the Python interface to words of a command line, value by value."""

from __future__ import annotations

import pytest

from pyunshare.api.kwargs import as_argv, given_options

GOOD = [
    ({"setuid": 5}, ["--setuid=5"]),
    ({"owner": (1, 2)}, ["--owner=1:2"]),
    ({"map_users": (1, 2, 3)}, ["--map-users=1:2:3"]),
    ({"map_users": [(1, 2, 3), "auto"]}, ["--map-users=1:2:3", "--map-users=auto"]),
    ({"map_user": "root"}, ["--map-user=root"]),
    ({"map_user": 0}, ["--map-user=0"]),
    ({"kill_child": 9}, ["--kill-child=KILL"]),
    ({"kill_child": True}, ["--kill-child"]),
    ({"fork": True, "mount": False, "net": None}, ["--fork"]),
    ({"monotonic": -1}, ["--monotonic=-1"]),
]


@pytest.mark.parametrize(("given", "words"), GOOD)
def test_words(given: dict[str, object], words: list[str]) -> None:
    assert as_argv(given_options(given)) == words


# A bool is an int to Python, and no number to anybody
@pytest.mark.parametrize("odd", [True, False, None, 1.0, "1", b"1", [1]])
@pytest.mark.parametrize(
    ("keyword", "place", "numbers"),
    [
        ("owner", 0, (1, 2)),
        ("owner", 1, (1, 2)),
        *[("map_users", place, (1, 2, 3)) for place in (1, 2)],
        *[("map_groups", place, (1, 2, 3)) for place in (1, 2)],
    ],
)
def test_what_is_no_number(
    keyword: str, place: int, numbers: tuple[object, ...], odd: object
) -> None:
    given = (*numbers[:place], odd, *numbers[place + 1 :])
    with pytest.raises(TypeError, match=f"^{keyword} is an integer, not {type(odd).__name__}$"):
        given_options({keyword: given if keyword == "owner" else [given]})


@pytest.mark.parametrize("keyword", ["map_users", "map_groups"])
def test_a_range_does_not_begin_with_a_bool(keyword: str) -> None:
    with pytest.raises(TypeError, match=f"^{keyword} is an integer, not bool$"):
        given_options({keyword: (True, 2, 3)})


@pytest.mark.parametrize("keyword", ["setuid", "setgid", "monotonic", "boottime"])
@pytest.mark.parametrize("odd", [1.0, "1", b"1", [1]])
def test_what_is_no_single_number(keyword: str, odd: object) -> None:
    with pytest.raises(TypeError, match=f"^{keyword} is an integer, not {type(odd).__name__}$"):
        given_options({keyword: odd})
