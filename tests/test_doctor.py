"""The check-up: what it finds on machines whose faults are made for it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from errno import EPERM
from typing import Any

import pytest

from pyunshare.doctor import checks as doctor_module
from pyunshare.doctor.__main__ import run
from pyunshare.doctor.report import Outcome
from tests.helpers import support
from tests.helpers.machine import needs
from tests.helpers.support import (
    PATIENCE,
    ROOT,
    WITH_SUBORDINATE_IDS,
    WITHOUT_SUBORDINATE_IDS,
    Program,
    Result,
    User,
    Word,
)

pytestmark = needs("root", "compiler", "user namespaces", "time namespaces", "cgroup namespaces")

EIGHT = ["-m --mount", "-u --uts", "-i --ipc", "-n --net", "-p --pid", "-U --user"]
EIGHT += ["-C --cgroup", "-T --time"]


def doctor(user: User = ROOT) -> Program:
    """The check-up, in a form that this user can execute."""
    start = support.command(user)
    is_python = start.arguments[:1] == ("-m",)
    interpreter = (
        start.file if is_python else sys.executable if user == ROOT else "/usr/bin/python3"
    )
    package = support.CHECKOUT if user == ROOT else support.copied_package()
    needed = (("PYTHONPATH", str(package)),)
    return Program(interpreter, interpreter, ("-m", "pyunshare.doctor"), needed)


def examine(
    *words: str,
    user: User = ROOT,
    conditions: Sequence[Word] = (),
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Run the check-up."""
    found = {**support.ENVIRONMENT, **(environment or {})}
    return support.start(doctor(user), words, user=user, conditions=conditions, environment=found)


def findings(result: Result) -> dict[str, Any]:
    """What the check-up has found."""
    assert result.stderr == b"", result
    data = json.loads(result.stdout)
    assert isinstance(data, dict)
    return data


def outcomes(data: dict[str, Any], who: str) -> dict[str, Any]:
    """What became of each trial, by its option."""
    return {found["option"]: found[who] for found in [*data["namespaces"], *data["options"]]}


def test_all_is_well_as_root() -> None:
    result = examine("--json", conditions=support.database_conditions())
    data = findings(result)
    assert result.status == 0, data
    assert data["works"] is True
    assert [found["option"] for found in data["namespaces"]] == EIGHT
    for who in ("root", "user"):
        found = outcomes(data, who)
        assert all(found[option]["works"] for option in [*EIGHT, "-r", "-pf --mount-proc"])
    assert data["user"] == {"name": "nobody", "uid": 65534}
    assert outcomes(data, "root")["--map-auto"]["works"]
    assert outcomes(data, "user")["--map-auto"] is None  # nobody is not to be given ids
    assert data["subordinate_ids"]["root"] == {"uid": [[100000, 65536]], "gid": [[100000, 65536]]}
    assert data["chroot"] is False
    assert data["seccomp_filter"] is False
    assert set(data["limits"]) >= {"user.max_user_namespaces", "user.max_time_namespaces"}


def test_all_is_well_in_words() -> None:
    result = examine(conditions=support.database_conditions())
    assert result.status == 0
    assert result.stderr == b""
    text = result.stdout.decode()
    for option in EIGHT:
        assert [line.split()[-2:] for line in result.lines if option in line] == [["works"] * 2]
    assert "  user.max_net_namespaces " in text
    assert "  newuidmap" in text
    assert result.lines[-1] == "Verdict: all that the user nobody could expect works."


@needs("newuidmap", "newgidmap")
@pytest.mark.parametrize("user", [WITH_SUBORDINATE_IDS, WITHOUT_SUBORDINATE_IDS])
def test_an_ordinary_user(user: User) -> None:
    result = examine("--json", user=user)
    data = findings(result)
    assert result.status == 0, data
    assert set(outcomes(data, "root").values()) == {None}
    found = outcomes(data, "user")
    assert all(found[option]["works"] for option in [*EIGHT, "-r", "-pf --mount-proc"])
    assert data["user"]["name"] == user.name
    assert found["--map-auto"]["works"] == (user == WITH_SUBORDINATE_IDS)
    if user == WITHOUT_SUBORDINATE_IDS:
        assert "usermod --add-subuids 365536-431071" in found["--map-auto"]["commands"][0]
    assert "not tried" in examine(user=user).stdout.decode()


def test_the_user_who_became_root_is_tried() -> None:
    result = examine(
        "--json",
        conditions=support.database_conditions(),
        environment={"SUDO_UID": str(WITH_SUBORDINATE_IDS.uid)},
    )
    assert findings(result)["user"]["name"] == WITH_SUBORDINATE_IDS.name
    result = examine("--json", environment={"SUDO_UID": "61003"})
    assert findings(result)["user"] == {"name": "61003", "uid": 61003}


def in_launch(script: str, *words: str) -> Result:
    """Run a shell script as the root of a user namespace, then the check-up."""
    program = doctor()
    line = [program.file, *program.arguments, *words]
    environment = {**support.ENVIRONMENT, **dict(program.environment)}
    return support.start(
        support.command(),
        ["-r", "/bin/sh", "-c", f'{script}; exec "$@"', "sh", *line],
        environment=environment,
    )


def test_a_limit_of_zero_is_found() -> None:
    result = in_launch("echo 0 >/proc/sys/user/max_net_namespaces", "--json")
    data = findings(result)
    assert result.status == 1
    found = outcomes(data, "root")
    assert [option for option in EIGHT if not found[option]["works"]] == ["-n --net"]
    assert found["-n --net"]["message"] == "unshare failed: No space left on device"
    assert found["-n --net"]["cause"].startswith("user.max_net_namespaces is 0")
    assert found["-n --net"]["commands"][0].startswith("sysctl -w user.max_net_namespaces=")
    # There is nobody else in that user namespace.
    assert set(outcomes(data, "user").values()) == {None}

    text = in_launch("echo 0 >/proc/sys/user/max_net_namespaces").stdout.decode()
    assert "\n  type: sysctl -w user.max_net_namespaces=" in text
    verdict = "Verdict: what could be expected to work, and does not: -n --net"
    assert text.splitlines()[-1] == verdict


def test_a_filter_is_found() -> None:
    result = examine("--json", conditions=[f"refuse={EPERM}:0x10000000"])
    data = findings(result)
    assert result.status == 1
    assert data["seccomp_filter"] is True
    assert outcomes(data, "root")["-m --mount"]["works"]
    assert not outcomes(data, "root")["-U --user"]["works"]
    assert not outcomes(data, "user")["-m --mount"]["works"]
    assert "seccomp filter" in outcomes(data, "user")["-m --mount"]["cause"]
    text = examine(conditions=[f"refuse={EPERM}:0x10000000"]).stdout.decode()
    assert text.count("a seccomp filter, set by") == 2  # once for each user, not for each option


@needs("newuidmap", "newgidmap")
def test_a_helper_without_power_is_found() -> None:
    conditions = ["mounts"]
    for tool in ("newuidmap", "newgidmap"):
        path = shutil.which(tool, path=support.STANDARD_PATH)
        assert path
        copy = support.new_directory() / tool
        shutil.copyfile(path, copy)
        copy.chmod(0o755)
        conditions.append(f"bind={copy}:{path}")
    result = examine("--json", user=WITH_SUBORDINATE_IDS, conditions=conditions)
    data = findings(result)
    assert result.status == 1
    found = outcomes(data, "user")["--map-auto"]
    assert found["cause"].endswith("is neither set-user-ID root nor has it file capabilities")
    assert "chmod u+s" in found["commands"][0]
    assert data["helpers"]["newuidmap"]["privileged"] is False


def test_helpers_that_are_missing_are_no_fault_of_a_user_without_ids() -> None:
    path = {"PATH": "/nonexistent"}
    result = examine("--json", user=WITHOUT_SUBORDINATE_IDS, environment=path)
    assert result.status == 0
    assert findings(result)["helpers"]["newuidmap"] == {"path": None, "privileged": None}
    text = examine(user=WITHOUT_SUBORDINATE_IDS, environment=path).stdout.decode()
    assert "  newuidmap  not in PATH" in text


@needs("newuidmap", "newgidmap")
def test_a_helper_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module, "PATIENCE", 1)
    found = doctor_module._attempted(["-f"], lambda: time.sleep(PATIENCE))
    assert (found.works, found.message) == (False, "did not end in 1 seconds")


def test_the_check_up_in_this_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As the programs above, where coverage can see it."""
    assert run(["--json"]) == 0
    assert json.loads(capfd.readouterr().out)["works"] is True

    def refuse(options: list[str], become: object) -> Outcome:
        works = not {"--net", "--ipc"} & set(options)
        return Outcome(works, "no", "the cause", ["mend it"])

    monkeypatch.setattr(doctor_module, "_attempted", refuse)
    monkeypatch.setenv("SUDO_UID", "61003")
    assert run([]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert "-i --ipc, -n --net, as root: no" in lines
    assert lines.count("  the cause") == 2  # for root, and for the user
    assert lines[-1].endswith(": -i --ipc, -n --net")

    monkeypatch.setattr(os, "geteuid", lambda: 61003)
    monkeypatch.setattr(doctor_module, "_attempted", lambda *_: Outcome(True, "", "", []))
    assert run([]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "  -n --net            not tried   works" in lines
    assert lines[-1] == "Verdict: all that the user 61003 could expect works."


@pytest.mark.parametrize(
    ("status", "lines", "expected"),
    [
        (0, [], Outcome(True, "", "", [])),
        (1, ["x: a: b"], Outcome(False, "a: b", "", [])),
        (
            1,
            ["newuidmap: c", "x: hint: why", "x: hint: type: d   or: e"],
            Outcome(False, "c", "why", ["d", "e"]),
        ),
        (-9, [], Outcome(False, "killed by SIGKILL", "", [])),
    ],
)
def test_what_a_launch_has_told(status: int, lines: list[str], expected: Outcome) -> None:
    assert doctor_module._outcome(status, lines) == expected


def test_who_is_tried_beside_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "61003")
    assert doctor_module.ordinary_user().pw_name == "61003"
    monkeypatch.setenv("SUDO_UID", "root")
    assert doctor_module.ordinary_user().pw_uid == doctor_module.NOBODY
    monkeypatch.setattr(os, "getuid", lambda: 0o777777)
    assert doctor_module.ordinary_user().pw_uid == 0o777777


def test_bad_arguments_get_one_line() -> None:
    result = examine("--nonsense")
    assert result.status == 2
    assert b"Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].endswith(b"error: unrecognized arguments: --nonsense")
    assert examine("--help").status == 0


def test_output_that_cannot_be_written() -> None:
    with open("/dev/full", "wb") as full:
        result = support.start(doctor(), [], stdout=full.fileno())
    assert result.status == 1
    assert result.stderr == (b"python3 -m pyunshare.doctor: write error: No space left on device\n")
