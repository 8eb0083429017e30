"""Fixed command lines through the command under test and through the reference.

The ids name the section of the behaviour contract and the row. Where the two are meant to differ,
see ``differences.py``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import pytest

from tests.helpers import comparing, support
from tests.helpers.comparing import Observation, assert_same, both, differences, made_root
from tests.helpers.machine import has, needs
from tests.helpers.support import (
    NAME,
    ROOT,
    UNKNOWN,
    WITH_SUBORDINATE_IDS,
    WITHOUT_SUBORDINATE_IDS,
    User,
    Word,
)

pytestmark = needs("root", "compiler", "reference", "subordinate id files")

Row = Union[Sequence[Word], tuple[Sequence[Word], Mapping[str, Any]]]
Rows = Mapping[str, Row]

NO_PROGRAM: dict[str, Any] = {"program": ()}


def table(section: str, rows: Rows) -> pytest.MarkDecorator:
    """A test for each row: its options, and the arguments of ``both`` where it has any."""
    parameters = []
    for name, row in rows.items():
        options, arguments = row if isinstance(row, tuple) else (row, {})
        parameters.append(pytest.param(options, arguments, id=f"{section}-{name}"))
    return pytest.mark.parametrize(("options", "arguments"), parameters)


def each(*lines: str) -> dict[str, list[str]]:
    """Rows named by their own words, which no blank divides further."""
    return {line: line.split() for line in lines}


def valued(option: str, values: Iterable[str], *more: str) -> dict[str, list[str]]:
    """Rows for the values of one option."""
    return {f"{option}={value!r}": [*more, f"{option}={value}"] for value in values}


# ---- 1. the command line ------------------------------------------------------------------------

COMMAND_LINE: dict[str, Row] = {
    "nothing": [],
    **each("--", "-f --", "-ipf", "-ipfUr", "-mp", "-mfile", "-S0", "-S 0", "-G0", "-G 0", "-fS 0"),
    **each("-fS0", "-w /", "-w/", "-R /", "-R/", "-fw/", "--wd /", "--wd=/", "--root=/ --wd=/tmp"),
    "lone-dash": (["-"], NO_PROGRAM),
    "lone-dash-after-options": (["-f", "-"], NO_PROGRAM),
    "option-after-program": (["-f"], {"program": ("@PROBE", "@REPORT", "-x", "--foo", "-m")}),
    "double-dash-after-program": ([], {"program": ("@PROBE", "@REPORT", "--", "-f")}),
    "double-dash-before-program": (["--"], {"program": ("--", "x")}),
    "posixly-correct": (["-f"], {"environment": {**support.ENVIRONMENT, "POSIXLY_CORRECT": "1"}}),
    "short-takes-no-value": (["-m", "no-such-program"], NO_PROGRAM),
    # abbreviations
    **each(
        "--mount -f", "--u", "--ut", "--i", "--n", "--us", "--cg", "--t -f", "--ti -f", "--p -f"
    ),
    **each("--pi -f", "--fork", "--forw", "--map-r", "--map-c", "--map-a", "--map-user=0"),
    **each("--map-users=0:0:1", "--map-u=0", "--pro=private -m", "--ro=/"),
    **each("--setu=0", "--setgi=0", "--setgr=deny -U", "--mon=1 -T -f", "--bo=1 -T -f", "--kee"),
    **each("--ki", "--o=0:0", "--o 0:0", "--mount-p", "--map-group=0", "--map-groups=0:0:1"),
    # errors
    **each("-x", "-mx", "-xV", "-fxh", "-1", "-?", "-:", "-;", "-W", "-W fork", "--foo=bar", "---"),
    **each("--MOUNT", "--fork=1", "--fork=", "--map-root-user=0", "--keep-caps=x", "--version=1"),
    **each("--help=1", "-S", "-fS", "-G", "-R", "-w", "-l", "--e", "--mountx", "--f=1", "--fork1"),
    **{
        f"{option}-without-value": ([option], NO_PROGRAM)
        for option in (
            "--setuid",
            "--setgid",
            "--root",
            "--wd",
            "--map-user",
            "--map-users",
            "--map-group",
            "--map-groups",
            "--owner",
            "--propagation",
            "--setgroups",
            "--monotonic",
            "--boottime",
            "--load-interp",
            "--roo",
        )
    },
    **each("--moun", "--m", "--ma", "--map", "--map-", "--map-us", "--map-g", "--s", "--set"),
    **each("--se=1", "--f", "--fo", "--for", "--k", "--mo", "--mo=1", "--pr -m", "--r", "--mount-"),
    **each("--setg", "--map=1"),
    "bytes-short": ([b"-\xff"], {}),
    "bytes-short-utf-8": (["-é"], {}),
    "bytes-long": ([b"--f\xff=\xfe"], {}),
    "bytes-value": ([b"--setgroups=\xff\xfe"], {}),
    "bytes-quotes": (["--fo'o"], {}),
    "empty-word": (["-f", ""], NO_PROGRAM),
    # the first error counts
    **each("-S abc --setgroups=x", "--setgroups=x -S abc", "-x -S abc", "-S abc -x"),
    **each("--monotonic=1 --setgroups=x", "--monotonic=x", "--propagation=x -x", "-S abc -V"),
    "empty-file": (["--uts="], {}),
}


@pytest.mark.thorough
@table("1", COMMAND_LINE)
def test_command_line(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **arguments)


@pytest.mark.parametrize(
    "options",
    [
        ["-h"],
        ["--help"],
        ["-mh"],
        ["-V"],
        ["-Vx"],
        ["-hV"],
        ["-Vh"],
        ["-f", "-V"],
        ["--he"],
        ["--ver"],
        ["-Sh", "-h"],
        ["-S0h"],
        ["-V", "--foo"],
        ["--v"],
        ["-h", "no-such-program"],
    ],
    ids=" ".join,
)
def test_help_and_version_end_alike(options: Sequence[str]) -> None:
    """The texts differ on purpose (11.13)."""
    command, reference = both(options)
    assert (command.status, command.stderr) == (reference.status, reference.stderr)
    assert bool(command.stdout) == bool(reference.stdout)
    assert command.report == reference.report


# ---- 2. options ---------------------------------------------------------------------------------

PID_AND_FORK = ("--pid", "--fork")
SIGNALS = ["KILL", "kill", "SIGKILL", "sigkill", "TERM", "SigHup", "USR1", "CHLD", "CLD", "IOT"]
SIGNALS += ["ABRT", "POLL", "IO", "STKFLT", "PWR", "SYS", "UNUSED", "EXIT", "0", "9", "15", "RTMIN"]
SIGNALS += ["RTMAX", "RTMIN+0", "RTMIN+1", "SIGRTMIN+1", "sigrtmin+2", "RTMIN+30", "RTMIN+31"]
SIGNALS += ["RTMIN+99", "RTMAX-0", "RTMAX-1", "RTMAX-30", "RTMAX-31", "RTMIN-1", "RTMAX+1", "RT0"]
SIGNALS += ["RT1", "RT30", "RT31", "RT-1", "RTMIN+", "RTMIN+ 1", "RTMIN+1x", "RTMIN++1", "SIG", ""]
SIGNALS += ["foo", "SIGSIGKILL", "KILLx", " KILL", "KILL ", "RT", "RTx", "INT", "WINCH", "SIGRT2"]
if not has("glibc"):  # each C library keeps some of the first real-time signals for itself
    SIGNALS = [name for name in SIGNALS if "RT" not in name.upper()]

OPTIONS: dict[str, Row] = {
    **each("-m", "-u", "-i", "-n", "-p", "-U", "-C", "-T"),
    **each("-f -m", "-f -u", "-f -i", "-f -n", "-f -p", "-f -U", "-f -C", "-f -T", "-f"),
    **each("--mount", "--uts", "--ipc", "--net", "--pid", "--user", "--cgroup", "--time"),
    **each("-muinpUCTf", "-muinpCT", "-muinpCT --fork --mount-proc", "-m -m -u -u", "-f -f"),
    **each("--kill-child", "--kill-child -p", "--kill-child -p --mount-proc", "--forward-signals"),
    **each("--kill-child --forward-signals", "--kill-child=TERM --kill-child", "--kill-child -U"),
    **each("--kill-child -r", "--kill-child --map-users=0:0:10"),
    **valued("--kill-child", SIGNALS),
    # proc
    **each("--mount-proc", "--mount-proc=/proc", "-pf --mount-proc", "-pf --mount-proc=/proc"),
    **each("-pf --mount-proc=@DIR", "--mount-proc=@DIR", "--mount-proc=@DIR/none", "--mount-proc="),
    **each(
        "--mount-proc=@FILE", "--mount-proc=@DIR --mount-proc", "--mount-proc --mount-proc=@DIR"
    ),
    **each(
        "-pf --mount-proc=proc -w @ROOT",
        "-rpf --mount-proc",
        "-r --mount-proc",
        "-Upf --mount-proc",
    ),
    **each("-rpf --mount-proc=@DIR", "-pfR @ROOT --mount-proc", "-R @ROOT --mount-proc=/none"),
    **each("-pfR @ROOT --mount-proc=/inner", "-rpfR @ROOT --mount-proc", "-pf --mount-proc -R /"),
    # propagation
    **each("-m --propagation=slave", "-m --propagation=private", "-m --propagation=shared"),
    **each("-m --propagation=unchanged", "--propagation=shared", "--propagation=slave -p -f"),
    **each("-m --propagation=shared --propagation=slave", "--propagation slave -m"),
    **each("-pf --mount-proc --propagation=slave", "-pf --mount-proc --propagation=shared"),
    **each("-pf --mount-proc --propagation=unchanged", "-pf --mount-proc=@DIR --propagation=slave"),
    **each("-pf --mount-proc=@DIR --propagation=shared", "-rm --propagation=shared"),
    **each("-pf --mount-proc=@DIR/none --propagation=shared", "-rm --propagation=unchanged"),
    **each("-pf --mount-proc --propagation=slave -R @ROOT"),
    **valued("--propagation", ["", "x", "Private", "priv", "private ", "rprivate", "shared,slave"]),
    # setgroups
    **each("--setgroups=allow", "--setgroups=deny", "-U --setgroups=allow", "-U --setgroups=deny"),
    **each("-r --setgroups=allow", "-c --setgroups=allow", "--map-user=0 --setgroups=deny"),
    **each("--map-user=0 --setgroups=allow", "--map-group=0 --setgroups=allow", "-f --setgroups=x"),
    **each("--map-users=0:0:1 --map-groups=0:0:1 --setgroups=allow"),
    **each("--map-users=0:0:1 --map-groups=0:0:1 --setgroups=deny"),
    **each("--map-users=0:0:1 --setgroups=deny", "--setgroups=deny --setgroups=allow -U"),
    **each("--setgroups=allow --map-root-user", "-r --map-users=5:5:1 --setgroups=allow"),
    **valued("--setgroups", ["", "Allow", "den", "deny ", "0"], "-U"),
    # capabilities
    **each("--keep-caps", "-U --keep-caps", "-r --keep-caps", "-c --keep-caps", "-fr --keep-caps"),
    **each("--map-user=5 --keep-caps", "-r --keep-caps -S 0", "-c --keep-caps -f --kill-child"),
    **each("--map-users=0:0:10 --map-groups=0:0:10 --keep-caps -S 5 -G 5"),
    **each("--map-users=0:0:10 --map-groups=0:0:10 -S 5 -G 5", "-r --keep-caps -R @ROOT"),
    # ids
    **each(
        "-S 0 -G 0", "-S 5", "-G 6", "-S 5 -G 6", "-f -S 5 -G 6", "-r -S 0", "-r -G 0", "-r -S 7"
    ),
    **each("-U -S 0", "-U -G 0", "--map-user=7 -S 7", "-S 1 -S 2", "-S 65534 -G 65534"),
    **each(
        "--map-users=0:0:9 --map-groups=0:0:9 -G 3", "--map-users=0:0:9 --map-groups=0:0:9 -S 3"
    ),
    **each("--owner=0:0", "--owner=1:1", "--owner=61001:61002", "-f --owner=5:6", "--owner=1:2 -r"),
    **each("--owner=0:0 -r", "--owner=0:0 --map-user=4 --map-group=5", "--owner=0:0 --map-auto"),
    **each("--owner=0:0 --owner=5:5", "--owner=5:5 -S 0", "--owner=5:5 -m", "--owner=5:5 -c"),
    **each("--owner=5:5 --map-users=0:0:10 --map-groups=0:0:10", "--owner=5:5 -r -pf --mount-proc"),
    # root and working directory
    **each("-R @ROOT -w /inner", "-R @ROOT -w /none", "-R @ROOT/none", "-R @FILE", "-w @DIR/none"),
    **each(
        "-w @FILE", "-w @DIR", "-w .", "-w ..", "--root=", "--wd=", "-R @ROOT -R /", "-w / -w @DIR"
    ),
    **each("-r -R /", "-r -w @DIR", "-m -R / -w @DIR", "-U -R /", "-fR /"),
    # time
    **each("-T --monotonic=5", "-T -f --monotonic=5", "-Tf --boottime=-5", "-Tf --boottime 1000"),
    **each("-Tf --monotonic=1 --boottime=2", "-Tf --boottime=2 --monotonic=1", "-rTf --boottime=9"),
    **each(
        "-Tf --monotonic=1 --monotonic=2", "--monotonic=1", "--boottime=1 -f", "-UTf --boottime=1"
    ),
    **each("-Tf --monotonic=0", "--boottime=0"),
    # persistent files that cannot be
    **each(
        "--uts=@DIR/none", "--mount=@DIR/none", "--user=@DIR/none", "--pid=@FILE", "--time=@FILE"
    ),
    **each("--uts=@DIR"),
    # binary formats
    **each("-rpf --mount-binfmt", "-rpf --mount-binfmt=@DIR", "-rpf --mount-binfmt=@DIR/none"),
    **each("-pf --mount-binfmt", "--mount-binfmt", "-rpf --mount-binfmt --mount-proc=@DIR"),
    **each(
        "-rpf --mount-binfmt= ",
        "-rpf -l :t:E::pyu::/bin/cat:",
        "-rpf -l x",
        "-rpf -l :t:E::p::/c:X",
    ),
    **each(
        "-rpf --mount-binfmt=@DIR -l :t:E::pyu::/bin/cat:", "-rpf -l :t:E::pyu::/bin/cat:F -R @ROOT"
    ),
    **each("-rpf -l :t:E::pyu::/bin/cat: -R @ROOT", "-rpf -l :t:E::pyu::/none:F -R @ROOT"),
    **each("-rpf -l :t:E::pyu::/bin/cat:OF", "-rpf -l :t:E::p::/c: -l :u:E::q::/c:"),
    "load-empty": ["-rpf", "-l", ""],
    "load-empty-root": ["-rpf", "-l", "", "-R", "@ROOT"],
    "load-blank": ["-rpf", "-l", " "],
}


def placed(options: Sequence[Word]) -> dict[str, Any]:
    """A directory, a file and a root where the words ask for them; the probe inside the root."""
    text = " ".join(os.fsdecode(word) for word in options)
    arguments: dict[str, Any] = {"values": {}}
    if "@DIR" in text:
        arguments["values"]["@DIR"] = str(support.new_directory())
    if "@FILE" in text:
        file = support.new_directory() / "file"
        file.touch()
        arguments["values"]["@FILE"] = str(file)
    if "@ROOT" in text:
        arguments["values"]["@ROOT"] = str(made_root())
        if "-R /" not in text and "-w @ROOT" not in text:
            arguments["program"] = ("/probe", "@REPORT")
    return arguments


@table("2", OPTIONS)
def test_options(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **{**placed(options), **arguments})


SHARED_START = each(
    "-m",
    "-m --propagation=unchanged",
    "-m --propagation=slave",
    "-m --propagation=shared",
    "-pf --mount-proc",
    "-pf --mount-proc --propagation=slave",
    "-pf --mount-proc=@DIR --propagation=unchanged",
    "-pf --mount-proc=@DIR --propagation=shared",
    "-pf --mount-proc --propagation=shared",
    "-rm --propagation=shared",
    "-rm --propagation=unchanged",
    "-rm",
    "-u",
)


@table("2-shared", SHARED_START)
def test_from_a_shared_root(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **placed(options), conditions=["propagation=shared"])


# ---- 3. values ----------------------------------------------------------------------------------

NUMBERS = [
    "",
    "abc",
    "5x",
    "5 ",
    " 5",
    "\t5",
    "\n5",
    "\v5",
    "\f5",
    "\r5",
    "+5",
    "++5",
    "+ 5",
    "010",
]
NUMBERS += ["0x5", "1e3", "5.0", "00", "-", "+", " ", "\u00a05", "\u0665", "5_0", "--5", "0 0"]
NUMBERS += ["4294967295", "99999999999999999999"]
OFFSETS = ["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-5", "- 5"]
OFFSETS += ["-9223372036854775809", "1" + "0" * 30, "1" + "0" * 5000, "-", "-x", "10000000000"]
MAPPINGS = ["", "0", "0:0", "0:0:1:1", "0:0:1 ", "0:0:1x", " 0:0:1", "0: 0:1", "0:0: 1", "+0:0:1"]
MAPPINGS += ["a:b:c", "0,0,1", "0,0,1,1", "0,0:1", "0:0,1", "::", ",,", ":0:1", "0::1", "0:0:", "x"]
MAPPINGS += [
    "Auto",
    "auto ",
    "autox",
    "sub",
    "subid",
    "ALL",
    "al",
    "00:00:01",
    "0x0:0:1",
    "5,100,2",
]
MAPPINGS += ["0:0:4294967295", "5:4294967290:5", "0:0:5\n", "0 :0:1", "0:0 :1", "-0:0:1"]
OWNERS = ["", "0", "0:", ":0", "a:b", "0:0:0", "0:0 ", " 0:0", "0: 0", "+0:+0", "0,0", "x:0", "0:x"]
OWNERS += ["root:root", "00:00", "0x0:0", "4294967295:0", "0:4294967295"]
MAP_USERS = ["0", "5", "05", " 5", "+5", "nobody", "root", support.WITH_SUBORDINATE_IDS.name]
MAP_USERS += ["4294967294", "65534"]

VALUES: dict[str, Row] = {
    **valued("--setuid", NUMBERS),
    **valued("--setgid", NUMBERS),
    **valued("--monotonic", [*NUMBERS, *OFFSETS], "-T", "-f"),
    **valued("--boottime", [*NUMBERS, *OFFSETS], "-T", "-f"),
    **valued("--map-users", MAPPINGS),
    **valued("--map-groups", MAPPINGS),
    **valued("--owner", OWNERS),
    **valued("--map-user", MAP_USERS),
    **valued("--map-group", ["0", "7", "nogroup", "root", " 5", "+5", "4294967294"]),
    **each("--map-user=5 --map-user=6", "--map-group=5 --map-group=6", "-r -c", "-c -r"),
    **each("--map-user=3 -r", "-r --map-user=3", "-r --map-group=3", "--map-user=3 --map-group=4"),
    **each("--map-groups=0:0:10", "--map-groups=0:0:5 --map-groups=7:7:2", "--map-users=0:0:1 -f"),
    **each("--map-users=all", "--map-groups=all", "--map-users=all --map-groups=all"),
    **each("--map-users=auto", "--map-groups=auto", "--map-auto", "--map-auto --map-subids"),
    **each("--map-users=subids --map-groups=subids", "--map-users=subids", "--map-groups=subids"),
    **each("--map-users=0:0:10 --map-users=5:100:10", "--map-users=0:0:1 --map-users=1:0:1"),
    **each("--map-auto --map-users=70000:5:1", "--map-users=5:5:5 --map-auto", "-c --map-auto"),
    **each("-r --map-users=all", "-r --map-users=all --map-groups=all", "-c --map-users=all"),
    "340-ranges": [f"--map-users={2 * i}:{2 * i}:1" for i in range(340)],
    "341-ranges": [f"--map-users={2 * i}:{2 * i}:1" for i in range(341)],
    "too-large-for-4k": [f"--map-users={10**9 + 2 * i}:{10**9 + 2 * i}:1" for i in range(300)],
    "many-groups": [f"--map-groups={10**9 + 2 * i}:{10**9 + 2 * i}:1" for i in range(300)],
}


@pytest.mark.thorough
@table("3", VALUES)
def test_values(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **arguments)


INVALID = "Invalid argument"
OUT_OF_RANGE = "Numerical result out of range"


@pytest.mark.parametrize(("option", "kind"), [("--map-user", "uid"), ("--map-group", "gid")])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no-such-name", INVALID),
        ("", INVALID),
        ("4294967295", INVALID),
        ("5x", INVALID),
        ("0x5", INVALID),
        ("4294967296", OUT_OF_RANGE),
        ("99999999999999999999999", OUT_OF_RANGE),
        ("-1", OUT_OF_RANGE),
    ],
)
def test_an_impossible_single_mapping(option: str, kind: str, value: str, reason: str) -> None:
    """2.42.4 ends its message before the reason."""
    command, reference = both([f"{option}={value}"])
    beginning = f"{NAME}: failed to parse {kind} '{value}'"
    assert reference.stderr.startswith(beginning)
    if [support.reference_path()] != support.COMMAND:
        assert command.stderr == f"{beginning}: {reason}\n"
    assert (command.status, reference.status) == (1, 1)


DATABASES: Mapping[str, tuple[Sequence[str], Mapping[str, str]]] = {
    "by-number": (["--map-auto"], {"subuid": "0:200000:10\n", "subgid": "0:300000:20\n"}),
    "first-line": (["--map-auto"], {"subuid": "0:5000:10\n0:6000:10\n"}),
    "later-line": (["--map-auto"], {"subuid": "7:5000:10\n0:6000:10\n", "subgid": "0:1:5\n"}),
    "empty": (["--map-auto"], {"subuid": ""}),
    "empty-groups": (["--map-auto"], {"subgid": ""}),
    "empty-subids": (["--map-subids"], {"subuid": ""}),
    "no-newline": (["--map-auto"], {"subuid": "0:200000:10"}),
    "too-few-fields": (["--map-auto"], {"subuid": "0:200000\n"}),
    "not-a-number": (["--map-auto"], {"subuid": "0:x:10\n"}),
    "no-count": (["--map-auto"], {"subuid": "0:1000:\n"}),
    "more-fields": (["--map-auto"], {"subuid": "0:1000:10:5\n"}),
    "blanks": (["--map-auto"], {"subuid": "0: 1000: 10\n"}),
    "comment": (["--map-auto"], {"subuid": "# of subordinate ids\n0:1000:10\n"}),
    "blank-line": (["--map-auto"], {"subuid": "\n0:1000:10\n"}),
    "count-0": (["--map-auto"], {"subuid": "0:1000:0\n"}),
    "auto-single": (["-r", "--map-auto"], {"subuid": "0:2000:3\n", "subgid": "0:3000:3\n"}),
    "root-not-in-passwd": (["--map-auto"], {"passwd": "nobody:x:65534:65534::/:\n"}),
    "unknown-number": (["--map-auto"], {"passwd": "x:x:5:5::/:\n", "subuid": "0:1000:10\n"}),
    "map-user-name": (["--map-user=somebody"], {"passwd": "somebody:x:77:7::/:\n"}),
    "map-user-numeric-name": (["--map-user=88"], {"passwd": "88:x:77:7::/:\n"}),
    "map-group-name": (["--map-group=some"], {"group": "some:x:78:\n"}),
}


@pytest.mark.parametrize("row", DATABASES, ids=lambda row: f"3-database-{row}")
def test_databases(row: str) -> None:
    options, files = DATABASES[row]
    conditions = support.database_conditions(**files)
    assert_same(options, prepared=False, conditions=conditions)


@pytest.mark.parametrize("name", ["subuid", "subgid"])
@pytest.mark.parametrize("option", ["--map-auto", "--map-subids"])
def test_a_missing_database(name: str, option: str) -> None:
    empty = support.new_directory()
    for kept in {"passwd", "group", "subuid", "subgid"} - {name}:
        (empty / kept).write_bytes(support.databases()[f"/etc/{kept}"].read_bytes())
    # Nothing but our own files in /etc: there is no other way to make one vanish.
    conditions = ["mounts", f"bind={empty}:/etc"]
    found = assert_same([option], prepared=False, conditions=conditions)
    expected = f"{NAME}: could not open '/etc/{name}': No such file or directory\n"
    assert found.stderr == expected


def test_ranges_inside_a_user_namespace() -> None:
    """``all`` reads the map of the caller, whatever that is."""
    outer = ["--map-users=0:0:5", "--map-users=10:20:5", "--map-groups=0:0:9"]
    inner = ["--map-users=all", "--map-groups=all", "@PROBE", "@REPORT"]
    ours, theirs = support.command(), support.reference()
    nested = [
        comparing.observe(
            theirs,
            [*outer, "/bin/sh", "-c", 'exec "$@"', "sh", program.file, *program.arguments, *inner],
            environment={**support.ENVIRONMENT, **dict(ours.environment)},
        )
        for program in (ours, theirs)
    ]
    assert not differences(*nested), "\n".join(differences(*nested))
    assert nested[0].map().startswith("0 0 5 · 10 10 5"), nested[0]


# ---- 6. a single mapping among ranges -----------------------------------------------------------

MAPS = {
    "-r --map-users 0:100000:65536": "0 0 1 · 1 100000 65535",
    "-r --map-users 5:100000:10": "0 0 1 · 5 100000 10",
    "-c --map-users 0:0:10": "0 0 1 · 1 1 9",
    "-r --map-users 1:1:10": "0 0 1 · 1 1 10",
    "--map-user 5 --map-users 0:0:10": "5 0 1 · 0 1 5 · 6 6 4",
    "--map-user 5 --map-users 0:100:10": "5 0 1 · 0 100 5 · 6 105 4",
    "--map-user 5 --map-users 0:100:3 --map-users 10:200:3": "5 0 1 · 0 100 3 · 10 200 3",
    "--map-user 10 --map-users 0:100:10": "10 0 1 · 0 100 9",
    "--map-user 11 --map-users 0:100:10": "11 0 1 · 0 100 10",
    "--map-users 0:100:10 --map-users 20:300:5": "0 100 10 · 20 300 5",
    "--map-user 3 --map-users 10:0:10": "3 0 1 · 10 1 9",
    "--map-user 3 --map-users 0:0:1": "3 0 1",
    "--map-user 1000 --map-users all": "1000 0 1 · 0 1 1000 · 1001 1001 4294966294",
    "-r --map-auto": "0 0 1 · 1 100000 65536",
    "--map-subids": "100000 100000 65536",
    "-c --map-subids": "0 0 1 · 100000 100000 65536",
    "--map-user 7 --map-auto": "7 0 1 · 0 100000 7 · 8 100007 65529",
    "--map-users 0:0:0": "",
    "--map-user 4 --owner 1001:1001": "4 0 1",
}


@pytest.mark.parametrize("line", MAPS)
@pytest.mark.parametrize("kind", ["uid_map", "gid_map"])
def test_map(line: str, kind: str) -> None:
    """The reference's map, and the contract's; for groups under the names of their options."""
    options = line if kind == "uid_map" else line.replace("--map-user", "--map-group")
    found = assert_same(options.split())
    assert found.status == 0, found
    assert found.map(kind) == MAPS[line]


MORE_MAPS = each(
    "--map-user=5 --map-users=0:0:6",
    "--map-user=5 --map-users=0:0:5",
    "--map-user=5 --map-users=0:0:4",
    "--map-user=5 --map-users=5:0:5",
    "--map-user=5 --map-users=6:0:5",
    "--map-user=5 --map-users=4:0:2",
    "--map-user=5 --map-users=4:100:1",
    "--map-user=5 --map-users=5:100:1",
    "--map-user=5 --map-users=5:100:2",
    "--map-user=0 --map-users=0:0:2",
    "--map-user=0 --map-users=0:1:5",
    "--map-user=1 --map-users=0:0:2",
    "--map-user=100 --map-users=0:0:50 --map-users=90:90:20",
    "--map-user=100 --map-users=90:0:20",
    "--map-user=100 --map-users=100:0:20",
    "--map-user=1 --map-users=0:0:10 --map-users=20:20:5",
    "-r --map-users=1:0:10",
    "-r --map-users=10,0,10",
    "-r --map-groups=0:100:10",
    "-r --map-users=0:100:10 --map-groups=0:200:10",
    "-r --map-users=0:100:1",
    "-c --map-users=0:100:1",
    "--map-group=5 --map-users=0:0:10",
    "--map-user=5 --map-groups=0:0:10",
    "--map-user=5 --owner=0:0 --map-users=0:0:10",
    "--map-group=4 --owner=0:0",
    "-r --map-subids",
    "--map-user=100000 --map-subids",
    "--map-user=165536 --map-subids",
    "--map-user=165537 --map-subids",
    "--map-user=65536 --map-auto",
    "--map-user=65535 --map-auto",
    "--map-user=65537 --map-auto",
    "-r --map-auto --map-users=70000:0:5",
    "-r --map-auto --map-subids",
    "--map-user=4294967294 --map-users=all",
    "--map-users=0:0:5 --map-groups=0:0:5 --map-user=3 --map-group=4",
    "--map-user=5 --map-users=0:0:10 --setgroups=deny",
    "-r --map-users=0:0:10 --map-groups=0:0:10 -G 3 -S 2",
    "-r --map-users=1:1:10 -f -p --mount-proc",
)


@table("6", MORE_MAPS)
def test_more_maps(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **arguments)


# ---- as ordinary users --------------------------------------------------------------------------

AS_ORDINARY_USER = {
    **each("-f", "-m", "-n", "-p -f", "-C", "-T", "-U", "-Uf", "-r", "-rf", "-c", "-rm", "-ripf"),
    **each("-rpf --mount-proc", "-rmuinpCTf --mount-proc", "-Umpf", "-Umpf --mount-proc", "-cm"),
    **each("--map-user=5", "--map-group=5", "--map-user=5 --map-group=6", "--map-user=4294967294"),
    **each(
        "--map-users=0:0:1", "--map-users=0:61001:1", "--map-groups=0:61001:1", "--map-users=all"
    ),
    **each("--map-users=0:300000:10", "--map-users=0:300000:10 --map-groups=0:300000:10"),
    **each("--map-users=0:300000:10 --map-groups=0:300000:10 -r", "--map-users=0:1:1 -f"),
    **each("--map-auto", "--map-subids", "--map-auto -r", "--map-auto -c", "--map-subids -c"),
    **each(
        "--map-users=auto", "--map-groups=auto", "--map-auto -rpf --mount-proc", "-r --map-subids"
    ),
    **each(
        "--map-auto -r -S 5 -G 5", "--map-auto -r -G 5", "--map-auto -S 3", "-r -S 0", "-r -G 0"
    ),
    **each("-S 0", "-G 0", "-S 61001", "-c --keep-caps", "-U --keep-caps", "-r --keep-caps"),
    **each(
        "-r --setgroups=allow", "-U --setgroups=deny", "-U --setgroups=allow", "--setgroups=deny"
    ),
    **each(
        "--owner=0:0", "--owner=61001:61001", "-R /", "-r -R /", "-r -w /root/x", "-w /", "-r -w /"
    ),
    **each("-rTf --boottime=100", "-Tf --boottime=100", "-rT --monotonic=5", "-rpf --mount-binfmt"),
    **each("--kill-child -r", "--kill-child -rp", "-cpf --kill-child --mount-proc", "--kill-child"),
    **each("-rm --propagation=shared", "-rm --propagation=slave", "-rm --propagation=unchanged"),
    **each(
        "-rpf -l :t:E::pyu::/bin/cat:", "--mount-binfmt", "-rpf --mount-proc=@DIR", "-r -R @ROOT"
    ),
    **each("-rpfR @ROOT --mount-proc", "-r -R @ROOT -w /inner", "--uts=@FILE", "-r --uts=@FILE"),
    **each("--map-auto -r --keep-caps -S 1 -G 1", "--map-auto -c --keep-caps", "-c -f --keep-caps"),
}


@pytest.mark.parametrize(
    "user",
    [
        pytest.param(WITH_SUBORDINATE_IDS, marks=needs("newuidmap", "newgidmap"), id="with-ids"),
        pytest.param(WITHOUT_SUBORDINATE_IDS, id="without-ids"),
    ],
)
@table("ordinary", AS_ORDINARY_USER)
@needs("user namespaces")
def test_as_ordinary_user(
    options: Sequence[Word], arguments: Mapping[str, Any], user: User
) -> None:
    assert_same(options, user=user, **{**placed(options), **arguments})


@table("unknown", each("-f", "-r", "-c", "--map-auto", "--map-subids", "--map-users=auto", "-U"))
@needs("user namespaces")
def test_as_somebody_without_a_name(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, user=UNKNOWN, **arguments)


@table("helper", each("--map-auto", "--map-auto -r", "--map-users=0:61001:1", "-f --map-auto"))
@needs("user namespaces")
@pytest.mark.parametrize(
    "path", ["/none", "", "@DIR", "@DIR:/usr/bin", "@DIR/unreadable", "@DIR/failing", "@DIR/plain"]
)
def test_the_map_helpers_are_searched_in_path(
    options: Sequence[Word], arguments: Mapping[str, Any], path: str
) -> None:
    directory = support.new_directory()
    for name, text, mode in (
        ("unreadable", "#!/bin/sh\n", 0o600),
        ("failing", "#!/bin/sh\necho failing $0 >&2\nexit 7\n", 0o755),
        ("plain", 'echo plain script; shift; echo $# "$@"\nexit 0\n', 0o755),
    ):
        (directory / name).mkdir()
        for program in ("newuidmap", "newgidmap"):
            (directory / name / program).write_text(text)
            (directory / name / program).chmod(mode)
    environment = {**support.ENVIRONMENT, "PATH": path.replace("@DIR", str(directory))}
    assert_same(options, user=WITH_SUBORDINATE_IDS, environment=environment, **arguments)


# ---- 7. waiting for the child -------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 2, 3, 42, 97 + 1, 126, 127, 128, 254, 255])
@pytest.mark.parametrize("options", [[], ["-f"], ["-rpf"]], ids=["plain", "fork", "rpf"])
def test_exit_statuses(options: Sequence[str], status: int) -> None:
    program = ("/bin/sh", "-c", f"exit {status}")
    assert assert_same(options, program=program).status == status


@pytest.mark.parametrize("number", ["HUP", "INT", "QUIT", "KILL", "TERM", "SEGV", "PIPE", "USR1"])
@pytest.mark.parametrize("options", [["-f"], ["-rf"], ["-f", "--kill-child"]], ids=" ".join)
def test_deaths_by_signal(options: Sequence[str], number: str) -> None:
    program = ("/bin/sh", "-c", f"kill -{number} $$")
    limits = [f"limit={4}:0:0"]  # RLIMIT_CORE: no core files of this
    found = assert_same(options, program=program, conditions=limits)
    assert found.status == -int(getattr(signal, f"SIG{number}"))


@pytest.mark.parametrize("number", ["INT", "TERM", "HUP", "QUIT"])
def test_a_death_by_a_signal_that_is_ignored_or_blocked(number: str) -> None:
    """The parent resets and unblocks the signal before it dies of it."""
    value = int(getattr(signal, f"SIG{number}"))
    program = ("@PROBE", "@REPORT")
    assert_same(["-f"], program=program, conditions=[f"ignore={value}"])
    assert_same(["-f"], program=program, conditions=[f"block={value}"])
    killed = ("/bin/sh", "-c", "kill -KILL $$")
    assert_same(["-f"], program=killed, conditions=[f"block={value}", "limit=4:0:0"])


READY = "trap 'echo caught {name}; exit 9' {name}; echo ready; while :; do sleep 0.05; done"


def _signalled(
    program: support.Program, options: Sequence[str], name: str, child_too: bool, patience: float
) -> tuple[int, bytes]:
    """Send a signal to the launcher once the program is ready, see how both end.

    It is sent again when there is no end in time: under load the reference now and then (one time
    in 500) does not forward the first one. The command under test has to, so its patience is long.
    """
    environment = {**support.ENVIRONMENT, **dict(program.environment)}
    words = [*options, "/bin/sh", "-c", READY.format(name=name)]
    number = int(getattr(signal, f"SIG{name}"))
    with support.popen(support.started(program, words), environment=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            for _ in range(3):
                os.kill(process.pid, number)
                if child_too:
                    for child in support.children(process.pid):
                        os.kill(child, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    output, _ = process.communicate(timeout=patience)
                    break
        finally:
            support.kill_session(process)
    return process.returncode, output


@pytest.mark.parametrize("name", ["INT", "TERM"])
@pytest.mark.parametrize(
    ("options", "child_too"),
    [(["-f"], True), (["--forward-signals"], False), (["--forward-signals", "-rp"], False)],
    ids=["fork", "forward", "forward-to-pid-1"],
)
@needs("child lists")
def test_signals_for_the_parent(options: Sequence[str], child_too: bool, name: str) -> None:
    ours = _signalled(support.command(), options, name, child_too, patience=support.PATIENCE)
    theirs = _signalled(support.reference(), options, name, child_too, patience=2)
    assert ours == theirs == (9, f"caught {name}\n".encode())


def _stopped_and_continued(program: support.Program, options: Sequence[str]) -> int:
    environment = {**support.ENVIRONMENT, **dict(program.environment)}
    line = support.started(program, [*options, "/bin/sh", "-c", "echo ready; read -r go; exit 5"])
    with support.popen(line, environment=environment, stdin=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            (child,) = support.children(process.pid)
            stat = Path(f"/proc/{child}/stat")
            os.kill(child, signal.SIGSTOP)
            support.wait_for(
                lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "a stopped child"
            )
            assert process.poll() is None
            os.kill(child, signal.SIGCONT)
            process.communicate(b"go\n", timeout=20)
        finally:
            support.kill_session(process)
    return process.returncode


@needs("child lists")
@pytest.mark.parametrize("options", [["-f"], ["--forward-signals"], ["-rpf", "--kill-child"]])
def test_a_stopped_child_has_not_ended(options: Sequence[str]) -> None:
    for program in (support.command(), support.reference()):
        assert _stopped_and_continued(program, options) == 5


# ---- 8. starting the program --------------------------------------------------------------------


def _programs() -> dict[str, str]:
    """Files of every kind that execve(2) may dislike, by name."""
    directory = support.new_directory()
    (directory / "unreadable").mkdir()
    for name, text, mode in (
        ("script", "echo plain $0 $# $*\n", 0o755),
        ("empty", "", 0o755),
        ("binary", "\0\1\2\3 garbage", 0o755),
        ("shebang", "#!/bin/sh\necho shebang $0 $*\n", 0o755),
        ("missing-interpreter", "#!/no/such/interpreter\n", 0o755),
        ("not-executable", "echo no\n", 0o644),
        ("unreadable/script", "echo hidden\n", 0o755),
    ):
        (directory / name).write_text(text)
        (directory / name).chmod(mode)
    (directory / "loop").symlink_to("loop")
    (directory / "dangling").symlink_to("nowhere")
    (directory / "unreadable").chmod(0o700)
    return {"@DIR": str(directory)}


PROGRAMS: dict[str, Sequence[Word]] = {
    "not-found": ["no-such-program"],
    "not-found-path": ["/no/such/program"],
    "not-found-here": ["./no-such-program"],
    "empty": [""],
    "directory": ["@DIR"],
    "directory-of-path": ["/"],
    "dot": ["."],
    "not-executable": ["@DIR/not-executable"],
    "not-a-directory": ["@DIR/script/x"],
    "loop": ["@DIR/loop"],
    "dangling": ["@DIR/dangling"],
    "too-long": ["x" * 300],
    "too-long-path": ["/" + "x/" * 3000],
    "script": ["@DIR/script", "one", "two words"],
    "script-dashes": ["@DIR/script", "-x", "--", "-y"],
    "empty-file": ["@DIR/empty"],
    "binary": ["@DIR/binary"],
    "shebang": ["@DIR/shebang", "one"],
    "missing-interpreter": ["@DIR/missing-interpreter"],
    "hidden": ["@DIR/unreadable/script"],
    "bytes": [b"/no/such/\xff\xfe"],
    "bytes-found": ["@PROBE", "@REPORT", b"\xff\xfe", "", " ", b"\x80=\n"],
    "huge-argument": ["@PROBE", "@REPORT", "x" * (1 << 16)],
}


@pytest.mark.thorough
@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary-user"])
@pytest.mark.parametrize("options", [[], ["-f"], ["-r"]], ids=["plain", "fork", "user"])
@pytest.mark.parametrize("name", PROGRAMS, ids=lambda name: f"8-{name}")
@needs("user namespaces")
def test_programs(name: str, options: Sequence[str], user: User) -> None:
    assert_same(options, program=PROGRAMS[name], user=user, values=_programs())


PATHS: dict[str, Sequence[str]] = {
    "unset": [],
    "empty": ["env=PATH="],
    "colon": ["env=PATH=:"],
    "leading-empty": ["env=PATH=:/none"],
    "trailing-empty": ["env=PATH=/none:"],
    "middle-empty": ["env=PATH=/none::/none"],
    "standard": [f"env=PATH={support.STANDARD_PATH}"],
    "relative": ["env=PATH=.:bin"],
    "unreadable-first": ["env=PATH=@DIR/unreadable:@DIR"],
    "unreadable-only": ["env=PATH=@DIR/unreadable"],
    "unreadable-last": ["env=PATH=/none:@DIR/unreadable"],
    "file-in-path": ["env=PATH=@DIR/script:@DIR"],
    "found-late": ["env=PATH=/none:/none/none:@DIR"],
    "twice": ["env=PATH=/none", "env=PATH=@DIR"],
    "twice-other-order": ["env=PATH=@DIR", "env=PATH=/none"],
    "malformed": ["env=PATH", "env=PATH=@DIR"],
    "long": ["env=PATH=/" + "y" * 5000 + ":@DIR"],
}


@pytest.mark.thorough
@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary-user"])
@pytest.mark.parametrize("name", ["script", "sh", "not-executable", "missing-interpreter", "none"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"8-path-{path}")
def test_path_search(path: str, name: str, user: User) -> None:
    values = _programs()
    program = (name, "-c", "echo shell")
    # After an overlong element glibc looks in the working directory, by mistake.
    directory = "/" if path == "long" else values["@DIR"]
    conditions = ["emptyenv", *PATHS[path], f"directory={directory}"]
    assert_same(["-f"], program=program, user=user, conditions=conditions, values=values)


SHELLS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "set": ([], ["env=SHELL=@PROBE"]),
    "set-fork": (["-f"], ["env=SHELL=@PROBE"]),
    "set-user": (["-r"], ["env=SHELL=@PROBE"]),
    "set-twice": ([], ["env=SHELL=@PROBE", "env=SHELL=/none"]),
    "set-twice-other-order": ([], ["env=SHELL=/none", "env=SHELL=@PROBE"]),
    "empty": ([], ["env=SHELL="]),
    "unset": ([], []),
    "unset-user": (["-r"], []),
    "unset-nobody": (["-U"], []),
    "unset-another": (["-S", "61001"], []),
    "unset-unknown": (["-S", "54321"], []),
    "missing": ([], ["env=SHELL=/no/such/shell"]),
    "no-path-search": ([], ["env=SHELL=sh"]),
    "here": ([], ["env=SHELL=probe"]),
    "directory": ([], ["env=SHELL=/"]),
    "no-fallback": ([], ["env=SHELL=@DIR/script"]),
    "malformed": ([], ["env=SHELL"]),
    "root": (["-R", "@ROOT"], []),
    "root-user": (["-R", "@ROOT", "-r"], []),
    "root-another": (["-R", "@ROOT", "-S", "7"], []),
    "root-unknown": (["-R", "@ROOT", "-S", "9"], []),
    "root-set": (["-R", "@ROOT"], ["env=SHELL=/probe"]),
    "root-set-outside": (["-R", "@ROOT"], ["env=SHELL=@PROBE"]),
    "double-dash": (["--"], ["env=SHELL=@PROBE"]),
    "trailing-slash": ([], ["env=SHELL=@PROBE/"]),
    "double-slash": ([], ["env=SHELL=/@PROBE"]),
}


@pytest.mark.thorough
@pytest.mark.parametrize("row", SHELLS, ids=lambda row: f"8-shell-{row}")
@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary-user"])
def test_login_shell(row: str, user: User) -> None:
    """The probe as the shell: a report on standard output, with argument 0 in it."""
    options, shell = SHELLS[row]
    values = {**_programs(), "@ROOT": str(made_root())}
    conditions = ["emptyenv", f"env=PATH={support.STANDARD_PATH}", *shell]
    found = assert_same(options, program=(), user=user, conditions=conditions, values=values)
    if row == "set":
        assert found.report["argument"] == ("-probe",)


PASSWD: Mapping[str, str] = {
    "probe": "root:x:0:0::/:@PROBE\n",
    "first-of-two": "root:x:0:0::/:@PROBE\nagain:x:0:0::/:/none\n",
    "later": "x:x:5:5::/:/none\nroot:x:0:0::/:@PROBE\n",
    "empty-shell": "root:x:0:0::/:\n",
    "too-few-fields": "root:x:0:0\n",
    "no-newline": "root:x:0:0::/:@PROBE",
    "missing-entry": "x:x:5:5::/:/none\n",
    "empty-file": "",
    "bad-uid-first": "x:x:zero:0::/:/none\nroot:x:0:0::/:@PROBE\n",
    "comment-first": "# a comment\nroot:x:0:0::/:@PROBE\n",
    "blank-line-first": "\n \nroot:x:0:0::/:@PROBE\n",
    "compat-line-first": "+nis:x:0:0::/:/none\nroot:x:0:0::/:@PROBE\n",
    "leading-blanks": "   root:x:0:0::/:@PROBE\n",
    "missing-shell": "root:x:0:0::/:/no/such/shell\n",
    "empty-uid-first": "x:x:::::/none\nroot:x:0:0::/:@PROBE\n",
    "more-fields": "root:x:0:0::/:@PROBE:more\n",
}


@pytest.mark.parametrize("row", PASSWD, ids=lambda row: f"8-passwd-{row}")
def test_login_shell_of_the_user_database(row: str) -> None:
    text = PASSWD[row].replace("@PROBE", str(support.compiled("probe")))
    conditions = [*support.database_conditions(passwd=text), "emptyenv"]
    assert_same([], program=(), prepared=False, conditions=conditions)


# ---- 9. what the program inherits ---------------------------------------------------------------

DESCRIPTORS = [[number for number in range(3) if mask & (1 << number)] for mask in range(1, 8)]
# Failures of every process of a launch: itself, the child, the helpers for files and for maps.
FAILING_LINES = [
    *("-x", "--uts=/no/such/file", "-f -R /none", "-S abc", "-r -S 7", "--kill-child -R /none"),
    *("--map-users=0:0:1 --map-users=1:0:1", "-f --map-groups=0:0:1 --map-groups=0:1:1"),
    *("--mount=/no/such/file", "--user=/no/such/file", "--user=/none --map-users=0:0:1"),
]
INHERITED: dict[str, Sequence[Word]] = {
    "umask": ["umask=0077"],
    "umask-0": ["umask=0"],
    "nice": ["nice=7"],
    "limits": ["limit=7:100:200", "limit=3:4000000:4000000", "limit=6:5000:5000"],
    "ignored": ["ignore=1", "ignore=2", "ignore=3", "ignore=15", "ignore=10"],
    "ignored-child": ["ignore=17"],
    "ignored-real-time": ["ignore=40", "ignore=64"],
    "blocked": ["block=10", "block=13", *(["block=34"] if has("glibc") else [])],
    "blocked-end": ["block=2", "block=15"],
    "blocked-child": ["block=17"],
    "pending": ["pending=10"],
    "pending-end": ["pending=15"],
    "timer": ["timer=1000"],
    "no-new-privs": ["no_new_privs"],
    "keepcaps": ["keepcaps"],
    "securebits": ["securebits=1"],
    "ambient": ["ambient=0", "ambient=21"],
    "bounding": ["bounding=5"],
    "death-signal": ["death_signal=10"],
    "oom-score": ["oom_score_adj=500"],
    "personality": ["personality=0x0040000"],
    "scheduler": ["scheduler=3"],
    "processor": ["processor=0"],
    "directory": ["directory=/usr/bin"],
    "root-directory": ["directory=/"],
}
WAYS = {
    "plain": [],
    "fork": ["-f"],
    "user": ["-r"],
    "user-pid-fork": ["-rpf", "--mount-proc"],
    "kill-child": ["--kill-child"],
    "forward": ["--forward-signals"],
    "ranges": ["--map-users=0:0:10", "--map-groups=0:0:10", "-f"],
}
by_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: f"9-{way}")


@by_way
@pytest.mark.parametrize("row", INHERITED)
def test_inherited(row: str, way: str) -> None:
    if way == "forward" and row == "ignored":
        pytest.skip("a deliberate difference: 11.10")
    assert_same(WAYS[way], conditions=INHERITED[row])


@pytest.mark.thorough
@by_way
@pytest.mark.parametrize("closed", DESCRIPTORS, ids=lambda closed: "".join(map(str, closed)))
def test_closed_descriptors(closed: Sequence[int], way: str) -> None:
    assert_same(WAYS[way], conditions=[f"close={number}" for number in closed])


@pytest.mark.thorough
@pytest.mark.parametrize("closed", DESCRIPTORS, ids=lambda closed: "".join(map(str, closed)))
@pytest.mark.parametrize("line", FAILING_LINES)
def test_errors_with_closed_descriptors(line: str, closed: Sequence[int]) -> None:
    assert_same(line.split(), conditions=[f"close={number}" for number in closed])


@pytest.mark.parametrize("closed", DESCRIPTORS, ids=lambda closed: "".join(map(str, closed)))
@pytest.mark.parametrize("options", [[], ["-f"]], ids=["plain", "fork"])
def test_a_missing_program_with_closed_descriptors(
    options: Sequence[str], closed: Sequence[int]
) -> None:
    conditions = [f"close={number}" for number in closed]
    assert_same(options, program=["no-such-program"], conditions=conditions)


@pytest.mark.parametrize("closed", DESCRIPTORS, ids=lambda closed: "".join(map(str, closed)))
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_with_closed_descriptors(option: str, closed: Sequence[int]) -> None:
    command, reference = both([option], conditions=[f"close={number}" for number in closed])
    assert (command.status, command.stderr) == (reference.status, reference.stderr)


ENVIRONMENTS: dict[str, Sequence[Word]] = {
    "empty": [],
    "c-locale": ["env=A=1", "env=LANG=C"],
    "posix-locale": ["env=LC_ALL=POSIX"],
    "c-locale-with-ctype": ["env=LC_CTYPE=C", "env=A=1"],
    "ctype-utf-8": ["env=LC_CTYPE=C.UTF-8"],
    "ctype-twice": ["env=LC_CTYPE=C", "env=LC_CTYPE=en_US.UTF-8"],
    "coercion-off": ["env=PYTHONCOERCECLOCALE=0", "env=LANG=C"],
    "unknown-locale": ["env=LC_ALL=xx_YY.UTF-8"],
    "duplicates": ["env=A=1", "env=B=2", "env=A=3", "env=A=1"],
    "malformed": ["env=A", "env==B", "env=", "env==", "env=A=B=C", "env=C"],
    "bytes": [b"env=\xff\xfe=\x80\n\t", b"env=\xc3\x28=x"],
    "order": ["env=Z=1", "env=Y=2", "env=X=3", "env=A=4"],
    "python": ["env=PYTHONUNBUFFERED=1", "env=PYTHONDONTWRITEBYTECODE=1", "env=PYTHONUTF8=0"],
    "long": ["env=LONG=" + "x" * 100000],
    "many": [f"env=N{number}={number}" for number in range(1000)],
    "underscore": ["env=_=/usr/bin/env", "env=PWD=/", "env=OLDPWD=/", "env=SHLVL=1"],
}


@by_way
@pytest.mark.parametrize("row", ENVIRONMENTS)
def test_environment(row: str, way: str) -> None:
    found = assert_same(WAYS[way], conditions=["emptyenv", *ENVIRONMENTS[row]])
    if row == "empty":
        assert not [entry for entry in found.report.get("environment", ()) if "LC_" in entry]


@by_way
def test_terminal(way: str) -> None:
    """The controlling terminal and its foreground group stay what they were."""

    def once(program: support.Program) -> Observation:
        master, slave = os.openpty()
        try:
            return comparing.observe(
                program, [*WAYS[way], "@PROBE", "@REPORT"], conditions=["session"], stdin=slave
            )
        finally:
            os.close(slave)
            os.close(master)

    ours, theirs = once(support.command()), once(support.reference())
    found = [line for line in differences(ours, theirs) if not line.startswith("descriptor/0:")]
    needed = {f"{name}={value}" for name, value in support.command().environment}
    found = [line for line in found if not any(entry in line for entry in needed)]
    assert not found, "\n".join(found)
    if way in {"plain", "fork"}:
        assert ours.field("terminal/foreground_group") == "launcher"


@by_way
@pytest.mark.parametrize("count", [1, 5])
def test_other_descriptors_are_passed_on(way: str, count: int) -> None:
    """Inherited descriptors of any kind stay open, and no other is added."""
    descriptors = [os.open("/dev/null", os.O_RDONLY | os.O_NONBLOCK) for _ in range(count)]

    def once(program: support.Program) -> Observation:
        words = [*WAYS[way], str(support.compiled("probe"))]
        result = support.start(
            program,
            words,
            conditions=["report=1"],
            environment={**support.ENVIRONMENT, **dict(support.command().environment)},
            descriptors=descriptors,
        )
        report = comparing.comparable(comparing.parsed(result.stdout), result.pid)
        return Observation(result.status, "", os.fsdecode(result.stderr), report)

    try:
        ours, theirs = (
            once(program._replace(environment=()))
            for program in (support.command(), support.reference())
        )
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    assert not differences(ours, theirs), "\n".join(differences(ours, theirs))
    assert len([key for key in ours.report if key.endswith("/flags")]) == 3 + count


# ---- 10. messages -------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--help", "--version", "-h", "-V"])
def test_a_full_standard_output(option: str) -> None:
    with open("/dev/full", "wb") as full:
        command, reference = both([option], stdout=full.fileno())
    assert (command.status, command.stderr) == (reference.status, reference.stderr)
    assert command.stderr == f"{NAME}: write error: No space left on device\n"


FULL_ERRORS = each("-x", "-S abc", "-R /none", "-f -R /none", "--uts=/none", "--map-users=x")


@table("10-full", FULL_ERRORS)
def test_a_full_standard_error(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    with open("/dev/full", "wb") as full:
        assert_same(options, stderr=full.fileno(), **arguments)


@pytest.mark.parametrize("options", [[], ["-f"]], ids=["plain", "fork"])
@pytest.mark.parametrize("program", ["no-such-program", "/", "/etc/passwd"])
def test_a_missing_program_with_a_full_standard_error(options: Sequence[str], program: str) -> None:
    with open("/dev/full", "wb") as full:
        found = assert_same(options, program=[program], stderr=full.fileno())
    assert found.status == 1


def test_errors_to_a_closed_pipe() -> None:
    """Standard error is a pipe that nobody reads."""
    for options in (["-x"], ["-R", "/none"], ["-f", "-R", "/none"]):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            assert_same(options, stderr=writer)
        finally:
            os.close(writer)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_to_a_closed_pipe(option: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command, reference = both([option], stdout=writer)
    finally:
        os.close(writer)
    assert (command.status, command.stderr) == (reference.status, reference.stderr)


@pytest.mark.parametrize("language", ["de_DE.UTF-8", "C", "POSIX", ""])
def test_messages_do_not_depend_on_the_locale(language: str) -> None:
    environment = {**support.ENVIRONMENT, "LANG": language}
    assert_same(["-R", "/n\u00f6ne"], environment=environment)
    assert_same([b"-\xc3"], environment=environment)
    assert_same(["--wd=/\u20ac"], environment=environment)
