"""The documentation's list of tests: each one exists, and each option has one."""

from __future__ import annotations

import re

import pytest

from pyunshare.options.option import OPTIONS
from tests.helpers import support

TEXT = (support.CHECKOUT / "docs" / "list-of-tests.md").read_text()
NAMED = sorted(set(re.findall(r"`(\w+)::(\w+)`", TEXT)))


@pytest.mark.parametrize(("file", "function"), NAMED)
def test_named_test_exists(file: str, function: str) -> None:
    source = (support.TESTS / f"test_{file}.py").read_text()
    assert re.search(rf"^def {function}\(", source, re.MULTILINE)


@pytest.mark.parametrize("name", [option.name for option in OPTIONS])
def test_option_has_its_row(name: str) -> None:
    assert re.search(rf"^\| `--{name}` \| `\w+::\w+`", TEXT, re.MULTILINE)


def test_all_sections_are_there() -> None:
    sections = re.findall(r"^## (\d+)\. ", TEXT, re.MULTILINE)
    assert sections == [str(number) for number in range(1, 11)]
