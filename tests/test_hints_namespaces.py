"""Hints about namespaces: each is given for a cause that is set up for real.

Where a hint has a command to type, it is typed where that can be: then the launch has to work.
"""

from __future__ import annotations

import re
import shlex
from errno import EACCES, EINVAL, ENOSYS, EPERM
from pathlib import Path

import pytest

from pyunshare.diagnostics.rules import Hints
from pyunshare.diagnostics.system import NAMESPACES
from pyunshare.options.parser import take_options
from pyunshare.options.request import Request
from tests.helpers import support
from tests.helpers.faults import Fault, run_with_fault
from tests.helpers.hinting import ALWAYS, USERS, Told, failed, hints_of, inside, own, tell, works
from tests.helpers.machine import needs
from tests.helpers.support import (
    NAME,
    ROOT,
    WITH_SUBORDINATE_IDS,
    WITHOUT_SUBORDINATE_IDS,
    User,
    command,
)

pytestmark = [pytest.mark.thorough, needs("root", "compiler", "user namespaces")]


# ---- not root ------------------------------------------------------------------------------------


@USERS
@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["-m", "true"], ["pyunshare -r -m true", "pyunshare -m true"]),
        (["-n", "sh", "-c", "true; true"], ["pyunshare -r -n sh -c 'true; true'", None]),
        (["-u", "--", "echo", "it's"], ["""pyunshare -r -u -- echo 'it'"'"'s'""", None]),
        (["-R", "/", "true"], ["pyunshare -r -R / true", None]),
        (["-S", "0", "true"], ["pyunshare -r -S 0 true", None]),
        (["-m", "-S", "0", "true"], ["pyunshare -r -m -S 0 true", None]),
        (["--mount-proc", "true"], ["pyunshare -rpf --mount-proc true", None]),
        (["-p", "--mount-proc", "true"], ["pyunshare -rf -p --mount-proc true", None]),
    ],
    ids=str,
)
def test_an_ordinary_user_needs_a_user_namespace_or_root(
    user: User, words: list[str], typed: list[str | None]
) -> None:
    told = tell(*words, user=user)
    assert told.cause == "only root may do this, or you in a user namespace of your own"
    assert [b or a for a, b in zip(told.typed, typed)] == told.typed
    assert told.typed[0] == typed[0]
    assert told.typed[1] == "pyunshare " + shlex.join(words)
    works(told, user)


def test_words_that_cannot_be_typed_are_not_told() -> None:
    for word in (b"\xff", b"a\nb", b"\x1b[2J"):
        told = tell("-m", "echo", word, user=WITHOUT_SUBORDINATE_IDS)
        assert told.cause.startswith("only root may do this")
        assert told.commands == []


@pytest.mark.parametrize(
    "words", [["-S", "5", "true"], ["-G", "0", "true"], ["-m", "-S", "7", "id"]]
)
def test_who_asks_for_another_user_is_told_of_root_only(words: list[str]) -> None:
    told = tell(*words, user=WITHOUT_SUBORDINATE_IDS)
    assert told.cause == "only root may do this"
    assert told.typed == ["pyunshare " + " ".join(words)]


@USERS
@pytest.mark.parametrize("words", [["-r"], ["-m"], []], ids=str)
def test_who_asks_for_another_owner_is_told_of_root_only(words: list[str], user: User) -> None:
    told = tell(*words, "--owner", "0:0", "true", user=user)
    assert told.messages == [f"{NAME}: setgroups failed: Operation not permitted"]
    assert told.cause == "only root may give the new user namespace to another owner"
    assert told.typed == [shlex.join(["pyunshare", *words, "--owner", "0:0", "true"])]
    assert support.pyunshare(*words, "--owner", "0:0", "true").status == 0


def test_a_root_without_the_capability() -> None:
    told = tell("-m", "true", conditions=["bounding=21"])
    assert told.cause == "this root has no CAP_SYS_ADMIN, as in a container"
    assert told.typed == ["pyunshare -r -m true"]
    works(told, ROOT, ["bounding=21"])


# ---- user namespaces forbidden -------------------------------------------------------------------


@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda namespace: namespace.kind)
@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary"])
def test_a_limit_of_zero(namespace: object, user: User) -> None:
    assert isinstance(namespace, type(NAMESPACES[0]))
    path = f"/proc/sys/user/{namespace.limit_name.partition('.')[2]}"
    if not Path(path).exists():
        pytest.skip(f"this kernel has no {path}")
    options = [f"--{namespace.option}", "true"]
    told = inside(["-r"], f"echo 0 >{path}", options, user)
    assert told.messages == [f"{NAME}: unshare failed: No space left on device"]
    assert told.cause.startswith(f"{namespace.limit_name} is 0: ")
    setting, _, value = told.typed[0].partition("=")
    assert setting == f"sysctl -w {namespace.limit_name}"
    mended = f'echo 0 >{path}; echo {value} >{path}; exec "$@"'
    program = command(user)
    line = ["/bin/sh", "-c", mended, "sh", program.file, *program.arguments, *options]
    result = support.pyunshare("-r", *line, user=user)
    assert result.status == 0, result


def test_a_limit_reached_in_a_nested_namespace() -> None:
    told = inside(["-r"], "echo 1 >/proc/sys/user/max_user_namespaces", ["-r", *own("-U")], ROOT)
    assert told.messages == [f"{NAME}: unshare failed: No space left on device"]
    assert "nested too deep" in told.cause


def test_user_namespaces_nested_too_deep() -> None:
    line = ["-r"]
    for _ in range(33):
        line = [*line, *own("-r")[:-1]]
    told = tell(*line, "true")
    assert told.messages == [f"{NAME}: unshare failed: No space left on device"]
    assert told.cause.startswith(
        "a user namespace around this one allows no more user namespaces, or it is nested too deep"
    )
    assert told.commands == []


def test_pid_namespaces_nested_too_deep() -> None:
    """In a container, too, above which there are some that are not seen."""

    def nested(levels: int) -> list[str]:
        return ["-pf", *(levels - 1) * own("-pf")[:-1], "true"]

    (seen,) = re.findall(r"^NSpid:(.*)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    most = next(n for n in range(32, 0, -1) if support.pyunshare(*nested(n)).status == 0)
    told = tell(*nested(most + 1))
    assert told.messages[0] == f"{NAME}: unshare failed: No space left on device"
    assert told.cause == (
        "PID namespaces can be nested 33 deep, counted from the machine's own, and this is the "
        f"last one: it is {len(seen.split()) + most} deep as seen from here"
    )


@pytest.mark.parametrize("flags", ["0", "0x10000000"])
@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary"])
def test_a_seccomp_filter(flags: str, user: User) -> None:
    told = tell("-r", "-n", "true", user=user, conditions=[f"refuse={EPERM}:{flags}"])
    assert told.messages == [f"{NAME}: unshare failed: Operation not permitted"]
    assert told.cause == "a seccomp filter, set by what started this process, refuses unshare(2)"


def test_a_filter_of_other_flags_is_not_blamed() -> None:
    conditions = [f"refuse={EPERM}:0x40000000"]
    told = tell("-m", "true", user=WITHOUT_SUBORDINATE_IDS, conditions=conditions)
    assert told.cause.startswith("only root may do this")


@pytest.mark.parametrize("with_proc", [False, True])
def test_inside_a_chroot(with_proc: bool) -> None:
    root = support.new_directory()
    conditions = ["mounts", f"rbind=/:{root}", *([] if with_proc else [f"tmpfs={root}/proc"])]
    told = tell("-r", "true", conditions=[*conditions, f"chroot={root}"])
    assert told.messages == [f"{NAME}: unshare failed: Operation not permitted"]
    assert told.cause.startswith(
        "the kernel makes no user namespace inside a chroot: start it outside, with --root"
    )
    assert told.commands == []


def test_propagation_inside_a_chroot() -> None:
    # A directory with all of this machine in it that is no mount point itself.
    root = support.new_directory()
    conditions = ["mounts"]
    for path in sorted(path for path in Path("/").iterdir() if path.is_dir()):
        (root / path.name).mkdir()
        conditions.append(f"rbind={path}:{root}{path}")
    conditions.append(f"chroot={root}")
    told = tell("-m", "true", conditions=conditions)
    message = "cannot change root filesystem propagation: Invalid argument"
    assert told.messages == [f"{NAME}: {message}"]
    assert told.cause.startswith("this is inside a chroot, ")
    assert told.typed == ["pyunshare --propagation=unchanged -m true"]
    works(told, ROOT, conditions)


def switches(**values: int | str) -> list[str]:
    """Conditions that put a made-up directory in the place of /proc/sys/kernel."""
    directory = support.new_directory()
    directory.chmod(0o755)
    for name, value in {"threads-max": 1000, **values}.items():
        (directory / name).write_text(f"{value}\n")
    return ["mounts", f"bind={directory}:/proc/sys/kernel"]


FIRST_UNSHARE = Fault("unshare", "error=EPERM", "1")


@needs("strace")
@pytest.mark.parametrize(
    ("switch", "value", "better"),
    [
        ("unprivileged_userns_clone", 0, 1),
        ("apparmor_restrict_unprivileged_userns", 1, 0),
    ],
)
@USERS
def test_a_switch_that_forbids_user_namespaces(
    switch: str, value: int, better: int, user: User
) -> None:
    def run(value: int) -> Told:
        # strace's filter is none of unshare(2): it does nothing to the probe for one
        traced = run_with_fault(
            command(user),
            ["-r", "true"],
            FIRST_UNSHARE,
            user=user,
            conditions=switches(**{switch: value}),
            environment=ALWAYS,
        )
        assert traced.struck
        return Told(traced.result)

    told = run(value)
    assert told.messages == [f"{NAME}: unshare failed: Operation not permitted"]
    assert told.cause.startswith(f"kernel.{switch} is {value}: ")
    # strace has set no_new_privs: what is to be typed otherwise is told on made-up machines.
    assert told.commands == []
    assert run(better).cause == ""


@needs("strace")
@pytest.mark.parametrize(
    ("fault", "words", "message"),
    [
        (
            Fault("write", "error=EPERM", "1", "/proc/self/uid_map"),
            ["-r", "true"],
            "write failed /proc/self/uid_map",
        ),
        (
            Fault("mount", "error=EACCES", "1"),
            ["-U", "-m", "true"],
            "cannot change root filesystem propagation",
        ),
        (
            Fault("mount", "error=EACCES", "2"),
            ["-r", "-pf", "--mount-proc", "true"],
            "mount /proc failed",
        ),
    ],
    ids=str,
)
def test_apparmor_gives_a_user_namespace_without_power(
    fault: Fault, words: list[str], message: str
) -> None:
    def run(value: int) -> Told:
        traced = run_with_fault(
            command(WITHOUT_SUBORDINATE_IDS),
            words,
            fault,
            user=WITHOUT_SUBORDINATE_IDS,
            conditions=switches(apparmor_restrict_unprivileged_userns=value),
            environment=ALWAYS,
        )
        told = Told(traced.result)
        assert told.messages[0].startswith(f"{NAME}: {message}: "), traced
        return told

    told = run(1)
    assert told.cause.startswith("kernel.apparmor_restrict_unprivileged_userns is 1: ")
    assert run(0).cause == ""


def old_kernel(release: str, lacking: str) -> list[str]:
    """Conditions under which the kernel looks as if it had no such namespace."""
    directory = support.new_directory()
    directory.chmod(0o755)
    for namespace in NAMESPACES:
        if namespace.kind != lacking:
            (directory / namespace.kind).touch()
    return [*switches(osrelease=release), f"bind={directory}:/proc/self/ns"]


@pytest.mark.parametrize(
    ("release", "kind", "words", "cause", "typed"),
    [
        (
            "4.18.0-553.el8",
            "time",
            ["-rTn", "--boottime", "5", "true"],
            "--time needs Linux 5.6, and this is 4.18.0-553.el8; leave --time out",
            "pyunshare -rn true",
        ),
        (
            "4.4.0",
            "cgroup",
            ["--cgroup", "-r", "true"],
            "--cgroup needs Linux 4.6, and this is 4.4.0; leave --cgroup out",
            "pyunshare -r true",
        ),
        (
            "6.12.1-custom",
            "net",
            ["-rin", "true"],
            "this kernel, 6.12.1-custom, is built without CONFIG_NET_NS; leave --net out",
            "pyunshare -ri true",
        ),
    ],
)
def test_a_kernel_without_a_namespace(
    release: str, kind: str, words: list[str], cause: str, typed: str
) -> None:
    flag = next(namespace.flag for namespace in NAMESPACES if namespace.kind == kind)
    conditions = [*old_kernel(release, kind), f"refuse={EINVAL}:{flag}"]
    told = tell(*words, conditions=conditions)
    assert told.messages == [f"{NAME}: unshare failed: Invalid argument"]
    assert told.cause == cause
    assert told.typed == [typed]
    works(told, ROOT, conditions)


def test_a_second_pid_namespace_without_a_child_in_the_first() -> None:
    told = tell("-p", *own("-p"))
    assert told.messages[-1] == f"{NAME}: unshare failed: Invalid argument"
    assert "add --fork to the unshare that started this one" in told.cause


def test_a_user_who_is_not_mapped() -> None:
    told = inside(["-U"], "true", ["-U", "true"], WITHOUT_SUBORDINATE_IDS)
    assert told.messages == [f"{NAME}: unshare failed: Operation not permitted"]
    assert "is not mapped in the user namespace that you are in" in told.cause


@needs("newuidmap", "newgidmap")
@pytest.mark.parametrize("words", [["-c", "true"], ["-U", "true"], ["-r", "true"]], ids=str)
def test_a_user_who_only_looks_mapped(words: list[str]) -> None:
    """Among 65536 ids there is the one that an id without a mapping shows as."""
    user = WITH_SUBORDINATE_IDS
    program = command(user)
    again = [program.file, *program.arguments, *words]
    result = support.pyunshare("--map-auto", *again, user=user, environment=ALWAYS)
    assert result.status not in (0, None), result
    assert "your uid is not mapped in the user namespace that you are in" in Told(result).cause


@needs("newuidmap", "newgidmap")
def test_a_nobody_who_is_mapped_is_not_blamed() -> None:
    words = ["--map-auto", "--map-user", "65534", "-r", "--map-user", "65534"]
    result = support.pyunshare(*words, *own("-U"), user=ROOT, environment=ALWAYS)
    assert b"is not mapped" not in result.stderr


# ---- further causes ------------------------------------------------------------------------------


def test_an_offset_that_is_too_far() -> None:
    told = tell("-T", "--boottime", "99999999999999", "true")
    assert told.messages[0].endswith(": Numerical result out of range")
    assert told.cause.startswith("a clock with this offset would be ")


def test_a_filter_that_says_there_is_no_such_call() -> None:
    told = tell("-u", "true", conditions=[f"refuse={ENOSYS}:0"])
    assert told.messages == [f"{NAME}: unshare failed: Function not implemented"]
    assert told.cause == "a seccomp filter, set by what started this process, refuses unshare(2)"


@pytest.mark.parametrize("error", [EPERM, ENOSYS, EACCES])
def test_a_filter_that_refuses_mounts(error: int) -> None:
    told = tell("-m", "true", conditions=[f"refuse_mount={error}"])
    assert told.cause == "a seccomp filter, set by what started this process, refuses mount(2)"


def test_without_new_privileges_root_is_out_of_reach() -> None:
    told = tell("-m", "true", user=WITHOUT_SUBORDINATE_IDS, conditions=["no_new_privs"])
    assert told.typed == ["pyunshare -r -m true"]
    assert told.cause.endswith(
        "; with no_new_privs set, as it is here, neither sudo nor su can work"
    )


def test_no_further_process() -> None:
    """RLIMIT_NPROC is for users other than root."""
    uid = support.unused_id()
    user = User("?", uid, uid, known=False)
    told = tell("-rf", "true", user=user, conditions=["limit=6:1:1"])
    assert told.messages == [f"{NAME}: fork failed: Resource temporarily unavailable"]
    assert told.cause == "there are as many processes as '`ulimit -u`' allows, 1"


def test_a_pid_namespace_that_has_ended() -> None:
    program = command()
    again = " ".join([program.file, *program.arguments])
    result = support.pyunshare(
        "-p", "sh", "-c", f"/bin/true; exec {again} -f true", environment=ALWAYS
    )
    said = result.stderr.decode()
    assert f"{NAME}: fork failed: Cannot allocate memory\n" in said
    assert ": hint: the first process of the PID namespace that children go to " in said


@pytest.mark.parametrize(
    ("label", "errno", "cause"),
    [
        ("docker-default (enforce)\n", EACCES, "AppArmor's profile docker-default"),
        ("system_u:system_r:container_t:s0:c1,c2\0", EACCES, "SELinux does not allow it"),
        ("unconfined\n", EACCES, ""),
        ("x (complain)\n", EACCES, ""),
        ("unconfined_u:unconfined_r:unconfined_t:s0\0", EACCES, ""),
    ],
)
def test_a_process_that_is_confined(tmp_path: Path, label: str, errno: int, cause: str) -> None:
    file = tmp_path / "proc" / "self" / "attr" / "current"
    file.parent.mkdir(parents=True)
    file.write_text(label)
    said = hints_of(["-m", "true"], failed("mount", errno, "/"), tmp_path)
    assert said.startswith(f"unshare: hint: {cause}") if cause else said == ""


def test_a_limit_around_that_is_used_up() -> None:
    """As bwrap(1) --disable-userns makes it."""
    told = inside(["-r"], "echo 1 >/proc/sys/user/max_user_namespaces", ["-r", *own("-r")], ROOT)
    assert "a user namespace around this one allows no more user namespaces" in told.cause
    assert told.commands == []


def test_pid_namespaces_nested_too_deep_in_a_container() -> None:
    """Its proc does not show the PID namespaces around."""
    line = ["-pf", "--mount-proc"]
    for _ in range(31):
        line = [*line, *own("-pf")[:-1]]
    told = tell(*line, *own("-pf"))
    assert told.messages[0] == f"{NAME}: unshare failed: No space left on device"
    assert "PID namespaces can be nested 33 deep, counted from the machine's own" in told.cause


SCRIPT = "#! /bin/sh\ntrue\ntrue\n"


@pytest.mark.parametrize(
    ("words", "is_warned"),
    [
        (["sh", "-c", ":"], True),
        (["env", "-u", "A", "B=c", "bash"], True),
        (["nice", "-n", "5", "sh"], True),
        (["nice", "-5", "sh"], True),
        (["chroot", "/", "bash"], True),
        (["timeout", "-k", "1", "5", "sh"], True),
        (["nohup", "env", "A=b", "sh"], True),
        (["SCRIPT"], True),
        ([], True),
        (["env", "echo", "bash"], False),
        (["env"], False),
        (["chroot", "/x", "echo", "sh"], False),
        (["true", "sh"], False),
        (["/no/such"], False),
    ],
    ids=str,
)
def test_who_soon_cannot_fork(tmp_path: Path, words: list[str], is_warned: bool) -> None:
    script = tmp_path / "script"
    script.write_text(SCRIPT)
    words = [word.replace("SCRIPT", str(script)) for word in words]
    request = Request.from_options(take_options(["-p", *words]))
    hints = Hints("unshare", ["-p", *words], request)
    hints.prepare()
    assert ("add --fork" in hints.about(None) or "--fork -p" in hints.about(None)) == is_warned


def test_where_root_is_not_mapped_nobody_becomes_root() -> None:
    user = WITHOUT_SUBORDINATE_IDS
    told = inside(["-Uc"], "true", ["-m", "-S", "7", "true"], user)
    assert told.cause.startswith("only root may do this; root is not mapped in the user namespace")
    assert told.commands == []
    told = inside(["-Uc"], "true", ["-m", "true"], user)
    assert told.typed == ["pyunshare -r -m true"]
