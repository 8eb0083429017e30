"""The table of options, against the one of the contract, kept here a second time."""

from __future__ import annotations

import pytest

from pyunshare.options import request
from pyunshare.options.option import OPTIONS, Option
from pyunshare.syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)

NONE, OPTIONAL, REQUIRED = "none", "optional", "required"

# In the order in which getopt_long(3) lists the candidates of an ambiguous prefix
TABLE = [
    ("help", "h", NONE, 0),
    ("version", "V", NONE, 0),
    ("mount", "m", OPTIONAL, CLONE_NEWNS),
    ("uts", "u", OPTIONAL, CLONE_NEWUTS),
    ("ipc", "i", OPTIONAL, CLONE_NEWIPC),
    ("net", "n", OPTIONAL, CLONE_NEWNET),
    ("pid", "p", OPTIONAL, CLONE_NEWPID),
    ("user", "U", OPTIONAL, CLONE_NEWUSER),
    ("cgroup", "C", OPTIONAL, CLONE_NEWCGROUP),
    ("time", "T", OPTIONAL, CLONE_NEWTIME),
    ("fork", "f", NONE, 0),
    ("kill-child", "", OPTIONAL, 0),
    ("forward-signals", "", NONE, 0),
    ("mount-proc", "", OPTIONAL, CLONE_NEWNS),
    ("mount-binfmt", "", OPTIONAL, CLONE_NEWNS | CLONE_NEWUSER),
    ("map-user", "", REQUIRED, CLONE_NEWUSER),
    ("map-users", "", REQUIRED, CLONE_NEWUSER),
    ("map-group", "", REQUIRED, CLONE_NEWUSER),
    ("map-groups", "", REQUIRED, CLONE_NEWUSER),
    ("map-root-user", "r", NONE, CLONE_NEWUSER),
    ("map-current-user", "c", NONE, CLONE_NEWUSER),
    ("map-auto", "", NONE, CLONE_NEWUSER),
    ("map-subids", "", NONE, CLONE_NEWUSER),
    ("owner", "", REQUIRED, CLONE_NEWUSER),
    ("propagation", "", REQUIRED, 0),
    ("setgroups", "", REQUIRED, 0),
    ("keep-caps", "", NONE, 0),
    ("setuid", "S", REQUIRED, 0),
    ("setgid", "G", REQUIRED, 0),
    ("root", "R", REQUIRED, 0),
    ("wd", "w", REQUIRED, 0),
    ("monotonic", "", REQUIRED, 0),
    ("boottime", "", REQUIRED, 0),
    ("load-interp", "l", REQUIRED, CLONE_NEWNS | CLONE_NEWUSER),
    ("clear-env", "", NONE, 0),
    ("whitelist-env", "", REQUIRED, 0),
]


def kind_of_value(option: Option) -> str:
    if option.metavar is None:
        return NONE
    return REQUIRED if option.requires_value else OPTIONAL


def test_rows() -> None:
    rows = [(option.name, option.short, kind_of_value(option), option.flags) for option in OPTIONS]
    assert rows == TABLE


def test_clone_flags() -> None:
    """The numbers of <linux/sched.h>, and no bit twice."""
    names = {"mount", "uts", "ipc", "net", "pid", "user", "cgroup", "time"}
    flags = {option.name: option.flags for option in OPTIONS if option.name in names}
    assert flags == {
        "mount": 0x00020000,
        "cgroup": 0x02000000,
        "uts": 0x04000000,
        "ipc": 0x08000000,
        "user": 0x10000000,
        "pid": 0x20000000,
        "net": 0x40000000,
        "time": 0x00000080,
    }


def test_every_option_has_an_action() -> None:
    """Only help and version never get as far as a request; and no action is for nothing."""
    acted_on = {option.name for option in OPTIONS if option.name not in ("help", "version")}
    assert set(request._ACTIONS) == acted_on


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_help_is_one_clause(option: Option) -> None:
    assert option.help
    assert option.help == " ".join(option.help.split())
    assert not option.help.endswith(".")
    assert option.help[0].islower()


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_words_for_values(option: Option) -> None:
    """A word stands for each value, as it does in the help text and the manual page."""
    if option.metavar is not None:
        word = option.metavar[1:] if option.metavar.startswith("=") else option.metavar
        assert word.replace(":", "").replace("|", "").isalpha()
