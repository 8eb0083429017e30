"""Both sides of every deliberate difference, as far as they can be observed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence

import pytest

from tests.helpers import support
from tests.helpers.comparing import PROBE, both, made_root, observe
from tests.helpers.differences import RULES
from tests.helpers.machine import needs
from tests.helpers.support import (
    NAME,
    WITH_SUBORDINATE_IDS,
    WITHOUT_SUBORDINATE_IDS,
    Word,
)

pytestmark = [
    needs("root", "compiler", "reference", "subordinate id files"),
    pytest.mark.skipif(
        [support.reference_path()] == support.COMMAND,
        reason="the command under test is the reference itself",
    ),
]

OUT_OF_RANGE = "Numerical result out of range"


def test_every_rule_is_numbered_and_tested() -> None:
    assert [rule.number for rule in RULES] == list(range(1, len(RULES) + 1))
    tested = {int(found) for found in re.findall(r"test_rule_(\d+)_", " ".join(globals()))}
    assert tested == {rule.number for rule in RULES}


# ---- 1 ------------------------------------------------------------------------------------------

TOO_LARGE = ("4294967296", "4294967301")


@pytest.mark.parametrize("value", TOO_LARGE)
@pytest.mark.parametrize(("option", "kind"), [("-S", "uid"), ("-G", "gid")])
def test_rule_1_ids_do_not_wrap(option: str, kind: str, value: str) -> None:
    ours, theirs = both([option, value])
    expected = f"{NAME}: failed to parse {kind}: '{value}': {OUT_OF_RANGE}\n"
    assert (ours.status, ours.stderr, ours.report) == (1, expected, {})
    # A reference of 32 bits reads no such number either.
    assert theirs.status == 0 or theirs == ours


@pytest.mark.parametrize(("option", "kind"), [("-S", "uid"), ("-G", "gid")])
@pytest.mark.parametrize("value", ["-1", "-4294967296", "99999999999999999999999"])
def test_rule_1_negative_ids_are_out_of_range(option: str, kind: str, value: str) -> None:
    ours, _ = both([f"{option}{value}"])
    expected = f"{NAME}: failed to parse {kind}: '{value}': {OUT_OF_RANGE}\n"
    assert (ours.status, ours.stderr) == (1, expected)


@pytest.mark.parametrize("value", ["4294967296:0", "0:4294967296", "-1:0", "0:-1", "9" * 30 + ":0"])
def test_rule_1_owners_do_not_wrap(value: str) -> None:
    ours, _ = both([f"--owner={value}"])
    assert (ours.status, ours.stderr) == (1, f"{NAME}: failed to parse owner\n")


@pytest.mark.parametrize("option", ["--map-users", "--map-groups"])
@pytest.mark.parametrize(
    "value",
    [
        "4294967296:0:1",
        "0:4294967296:1",
        "0:0:4294967296",
        "0:0:4294967297",
        "-1:0:1",
        "0:-1:1",
        "0:0:-1",
        "0,4294967296,1",
        "9" * 30 + ":0:1",
    ],
)
def test_rule_1_ranges_do_not_wrap(option: str, value: str) -> None:
    ours, _ = both([f"{option}={value}"])
    assert (ours.status, ours.stderr) == (1, f"{NAME}: invalid mapping '{value}'\n")


def test_rule_1_the_reference_wraps() -> None:
    _, theirs = both(["--map-users=4294967296:0:1"])
    assert theirs.map() == "0 0 1"


# ---- 2 ------------------------------------------------------------------------------------------


def _survivors(program: support.Program, options: Sequence[str]) -> list[int]:
    """Kill the launcher of a sleeping program, return what is left of its family."""
    words = [*options, "/bin/sh", "-c", "echo ready; exec sleep 1000"]
    environment = {**support.ENVIRONMENT, **dict(program.environment)}
    with support.popen(support.started(program, words), environment=environment) as launcher:
        try:
            assert launcher.stdout is not None
            assert launcher.stdout.readline() == b"ready\n"
            family = support.descendants(launcher.pid)
            assert family
            launcher.kill()
            launcher.wait(support.PATIENCE)
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline and any(map(support.exists, family)):
                time.sleep(0.01)
            return [pid for pid in family if support.exists(pid)]
        finally:
            support.kill_session(launcher)


CHANGES = [["-S", "61001"], ["-G", "61001"], ["-S", "61001", "-G", "61001"]]


@needs("child lists")
@pytest.mark.parametrize("change", CHANGES, ids=" ".join)
def test_rule_2_the_death_signal_stays_armed(change: Sequence[str]) -> None:
    assert _survivors(support.command(), ["--kill-child", *change]) == []
    assert len(_survivors(support.reference(), ["--kill-child", *change])) == 1


@needs("child lists")
def test_rule_2_in_every_way() -> None:
    for options in (
        ["--kill-child=TERM", "-S", "61001"],
        ["--kill-child", "--map-users=0:0:10", "--map-groups=0:0:10", "-S", "5", "-G", "6"],
        ["--kill-child", "--owner=5:5", "-c", "--keep-caps"],
        ["--kill-child", "--pid", "--mount-proc", "-S", "61001"],
        ["--kill-child", "-r"],
    ):
        assert _survivors(support.command(), options) == [], options


# ---- 3 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-r", "-c", "--map-group=5"])
def test_rule_3_a_fulfilled_wish_is_no_error(option: str) -> None:
    ours, theirs = both([option, "--setgroups=deny"])
    assert theirs.status == 1
    assert theirs.stderr.startswith(f"{NAME}: write failed /proc/self/setgroups: ")
    assert (ours.status, ours.stderr, ours.field("setgroups")) == (0, "", "deny\\012")


@needs("user namespaces")
def test_rule_3_as_ordinary_user() -> None:
    ours, theirs = both(["-r", "--setgroups=deny"], user=WITHOUT_SUBORDINATE_IDS)
    assert (ours.status, theirs.status) == (0, 1)


# ---- 4 ------------------------------------------------------------------------------------------

OTHER = WITH_SUBORDINATE_IDS


def test_rule_4_only_the_own_subordinate_ids() -> None:
    ours, theirs = both(["--map-auto"], subuid=f"{OTHER.name}:300000:65536\nroot:100000:65536\n")
    assert theirs.map() == theirs.map("gid_map") == "0 300000 65536"
    assert ours.map() == ours.map("gid_map") == "0 100000 65536"


def test_rule_4_nothing_where_there_is_no_own_line() -> None:
    ours, theirs = both(["--map-auto"], subuid=f"{OTHER.name}:300000:65536\n")
    assert theirs.map() == "0 300000 65536"
    expected = f'{NAME}: no line matching user "root" in /etc/subuid\n'
    assert (ours.status, ours.stderr, ours.report) == (1, expected, {})


@pytest.mark.parametrize("name", ["0x0", "00", "+0", " 0", "-0", "0 ", "Root", "roo", "rootx", ""])
def test_rule_4_no_other_way_to_write_root(name: str) -> None:
    ours, _ = both(["--map-auto"], subuid=f"{name}:300000:65536\nroot:100000:10\n")
    # Zeros in front are plain digits.
    expected = "0 300000 65536" if name == "00" else "0 100000 10"
    assert ours.map() == expected


# ---- 5 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [["--uts=/no/such/file"], ["--uts="], ["--mount=/no/such/file"], ["-r", "-u", "--net=/x/y"]],
)
def test_rule_5_no_program_from_a_half_done_launch(options: Sequence[str]) -> None:
    ours, theirs = both(["-f", *options], program=["echo", "started"])
    assert (theirs.status, theirs.stdout) == (1, "started\n")
    assert (ours.status, ours.stdout, ours.stderr) == (1, "", theirs.stderr)


# ---- 6 ------------------------------------------------------------------------------------------

# Somebody whom nobody mapped may not make another user namespace.
UNMAPPED = "unshare=0x10000000"


def test_rule_6_no_helper_outlives_a_failure() -> None:
    ours, theirs = both(["--map-users=0:0:1"], conditions=[UNMAPPED], timeout=3)
    message = f"{NAME}: unshare failed: Operation not permitted\n"
    assert (theirs.status, theirs.stderr) == (None, message)
    assert (ours.status, ours.stderr) == (1, message)


def test_rule_6_neither_the_binder() -> None:
    ours = observe(
        support.command(),
        ["-m", "-U", "--uts=/no/such/file", "--map-users=0:0:1", "-f", "true"],
        conditions=[UNMAPPED],
    )
    assert ours.status == 1


# ---- 7 ------------------------------------------------------------------------------------------


@needs("user namespaces")
@pytest.mark.parametrize("helper", ["newuidmap", "newgidmap"])
def test_rule_7_a_killed_helper_is_a_failure(helper: str) -> None:
    directory = support.new_directory()
    for name in ("newuidmap", "newgidmap"):
        ending = "kill -KILL $$" if name == helper else "exit 0"
        (directory / name).write_text(f"#!/bin/sh\n{ending}\n")
        (directory / name).chmod(0o755)
    environment = {**support.ENVIRONMENT, "PATH": str(directory)}
    ours, theirs = both(
        ["--map-users=0:61002:1", "--map-groups=0:61002:1"],
        user=WITHOUT_SUBORDINATE_IDS,
        environment=environment,
    )
    assert (theirs.status, theirs.map()) == (0, "")
    expected = f"{NAME}: {helper} was killed by signal 9\n"
    assert (ours.status, ours.stderr, ours.report) == (1, expected, {})


# ---- 8 ------------------------------------------------------------------------------------------


def _environment_after(options: Sequence[Word], *entries: Word) -> tuple[str, ...]:
    found = observe(
        support.command(),
        [*options, *PROBE],
        conditions=["emptyenv", *(b"env=" + os.fsencode(entry) for entry in entries)],
    )
    assert found.status == 0, found
    return found.report.get("environment", ())


def test_rule_8_whitelist_env_always_clears() -> None:
    assert _environment_after(["--whitelist-env=NOT_SET"], "A=1", "B=2") == ()


def test_rule_8_the_reference_passes_everything_on() -> None:
    if "--whitelist-env" not in support.reference_options():
        pytest.skip("the reference has no --whitelist-env")
    theirs = observe(
        support.reference(),
        ["--whitelist-env=NOT_SET", *PROBE],
        conditions=["emptyenv", "env=A=1"],
    )
    assert theirs.report["environment"] == ("A=1",)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--clear-env"], ()),
        (["--clear-env", "--whitelist-env=A"], ("A=1",)),
        (["--whitelist-env=A", "--clear-env"], ("A=1",)),
        (["--whitelist-env=A"], ("A=1",)),
        (["--whitelist-env=A,C"], ("A=1", "C=")),
        (["--whitelist-env=A", "--whitelist-env=C"], ("A=1", "C=")),
        (["--whitelist-env=A,NOT_SET"], ("A=1",)),
        (["--whitelist-env="], ()),
        (["--whitelist-env", "B"], ("B=\\377",)),
        (["-f", "--clear-env"], ()),
        (["-r", "--whitelist-env=A"], ("A=1",)),
    ],
)
def test_the_environment_that_was_asked_for(
    options: Sequence[str], expected: tuple[str, ...]
) -> None:
    """There is no released reference for these options yet."""
    found = _environment_after(options, "A=1", b"B=\xff", "C=", "D")
    assert sorted(found) == sorted(expected)


def test_the_cleared_environment_decides_about_path_and_shell() -> None:
    """PATH and SHELL are judged as things stand at the end."""
    conditions = ["emptyenv", "env=PATH=/none", f"env=SHELL={support.compiled('probe')}"]
    found = observe(support.command(), ["--clear-env", "true"], conditions=conditions)
    assert (found.status, found.stderr) == (0, "")
    kept = observe(support.command(), ["--whitelist-env=PATH", "true"], conditions=conditions)
    assert kept.status == 127
    shell = observe(support.command(), ["--whitelist-env=SHELL"], conditions=conditions)
    assert shell.report["argument"] == ("-probe",)
    cleared = observe(
        support.command(), ["--clear-env"], conditions=[*support.database_conditions(), *conditions]
    )
    assert (cleared.status, cleared.report.get("argument")) == (0, None)


# ---- 9 ------------------------------------------------------------------------------------------


def test_rule_9_a_relative_wd_is_inside_the_new_root() -> None:
    root = made_root()
    line = ["--root", str(root), "--wd", "inner"]
    program = ("/probe", "@REPORT")
    ours, theirs = both(line, program=program, conditions=[f"directory={root}"])
    assert ours.field("working_directory/path") == "/inner"
    assert theirs.field("working_directory/path") == "/inner"
    outside = support.new_directory()
    (outside / "inner").mkdir()
    ours, theirs = both(line, program=program, conditions=[f"directory={outside}"])
    assert ours.field("working_directory/path") == "/inner"
    assert theirs.field("working_directory/path").startswith("(unreachable)")


def test_rule_9_not_found_inside() -> None:
    root, outside = made_root(), support.new_directory()
    (outside / "elsewhere").mkdir()
    line = ["--root", str(root), "--wd", "elsewhere"]
    program = ("/probe", "@REPORT")
    ours, theirs = both(line, program=program, conditions=[f"directory={outside}"])
    assert theirs.status == 0
    expected = f"{NAME}: cannot change directory to elsewhere: No such file or directory\n"
    assert (ours.status, ours.stderr) == (1, expected)


def test_rule_9_not_the_directory_of_the_caller() -> None:
    """/proc/self/cwd is a relative --wd in disguise."""
    line = ["--root", "/", "--wd", "/proc/self/cwd"]
    ours, theirs = both(line, conditions=["directory=/usr"])
    assert ours.field("working_directory/path") == "/"
    assert theirs.field("working_directory/path") == "/usr"


# ---- 10 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [2, 15])
def test_rule_10_ignored_signals_stay_ignored(number: int) -> None:
    ours, theirs = both(["--forward-signals"], conditions=[f"ignore={number}"])
    assert ours.field("signals/ignored") == f"{number} "
    assert theirs.field("signals/ignored") == ""
    ours, theirs = both(["-f"], conditions=[f"ignore={number}"])
    assert ours.report["signals/ignored"] == theirs.report["signals/ignored"] == (f"{number} ",)


# ---- 11 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [["--map-user=5", "--map-users=0:0:0"], ["-r", "--map-users=0:0:0"]]
)
def test_rule_11_a_range_of_count_0_maps_nothing(options: Sequence[str]) -> None:
    ours, theirs = both(options)
    assert (theirs.status, theirs.report) == (1, {})
    assert theirs.stderr == f"{NAME}: failed to write /proc/PID/uid_map: Invalid argument\n"
    inner = 5 if "5" in options[0] else 0
    assert (ours.status, ours.stderr, ours.map()) == (0, "", f"{inner} 0 1")


# ---- 12 -----------------------------------------------------------------------------------------


def test_rule_12_messages_name_the_program_by_its_base_name() -> None:
    theirs = observe(support.reference()._replace(argument0="/some/where/x"), ["--foo"])
    assert theirs.stderr.startswith("/some/where/x: unrecognized option '--foo'\n")
    ours = observe(support.command(), ["--foo"])
    expected = f"{NAME}: unrecognized option '--foo'\nTry '{NAME} --help' for more information.\n"
    assert ours.stderr == expected


@pytest.mark.parametrize("name", ["unshare", "anything else"])
def test_rule_12_under_another_name(name: str) -> None:
    if len(support.COMMAND) != 1:
        pytest.skip("the command under test is no installed script")
    link = support.new_directory() / name
    link.symlink_to(support.COMMAND[0])
    program = support.command()._replace(file=str(link), argument0=name)
    found = observe(program, ["-R", "/none"])
    assert found.stderr.startswith(f"{name}: cannot change root directory to '/none': ")


# ---- 13 -----------------------------------------------------------------------------------------

LONG_OPTIONS = (
    *("help", "version", "mount", "uts", "ipc", "net", "pid", "user", "cgroup", "time", "fork"),
    *("kill-child", "forward-signals", "mount-proc", "mount-binfmt", "map-user", "map-users"),
    *("map-group", "map-groups", "map-root-user", "map-current-user", "map-auto", "map-subids"),
    *("owner", "propagation", "setgroups", "keep-caps", "setuid", "setgid", "root", "wd"),
    *("monotonic", "boottime", "load-interp", "clear-env", "whitelist-env"),
)
SHORT_OPTIONS = "hVmuinpUCTfrcSGRwl"


def test_rule_13_help_names_every_option() -> None:
    found = observe(support.command(), ["--help"])
    words = set(re.findall(r"--[a-z][a-z-]*[a-z]", found.stdout))
    assert {f"--{name}" for name in LONG_OPTIONS} <= words
    letters = set(re.findall(r"(?<![\w-])-([A-Za-z])\b", found.stdout))
    assert set(SHORT_OPTIONS) <= letters
    assert found.stdout.isascii() and found.stdout.endswith("\n")
    assert max(map(len, found.stdout.splitlines())) <= 80


def test_rule_13_version() -> None:
    found = observe(support.command(), ["--version"])
    expected = (
        rf"{re.escape(NAME)} from pyunshare \d+\.\d+\.\d+\S*, compatible with util-linux 2\.43\n"
    )
    assert re.fullmatch(expected, found.stdout), found.stdout


def test_rule_13_the_abbreviations_that_are_ambiguous_now() -> None:
    """2.42.4 lacks two options, so it knows only one that begins with ``--c``, and one ``--w``."""
    found = observe(support.command(), ["--c"])
    assert found.stderr.splitlines()[0] == (
        f"{NAME}: option '--c' is ambiguous; possibilities: '--cgroup' '--clear-env'"
    )
    found = observe(support.command(), ["--w"])
    assert found.stderr.splitlines()[0] == (
        f"{NAME}: option '--w' is ambiguous; possibilities: '--wd' '--whitelist-env'"
    )
    found = observe(support.command(), ["--=x"])
    listed = " ".join(f"'--{name}'" for name in LONG_OPTIONS)
    assert found.stderr.splitlines()[0] == (
        f"{NAME}: option '--=x' is ambiguous; possibilities: {listed}"
    )


# ---- 14 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [[], ["-f"], ["-r"], ["--clear-env"]], ids=lambda o: " ".join(o)
)
@pytest.mark.parametrize("number", [13, 25])
def test_rule_14_python_hides_what_was_ignored(number: int, options: Sequence[str]) -> None:
    ours = observe(support.command(), [*options, *PROBE], conditions=[f"ignore={number}"])
    assert ours.field("signals/ignored") == ""
    ours = observe(support.command(), [*options, *PROBE])
    assert ours.field("signals/ignored") == ""
    theirs = observe(support.reference(), PROBE, conditions=[f"ignore={number}"])
    assert theirs.field("signals/ignored") == f"{number} "
