"""What a command line asks for, option by option, in their order."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
from errno import ERANGE

import pytest

from pyunshare.errors import Failure
from pyunshare.options.parser import take_options
from pyunshare.options.ranges import joined_ranges
from pyunshare.options.request import BINFMT_MISC, Request
from pyunshare.syscalls import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
)

CALLER = {"uid": 1000, "gid": 1001}
SUBORDINATE = {"uid": (100000, 65536), "gid": (200000, 65536)}
MAPPED = {"uid": [(0, 10), (1000, 5)], "gid": [(0, 20)]}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a caller and his ids that do not depend on who runs the tests."""
    monkeypatch.setattr("posix.geteuid", lambda: CALLER["uid"])
    monkeypatch.setattr("posix.getegid", lambda: CALLER["gid"])
    monkeypatch.setattr("pyunshare.options.accounts.subordinate_ids", SUBORDINATE.__getitem__)
    monkeypatch.setattr("pyunshare.options.accounts.mapped_ids", MAPPED.__getitem__)


def asked(line: str) -> Request:
    """Return what a command line asks for. Raises Failure at the first thing wrong with it."""
    return Request.from_options(take_options(shlex.split(line)))


def complaint(line: str) -> str:
    with pytest.raises(Failure) as caught:
        asked(line)
    return str(caught.value)


def state(request: Request) -> dict[str, object]:
    """Return all that a request says."""
    users, groups = vars(request.users), vars(request.groups)
    return {**vars(request), "users": users, "groups": groups}


def test_nothing_asked() -> None:
    request = asked("program --fork --mount")
    assert state(request) == state(Request())
    assert request.propagation == MS_PRIVATE
    said = state(request).keys() - {"propagation", "users", "groups"}
    assert not any(getattr(request, name) for name in said)
    for id_map in (request.users, request.groups):
        assert (id_map.kind, id_map.caller) in CALLER.items()
        assert (id_map.single, id_map.ranges, id_map.owner) == (None, [], None)


# ---- namespaces ---------------------------------------------------------------------------------

MOUNT_AND_USER = CLONE_NEWNS | CLONE_NEWUSER
FLAGS = [
    ("-m", CLONE_NEWNS),
    ("-u", CLONE_NEWUTS),
    ("-i", CLONE_NEWIPC),
    ("-n", CLONE_NEWNET),
    ("-p", CLONE_NEWPID),
    ("-U", CLONE_NEWUSER),
    ("-C", CLONE_NEWCGROUP),
    ("-T", CLONE_NEWTIME),
    ("-ipf", CLONE_NEWIPC | CLONE_NEWPID),
    ("--mount-proc", CLONE_NEWNS),
    ("--mount-proc=/p", CLONE_NEWNS),
    ("--mount-binfmt", MOUNT_AND_USER),
    ("--mount-binfmt=/b", MOUNT_AND_USER),
    ("-l :x:", MOUNT_AND_USER),
    ("--map-user 0", CLONE_NEWUSER),
    ("--map-users 0:0:0", CLONE_NEWUSER),
    ("--map-group 0", CLONE_NEWUSER),
    ("--map-groups 0:0:0", CLONE_NEWUSER),
    ("-r", CLONE_NEWUSER),
    ("-c", CLONE_NEWUSER),
    ("--map-auto", CLONE_NEWUSER),
    ("--map-subids", CLONE_NEWUSER),
    ("--owner 0:0", CLONE_NEWUSER),
    ("--owner 4294967295:4294967295", CLONE_NEWUSER),
    ("--kill-child --forward-signals --propagation shared --setgroups deny --keep-caps", 0),
    ("-S 0 -G 0 -R / -w / --clear-env --whitelist-env A", 0),
]


@pytest.mark.parametrize(("line", "flags"), FLAGS)
def test_flags(line: str, flags: int) -> None:
    assert asked(line).flags == flags


def test_files() -> None:
    request = asked("--mount=m --uts=u --ipc=i --net=n --pid=p --user=U --cgroup=C --time=")
    assert request.files == {
        CLONE_NEWNS: "m",
        CLONE_NEWUTS: "u",
        CLONE_NEWIPC: "i",
        CLONE_NEWNET: "n",
        CLONE_NEWPID: "p",
        CLONE_NEWUSER: "U",
        CLONE_NEWCGROUP: "C",
        CLONE_NEWTIME: "",
    }


@pytest.mark.parametrize(
    ("line", "file"),
    [("--mount=a --mount", "a"), ("--mount=a -m", "a"), ("-m --mount=a --mount=b", "b")],
)
def test_last_file_wins(line: str, file: str) -> None:
    assert asked(line).files == {CLONE_NEWNS: file}


# ---- the process --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "kill_child", "forward_signals"),
    [
        ("-f", None, False),
        ("--forward-signals", None, True),
        ("--kill-child", signal.SIGKILL, False),
        ("--kill-child=TERM", signal.SIGTERM, False),
        ("--kill-child=TERM --kill-child", signal.SIGKILL, False),
        ("--kill-child --kill-child=sighup --forward-signals", signal.SIGHUP, True),
    ],
)
def test_fork(line: str, kill_child: int | None, forward_signals: bool) -> None:
    request = asked(line)
    assert request.fork
    assert (request.kill_child, request.forward_signals) == (kill_child, forward_signals)


def test_last_word_wins() -> None:
    request = asked("-S 1 -G 2 -R /a -w /b -S 3 -G 4 -R /c -w ''")
    assert (request.uid, request.gid) == (3, 4)
    assert (request.root, request.wd) == ("/c", "")


def test_keep_caps() -> None:
    assert asked("--keep-caps").keep_caps


@pytest.mark.parametrize(
    ("line", "cleared", "kept"),
    [
        ("--clear-env", True, []),
        ("--whitelist-env A", True, ["A"]),
        ("--whitelist-env A,B --whitelist-env C --clear-env", True, ["A", "B", "C"]),
        ("-m", False, []),
    ],
)
def test_environment(line: str, cleared: bool, kept: list[str]) -> None:
    request = asked(line)
    assert (request.clear_env, request.kept_variables) == (cleared, kept)


# ---- file systems -------------------------------------------------------------------------------

# What is mounted where: proc, binfmt_misc. Measured on util-linux, as is all of this section.
MOUNTS = [
    ("--mount-proc", "/proc", None),
    ("--mount-proc=/p", "/p", None),
    ("--mount-proc=/p --mount-proc", "/proc", None),
    ("--mount-proc --mount-proc=/p", "/p", None),
    ("--mount-binfmt", "/proc", BINFMT_MISC),
    ("--mount-binfmt=/b", None, "/b"),
    ("--mount-binfmt --mount-binfmt=/b", "/proc", "/b"),
    ("--mount-binfmt=/b --mount-binfmt", "/proc", BINFMT_MISC),
    ("--mount-proc=/p --mount-binfmt", "/p", BINFMT_MISC),
    ("--mount-binfmt --mount-proc=/p", "/p", BINFMT_MISC),
    ("-l x", "/proc", BINFMT_MISC),
    ("-l x --mount-proc=/p", "/p", BINFMT_MISC),
    ("--mount-proc=/p -l x", "/p", BINFMT_MISC),
    ("--mount-binfmt=/b -l x", None, "/b"),
    ("-l x --mount-binfmt=/b", "/proc", "/b"),
]


@pytest.mark.parametrize(("line", "proc", "binfmt_misc"), MOUNTS)
def test_mounts(line: str, proc: str | None, binfmt_misc: str | None) -> None:
    request = asked(line)
    assert (request.proc, request.binfmt_misc) == (proc, binfmt_misc)
    assert request.binary_format == ("x" if "-l" in line.split() else None)


def test_last_binary_format_wins() -> None:
    assert asked("-l x --load-interp=y").binary_format == "y"
    assert asked("-l x -l ''").binary_format == ""


@pytest.mark.parametrize(
    ("word", "propagation"),
    [("slave", MS_SLAVE), ("private", MS_PRIVATE), ("shared", MS_SHARED), ("unchanged", 0)],
)
def test_propagation(word: str, propagation: int) -> None:
    assert asked(f"--propagation shared --propagation {word}").propagation == propagation


@pytest.mark.parametrize("word", ["", "shar", "Shared", "rshared", "shared,slave"])
def test_bad_propagation(word: str) -> None:
    assert complaint(f"--propagation '{word}'") == f"unsupported propagation mode: {word}"


# ---- users and groups ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "user", "group"),
    [
        ("-r", 0, 0),
        ("-c", 1000, 1001),
        ("-rc", 1000, 1001),
        ("-cr", 0, 0),
        ("--map-user 5", 5, None),
        ("--map-group 6", None, 6),
        ("--map-user 5 --map-user 7", 7, None),
        ("-r --map-user 5", 5, 0),
        ("--map-user 5 -r", 0, 0),
        ("--map-user root -c --map-group 0", 1000, 0),
    ],
)
def test_single_mappings(line: str, user: int | None, group: int | None) -> None:
    request = asked(line)
    assert (request.users.single, request.groups.single) == (user, group)
    assert request.users.is_single == (user is not None)
    assert not request.users.needs_mapper


AUTO_USERS, AUTO_GROUPS = (0, 100000, 65536), (0, 200000, 65536)
OWN_USERS, OWN_GROUPS = (100000, 100000, 65536), (200000, 200000, 65536)


@pytest.mark.parametrize(
    ("line", "users", "groups"),
    [
        ("--map-users 1:2:3", [(1, 2, 3)], []),
        ("--map-groups 1,2,3", [], [(2, 1, 3)]),
        ("--map-users 1:2:3 --map-users 4:5:6", [(1, 2, 3), (4, 5, 6)], []),
        ("--map-auto", [AUTO_USERS], [AUTO_GROUPS]),
        ("--map-users auto", [AUTO_USERS], []),
        ("--map-groups auto", [], [AUTO_GROUPS]),
        ("--map-subids", [OWN_USERS], [OWN_GROUPS]),
        ("--map-users subids", [OWN_USERS], []),
        ("--map-groups subids", [], [OWN_GROUPS]),
        ("--map-users all", [(0, 0, 10), (1000, 1000, 5)], []),
        ("--map-groups all", [], [(0, 0, 20)]),
        ("--map-users all --map-auto", [(0, 0, 10), (1000, 1000, 5), AUTO_USERS], [AUTO_GROUPS]),
        ("--map-users 0:0:0 --map-groups 0:0:0", [(0, 0, 0)], [(0, 0, 0)]),
        ("--map-users 1:2:3 --map-users 0:0:0", [(1, 2, 3), (0, 0, 0)], []),
    ],
)
def test_ranges(
    line: str, users: list[tuple[int, int, int]], groups: list[tuple[int, int, int]]
) -> None:
    request = asked(line)
    for id_map, expected in ((request.users, users), (request.groups, groups)):
        assert [one.as_tuple() for one in id_map.ranges] == expected
        assert id_map.needs_mapper == any(count for _, _, count in expected)


def test_only_auto_ranges_shift() -> None:
    request = asked("--map-auto --map-subids --map-users all --map-users 0:0:1")
    assert [one.shifts for one in request.users.ranges] == [True, False, False, False, False]
    assert [one.shifts for one in request.groups.ranges] == [True, False]


@pytest.mark.parametrize(
    ("line", "user", "group"),
    [
        ("--owner 5:6", 5, 6),
        ("--owner 4294967295:0", None, 0),
        ("--owner 0:4294967295", 0, None),
        ("--owner 5:6 --owner 7:8", 7, 8),
        ("--owner 5:6 --owner 4294967295:8", None, 8),
    ],
)
def test_owner(line: str, user: int | None, group: int | None) -> None:
    request = asked(line)
    assert (request.users.owner, request.groups.owner) == (user, group)
    assert not request.users.needs_mapper, "there is nothing to map"


@pytest.mark.parametrize(
    ("line", "is_single", "needs_mapper", "joined"),
    [
        ("-U", False, False, []),
        ("-r", True, False, [(0, 1000, 1)]),
        ("-r --owner 5:6", False, True, [(0, 1000, 1)]),
        ("--owner 5:6", False, False, []),
        ("--owner 4294967295:6 -r", True, False, [(0, 1000, 1)]),
        ("--map-users 5:6:7", False, True, [(5, 6, 7)]),
        ("-r --map-users 5:6:7", False, True, [(0, 1000, 1), (5, 6, 7)]),
        ("--map-users 0:6:7 -r", False, True, [(0, 1000, 1), (1, 6, 6)]),
        ("--map-users 0:0:0", False, False, []),
        ("-r --map-users 0:0:0", False, True, [(0, 1000, 1)]),
    ],
)
def test_user_map(
    line: str, is_single: bool, needs_mapper: bool, joined: list[tuple[int, int, int]]
) -> None:
    users = asked(line).users
    assert (users.is_single, users.needs_mapper) == (is_single, needs_mapper)
    assert [one.as_tuple() for one in joined_ranges(users)] == joined


def test_setgroups() -> None:
    assert asked("--setgroups allow --setgroups deny").setgroups == "deny"
    assert asked("--setgroups deny --setgroups allow").setgroups == "allow"


@pytest.mark.parametrize("word", ["", "all", "Deny", "deny "])
def test_bad_setgroups(word: str) -> None:
    assert complaint(f"--setgroups '{word}'") == f"unsupported --setgroups argument '{word}'"


# ---- clocks -------------------------------------------------------------------------------------

NO_TIME_NAMESPACE = "options --monotonic and --boottime require unsharing of a time namespace (-T)"


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        ("", ""),
        ("-u", ""),
        ("-m", "needs_c_library"),
        ("--mount-proc", "needs_c_library"),
        ("--uts=x", "needs_helper needs_c_library"),
        ("--map-users=0:0:1", "needs_helper"),
        ("--map-groups=0:0:1", "needs_helper"),
        ("--map-users=0:0:0 --map-groups=0:0:0", ""),
        ("-r", ""),
        ("-r --owner=0:0", "needs_helper changes_credentials needs_hints_early"),
        ("--owner=0:0", "changes_credentials needs_hints_early"),
        ("-S 0", "changes_credentials needs_hints_early"),
        ("-G 0", "changes_credentials needs_hints_early"),
        ("-R /", "needs_hints_early"),
        ("-w /", ""),
        ("--keep-caps", ""),
        ("--keep-caps -U", "keeps_capabilities needs_c_library"),
        ("-U", ""),
        ("--kill-child", "needs_c_library"),
        ("-p", "needs_hints_early"),
        ("-p -f", ""),
        ("-f", ""),
    ],
)
def test_what_a_launch_needs(line: str, needs: str) -> None:
    request = asked(line)
    names = {name for name, value in vars(Request).items() if isinstance(value, property)}
    assert {name for name in names if getattr(request, name)} == set(needs.split())


@pytest.mark.parametrize(
    ("line", "is_refused"),
    [
        ("--map-group=0 --setgroups=allow", True),
        ("-r --setgroups=allow", True),
        ("--map-group=0 --setgroups=deny", False),
        ("--map-user=0 --setgroups=allow", False),
        ("--setgroups=allow", False),
        ("--map-group=0", False),
        ("--map-group=0 --map-groups=1:1:1 --setgroups=allow", False),
    ],
)
def test_setgroups_and_one_group(line: str, is_refused: bool) -> None:
    request = asked(line)
    refusal = pytest.raises(Failure, match="mutually exclusive")
    with refusal if is_refused else contextlib.nullcontext():
        request.check_setgroups()


def test_clock_offsets() -> None:
    line = "-T --monotonic 5 --boottime -9223372036854775808 --monotonic +6"
    assert asked(line).clock_offsets == {CLOCK_MONOTONIC: 6, CLOCK_BOOTTIME: -(1 << 63)}


@pytest.mark.parametrize("line", ["--monotonic 0", "--boottime 0", "-m --monotonic 1"])
def test_clock_offsets_need_a_time_namespace(line: str) -> None:
    assert complaint(line) == NO_TIME_NAMESPACE
    assert asked(line + " -T").clock_offsets
    assert asked("--time=file " + line).clock_offsets


# ---- what is wrong, and when --------------------------------------------------------------------

OUT_OF_RANGE = os.strerror(ERANGE)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-S abc", "failed to parse uid: 'abc'"),
        ("-G abc", "failed to parse gid: 'abc'"),
        ("-S 4294967296", f"failed to parse uid: '4294967296': {OUT_OF_RANGE}"),
        ("-G -1", f"failed to parse gid: '-1': {OUT_OF_RANGE}"),
        ("-T --monotonic x", "failed to parse monotonic offset: 'x'"),
        ("-T --boottime ''", "failed to parse boottime offset: ''"),
        ("--map-user -1", f"failed to parse uid '-1': {OUT_OF_RANGE}"),
        ("--map-group 4294967296", f"failed to parse gid '4294967296': {OUT_OF_RANGE}"),
        ("--map-users x", "invalid mapping 'x'"),
        ("--map-groups x", "invalid mapping 'x'"),
        ("--owner x", "failed to parse owner"),
        ("--kill-child=", "unknown signal: "),
        ("--kill-child=9", "unknown signal: 9"),
        # Of two faults the first is reported, be it in a value or in the grammar ...
        ("-S x -G y", "failed to parse uid: 'x'"),
        ("-G y -S x", "failed to parse gid: 'y'"),
        ("-S x --nosuch", "failed to parse uid: 'x'"),
        ("-S x -G", "failed to parse uid: 'x'"),
        ("--nosuch -S x", "unrecognized option '--nosuch'"),
        ("-S x -S 0", "failed to parse uid: 'x'"),
        # ... and what only the whole line shows comes last.
        ("--monotonic 1 -S x", "failed to parse uid: 'x'"),
        ("--monotonic 1 --nosuch", "unrecognized option '--nosuch'"),
    ],
)
def test_complaint(line: str, expected: str) -> None:
    assert complaint(line) == expected


def test_a_value_is_looked_up_when_it_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(kind: str) -> tuple[int, int]:
        raise Failure(f"no {kind} for you")

    monkeypatch.setattr("pyunshare.options.accounts.subordinate_ids", fail)
    assert complaint("--map-auto -S x") == "no uid for you"
    assert complaint("--map-groups auto -S x") == "no gid for you"
    assert complaint("-S x --map-auto") == "failed to parse uid: 'x'"
