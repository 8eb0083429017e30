"""The tests themselves: their names, that each option is compared, and what a comparison allows."""

from __future__ import annotations

import ast
import os

from pyunshare.options.option import OPTIONS
from tests import test_comparison
from tests.helpers import support
from tests.helpers.comparing import Observation, differences
from tests.helpers.generating import NOT_IN_REFERENCE

LONGEST_NAME = 10  # words; what it needs more for is the matter of a docstring
NAMES = [
    f"{path.name}::{node.name}"
    for path in sorted(support.TESTS.glob("test_*.py"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]


def test_names_are_short() -> None:
    assert len(NAMES) > 500
    assert [
        name for name in NAMES if name.rpartition("::test_")[2].count("_") >= LONGEST_NAME
    ] == []


def test_names_are_given_once() -> None:
    assert sorted(NAMES) == sorted(set(NAMES))


def test_every_option_is_compared_with_the_reference() -> None:
    used: set[str] = set()
    for table in (test_comparison.OPTIONS, test_comparison.MAPS):
        for row, value in table.items():
            words = row.split() if isinstance(value, str) else value
            words = words[0] if isinstance(words, tuple) else words
            used.update(option for option, _ in support.parse(list(map(os.fsdecode, words)))[0])
    # Those that the reference lacks, or has another text for, see test_differences.py
    others = {*NOT_IN_REFERENCE, "help", "version"}
    assert {option.name for option in OPTIONS} - used <= others


def test_what_the_reference_may_not_see_yet() -> None:
    kept = "pid:[N] /file rw - nsfs nsfs rw "
    ours, theirs = (
        Observation(0, "", "", {"mount": mounts}) for mounts in (("/ /", kept), ("/ /",))
    )
    assert differences(ours, theirs, ["/file"]) == []
    for bound in ((), ["/other"]):
        assert differences(ours, theirs, bound) == [f"mount: only the command has {kept!r}"]
    assert differences(theirs, ours, ["/file"]) == [f"mount: only the reference has {kept!r}"]
