"""Hints: who gets them and when, what they cost, and that there are no wrong ones."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import subprocess
import time

import pytest

from pyunshare.diagnostics import rules
from pyunshare.diagnostics.hint import FailureContext, Hint
from pyunshare.diagnostics.rules import RULES
from pyunshare.options.parser import take_options
from pyunshare.options.request import Request
from tests.helpers import support
from tests.helpers.faults import Fault, run_traced, run_with_fault
from tests.helpers.hinting import ALWAYS, Told, failed, on_terminal, root_with, tell
from tests.helpers.machine import needs
from tests.helpers.support import (
    NAME,
    ROOT,
    WITH_SUBORDINATE_IDS,
    WITHOUT_SUBORDINATE_IDS,
    User,
    command,
)
from tests.test_isolation import hostile_root

pytestmark = needs("root", "compiler", "user namespaces")


# ---- before the start ----------------------------------------------------------------------------


FORKLESS = "without --fork, the shell is outside of the new PID namespace"


@pytest.mark.parametrize("words", [["-p", "sh", "-c", ":"], ["-ip", "/bin/sh", "-c", ":"]], ids=str)
def test_a_shell_without_fork_is_warned_of(words: list[str]) -> None:
    status, said = on_terminal(words, dict(support.ENVIRONMENT))
    assert status == 0
    lines = said.splitlines()
    assert lines[0].startswith(f"{NAME}: hint: {FORKLESS}"), said
    assert re.fullmatch(
        rf"{NAME}: hint: type: .*pyunshare --fork {re.escape(shlex.join(words))}", lines[1]
    )


@pytest.mark.parametrize(
    "words",
    [["-p", "true"], ["-pf", "sh", "-c", ":"], ["-i", "sh", "-c", ":"], ["-p", "/bin/echo", "sh"]],
    ids=str,
)
def test_no_other_start_is_warned_of(words: list[str]) -> None:
    _, said = on_terminal(words, dict(support.ENVIRONMENT))
    assert "hint" not in said


def test_a_launch_that_fails_is_not_warned_of() -> None:
    _, said = on_terminal(["-rp", "--mount-proc", "sh"], dict(support.ENVIRONMENT))
    assert said.startswith(f"{NAME}: mount /proc failed: ")
    assert FORKLESS not in said


def test_the_users_own_shell_is_warned_of() -> None:
    _, said = on_terminal(["-p"], {**support.ENVIRONMENT, "SHELL": "/bin/true"})
    assert said.splitlines()[1].endswith("pyunshare --fork -p")


def test_nothing_is_said_before_the_start_where_nobody_looks() -> None:
    result = support.pyunshare("-p", "sh", "-c", ":")
    assert result.stderr == b""


# ---- who gets them -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["-rp", "--mount-proc", "true"], ["-R", "/", "/no/such"]], ids=str
)
@pytest.mark.parametrize(
    ("wish", "terminal", "hints"),
    [
        (None, True, True),
        (None, False, False),
        ("auto", True, True),
        ("auto", False, False),
        ("always", True, True),
        ("always", False, True),
        ("never", True, False),
        ("never", False, False),
        ("", True, True),
        ("", False, False),
        ("?", False, False),
    ],
)
def test_who_gets_hints(words: list[str], wish: str | None, terminal: bool, hints: bool) -> None:
    environment = dict(support.ENVIRONMENT) | ({} if wish is None else {"PYUNSHARE_HINTS": wish})
    if terminal:
        _, said = on_terminal(words, environment)
    else:
        said = support.pyunshare(*words, environment=environment).stderr.decode()
    plain = support.pyunshare(*words).stderr.decode()
    assert said.startswith(plain)
    assert plain.count("\n") == 1
    assert ("hint: " in said) == hints
    if not hints:
        assert said == plain


def test_the_program_gets_the_variable() -> None:
    result = support.pyunshare("-f", "env", environment=ALWAYS)
    assert "PYUNSHARE_HINTS=always" in result.lines


def test_a_standard_error_that_cannot_be_written() -> None:
    with open("/dev/full", "wb") as full:
        result = support.start(
            command(), ["-R", "/", "/no/such"], environment=ALWAYS, stderr=full.fileno()
        )
    assert result.status == 1
    result = support.pyunshare("-r", "/no/such", environment=ALWAYS, conditions=["close=2"])
    assert result.status == 1
    assert result.stdout == b""


# ---- no wrong ones -------------------------------------------------------------------------------


@needs("strace")
@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary"])
@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["-r", "true"], Fault("unshare", "error=ENOMEM", "1")),
        (["-r", "true"], Fault("unshare", "error=EINVAL", "1")),
        (["-rf", "true"], Fault("clone,?fork,?vfork", "error=EAGAIN", "1")),
        (["-r", "true"], Fault("write", "error=EIO", "1", "/proc/self/uid_map")),
        (["-r", "true"], Fault("write", "error=EPERM", "1", "/proc/self/gid_map")),
        (["-rm", "true"], Fault("mount", "error=EACCES", "1")),
        (["-rm", "true"], Fault("mount", "error=EINVAL", "1")),
        (["-rpf", "--mount-proc", "true"], Fault("mount", "error=EPERM", "2")),
        (["-rpf", "--mount-proc", "true"], Fault("mount", "error=EBUSY", "2")),
        (["-r", "-S", "0", "true"], Fault("setuid", "error=EAGAIN", "1")),
        (["-r", "-R", "/", "true"], Fault("chroot", "error=EACCES", "1")),
        (["-r", "/bin/true"], Fault("execve", "error=EACCES", "1+", "/bin/true")),
        (["-r", "/bin/true"], Fault("execve", "error=ENOENT", "1+", "/bin/true")),
        (["-r", "/bin/true"], Fault("execve", "error=ELOOP", "1+", "/bin/true")),
    ],
    ids=str,
)
def test_unrelated_failures_give_no_hint(user: User, words: list[str], fault: Fault) -> None:
    traced = run_with_fault(command(user), words, fault, user=user, environment=ALWAYS)
    assert traced.struck
    told = Told(traced.result)
    assert len(told.messages) == 1
    assert told.cause == ""


@needs("strace")
@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--uts=/etc/passwd", "true"], Fault("mount", "error=ENOENT", "1")),
        (["--uts=/etc/passwd", "--pid=/etc/passwd", "true"], Fault("mount", "error=ENOENT", "1")),
        (["--uts=/etc/passwd", "true"], Fault("mount", "error=EINVAL", "1")),
        (["--uts=/etc/passwd", "true"], Fault("mount", "error=EPERM", "1")),
        (["--mount=/etc/passwd", "true"], Fault("mount", "error=EINVAL", "1+")),
        (["-pf", "--mount-proc", "true"], Fault("mount", "error=ENOENT", "2")),
        (["-pf", "--mount-proc", "true"], Fault("mount", "error=EPERM", "2")),
        (
            ["--map-users", "0:0:10", "true"],
            Fault("write", "error=EPERM", "1", "/proc/@LAUNCHER/uid_map"),
        ),
        (
            ["-U", "--setgroups", "deny", "true"],
            Fault("write", "error=EPERM", "1", "/proc/self/setgroups"),
        ),
        (["-G", "5", "true"], Fault("setgroups", "error=EPERM", "1")),
        (["-S", "5", "true"], Fault("setuid", "error=EINVAL", "1")),
        (["--map-groups", "0:0:9", "-G", "5", "true"], Fault("setgroups", "error=EPERM", "1")),
        (["--map-users", "0:0:9", "-S", "5", "true"], Fault("setuid", "error=EINVAL", "1")),
        (["-n", "true"], Fault("unshare", "error=EPERM", "1")),
        (["-n", "no-such"], Fault("execve", "error=EACCES", "1+")),
    ],
    ids=str,
)
def test_unrelated_failures_of_root_give_no_hint(words: list[str], fault: Fault) -> None:
    conditions = ["mounts"]
    traced = run_with_fault(command(), words, fault, conditions=conditions, environment=ALWAYS)
    assert traced.struck
    told = Told(traced.result)
    assert told.messages
    assert told.cause == ""


@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary"])
@pytest.mark.parametrize(
    "words",
    [
        ["-x"],
        ["--mo"],
        ["-S"],
        ["-S", "x"],
        ["--map-user", "no-such-user"],
        ["--map-users", "1:2"],
        ["--owner", "1"],
        ["--propagation", "x"],
        ["--setgroups", "x"],
        ["--monotonic", "5", "true"],
        ["-r", "--setgroups=allow", "--map-users", "1:2", "true"],
        ["-r", "--setgroups=allow", "--monotonic", "5", "true"],
        ["--map-users", "1:2", "--kill-child=9", "true"],
        ["-x", "--kill-child=9", "true"],
        ["--kill-child=99999", "true"],
        ["-r", "-w", "/no/such", "true"],
        ["-r", "-w", "/etc/passwd", "true"],
        ["-r", "-R", "/no/such", "true"],
        ["-r", "no-such-program"],
        ["-r", "/no/such/program"],
        ["-r", ""],
        ["-r", "/etc/passwd/x"],
        ["-r", "--mount-proc=/etc/passwd", "-pf", "true"],
        ["-r", "false"],
        ["-r", "sh", "-c", "exit 1"],
    ],
    ids=str,
)
def test_failures_that_say_all_give_no_hint(user: User, words: list[str]) -> None:
    assert tell(*words, user=user).cause == ""


# ---- cost and safety -----------------------------------------------------------------------------


@needs("strace")
@pytest.mark.parametrize(
    ("words", "loads"),
    [
        (["-r", "true"], False),
        (["-rm", "true"], False),
        (["-p", "true"], True),  # when somebody looks: is it a shell?
        (["-R", "/", "true"], True),
        (["-S", "0", "true"], True),
        (["--owner", "5:5", "true"], True),
    ],
    ids=str,
)
def test_nothing_is_loaded_without_need(words: list[str], loads: bool) -> None:
    for environment, expected in ((support.ENVIRONMENT, False), (ALWAYS, loads)):
        options = ["--seccomp-bpf", "-e", "trace=openat,?open"]
        traced = run_traced(command(), words, options, environment=environment)
        assert traced.result.status == 0
        assert any("/rules." in line for line in traced.trace) == expected


@needs("strace", "busybox")
@pytest.mark.parametrize(
    "words",
    [
        ["/no/such"],
        ["-f", "nothing"],
        ["-S", "7", "-G", "7", "/etc"],
        ["-rpf", "--mount-proc", "true"],
        ["-r", "-G", "7", "true"],
        ["-w", "/no/such", "true"],
        ["-m", "/usr/lib/libc.so.6"],
    ],
    ids=str,
)
def test_nothing_is_loaded_from_a_new_root(words: list[str]) -> None:
    root = hostile_root()
    traced = run_traced(
        command(),
        ["-R", str(root), *words],
        ["--seccomp-bpf", "-s", "4096", "-e", "trace=chroot,openat,?open,execve"],
        environment={**ALWAYS, "PATH": "/usr/bin:/bin"},
    )
    assert traced.result.status not in (0, None)
    assert b"TRAPPED" not in traced.result.stderr
    lines = iter(traced.trace)
    assert any("chroot(" in line for line in lines)
    opened = [re.findall(r'"([^"]*)"', line)[0] for line in lines if '"' in line]
    assert not [path for path in opened if path.endswith((".py", ".pyc", ".so.2", "nsswitch.conf"))]


@needs("busybox")
def test_a_name_from_a_new_root_cannot_confuse_the_terminal() -> None:
    root = root_with(script=b"#!/a\x1b[2J\x07\xff\n")
    told = tell("-R", str(root), "/bin/script")
    assert "'/a\\x1b[2J\\x07\\xff'" in told.cause
    assert b"\x1b" not in told.result.stderr


@needs("busybox")
@pytest.mark.parametrize("kind", ["pipe", "endless", "short"])
def test_a_program_that_is_a_trap(kind: str) -> None:
    root = root_with(short=b"\x7fELF\x02\x01")
    (root / "bin" / "endless").symlink_to("endless")
    os.mkfifo(root / "bin" / "pipe")
    result = support.pyunshare("-R", str(root), f"/bin/{kind}", environment=ALWAYS, timeout=10)
    assert result.status in (126, 127), result


# ---- the documentation --------------------------------------------------------------------------


def documented_rules() -> list[tuple[str, ...]]:
    """The rows of the documentation's table: step, path, reasons, rule and test."""
    text = (support.CHECKOUT / "docs" / "hints.md").read_text()
    table = text.partition("| step | errno |")[2].partition("\n\n")[0]
    found: list[tuple[str, ...]] = []
    for line in table.splitlines()[2:]:
        step, reasons, cause, _told, test = (cell.strip() for cell in line.split("|")[1:-1])
        if step:
            name, _, path = step.partition(" ")
        found.append((name, path.strip("`"), reasons or found[-1][2], cause, test.strip("`")))
    return found


def test_every_rule_is_documented() -> None:
    expected = [
        (
            step,
            path,
            "any" if not reasons else ", ".join(errno.errorcode[number] for number in reasons),
            finder.__name__,
        )
        for step, reasons, path, finders in RULES
        for finder in finders
    ]
    rows = documented_rules()
    found = [(step, path, reasons, cause) for step, path, reasons, cause, _ in rows]
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    for row, (_, _, _, rule) in zip(found, expected):
        assert row[3].endswith(f"`{rule}`"), row


def test_every_rule_is_tested() -> None:
    files = [support.TESTS / "test_commands_told.py", *support.TESTS.glob("test_hints*.py")]
    tests = re.findall(r"^def test_(\w+)", "".join(path.read_text() for path in files), re.M)
    for *_, test in documented_rules():
        assert test in tests


# ---- time ----------------------------------------------------------------------------------------


def test_a_cause_is_looked_for_no_longer_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is that takes so long, such as a program of the user's that is tried."""

    def find(context: FailureContext) -> Hint:
        context.system.outcome(lambda: subprocess.run(["sleep", "600"], check=False))
        return Hint("too late")

    monkeypatch.setattr(rules, "PATIENCE", 0.5)
    monkeypatch.setattr(rules, "RULES", (("unshare", rules.ANY, "", (find,)),))
    request = Request.from_options(take_options(["-u", "true"]))
    before = signal.getsignal(signal.SIGALRM)
    begin = time.monotonic()
    said = rules.Hints("unshare", ["-u", "true"], request).about(
        failed("unshare", errno.EPERM), lambda argv: None
    )
    assert said == ""
    assert time.monotonic() - begin < support.PATIENCE
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_tool_that_hangs_when_a_line_is_tried() -> None:
    """And nothing of it stays: see conftest.py."""
    directory = support.new_directory()
    (directory / "newgidmap").write_text("#!/bin/sh\nexec sleep 600\n")
    (directory / "newgidmap").chmod(0o755)
    path = {"PATH": f"{directory}:{support.STANDARD_PATH}"}
    user = WITH_SUBORDINATE_IDS
    words = ["--map-groups", "0:61001:1", "--map-users", "0:5:10", "true"]
    told = tell(*words, user=user, environment=path)
    assert told.result.status == 1


# ---- lines that do not work ----------------------------------------------------------------------


def test_a_line_that_would_fail_is_not_offered() -> None:
    """As where AppArmor, or a filter, forbids user namespaces."""
    told = tell("--root", "/", "true", user=WITHOUT_SUBORDINATE_IDS)
    with_namespace, as_root = told.typed
    assert with_namespace.endswith(" -r --root / true")
    assert as_root.endswith(" --root / true")
    assert " -r " not in as_root
    conditions = [f"refuse={errno.EPERM}:0x10000000"]
    told = tell("--root", "/", "true", user=WITHOUT_SUBORDINATE_IDS, conditions=conditions)
    assert told.cause.startswith("only root may do this")
    assert all(" -r " not in line for line in told.typed)


def test_a_caller_who_ignores_the_end_of_children() -> None:
    told = tell("-n=/run/x", "true", conditions=["ignore=17"])
    assert told.cause == "-n takes no value, and --net does"
    assert told.commands == []  # what the line would do cannot be learned
    told = tell("-m", "true", user=WITHOUT_SUBORDINATE_IDS, conditions=["ignore=17"])
    assert told.typed[0] == "pyunshare -r -m true"
