"""The options as argparse has them: what the manual page is made from."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

import pytest

from building import argument_parser as documentation
from building.argument_parser import argument_parser
from pyunshare.options.option import BY_NAME, OPTIONS, Option
from tests.helpers import support

PARSER = argument_parser()
ACTIONS = {action.option_strings[-1]: action for action in PARSER._actions if action.option_strings}


def action_of(option: Option) -> argparse.Action:
    """Return what argparse knows of an option."""
    return ACTIONS[f"--{option.name}"]


def test_every_option_is_there_once_in_table_order() -> None:
    titles = list(dict.fromkeys(option.group for option in OPTIONS))
    by_group = [option.name for title in titles for option in OPTIONS if option.group == title]
    groups = [group for group in PARSER._action_groups if group.title in titles]
    assert [group.title for group in groups] == titles
    listed = [action.option_strings[-1] for group in groups for action in group._group_actions]
    assert listed == [f"--{name}" for name in by_group]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_names_help_and_value(option: Option) -> None:
    action = action_of(option)
    letter = [f"-{option.short}"] if option.short else []
    assert action.option_strings == [*letter, f"--{option.name}"]
    assert action.help == option.help
    word = None if option.metavar is None else option.metavar.lstrip("=")
    assert action.metavar == word
    # None is one value, 0 no value and "?" a value that may be left out.
    wanted = 0 if option.metavar is None else None if option.requires_value else "?"
    assert action.nargs == wanted


def test_help_can_be_formatted_and_names_every_option() -> None:
    text = argument_parser("unshare").format_help()
    assert text.startswith("usage: unshare [options] [program [argument...]]\n")
    listed = re.findall(r"^  (?:-\S(?: \S+)?, )?--([a-z-]+)", text, re.MULTILINE)
    assert sorted(listed) == sorted(option.name for option in OPTIONS)


def test_a_percent_sign_in_a_help_text_is_no_format(monkeypatch: pytest.MonkeyPatch) -> None:
    option = Option("half", "", None, 0, "General", "50% of it, %(prog)s")
    monkeypatch.setattr(documentation, "OPTIONS", (option,))
    assert "50% of it, %(prog)s" in argument_parser().format_help()


LINES = [
    ["-f", "sh"],
    ["-m", "-u", "--fork", "sh", "-c", "-f"],
    ["--uts=/run/uts", "-S", "5", "--setgid", "6", "sh"],
    ["--kill-child", "--propagation=slave"],
    ["-r", "--kill-child=TERM", "-R", "/", "-w/tmp", "sh", "--help"],
    ["--map-users=0:0:1", "--whitelist-env", "A,B", "sh"],
]


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_simple_lines_mean_the_same_to_both(line: Sequence[str]) -> None:
    """Where the two grammars agree, the same options are found, and the same program."""
    found, words, error = support.parse(line)
    assert error is None
    parsed = vars(PARSER.parse_args(line))
    assert parsed.pop("program") == words
    absent = {name: PARSER.get_default(name) for name in parsed}
    given = {name: value for name, value in parsed.items() if value != absent[name]}
    expected = {
        name.replace("-", "_"): (
            True if BY_NAME[name].metavar is None else "" if value is None else value
        )
        for name, value in found
    }
    assert given == expected
