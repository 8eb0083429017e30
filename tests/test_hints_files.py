"""Hints about mounts and programs: each is given for a cause that is set up for real.

Where a hint has a command to type, it is typed where that can be: then the launch has to work.
"""

from __future__ import annotations

import shlex
from errno import ENODEV, EPERM
from pathlib import Path

import pytest

from pyunshare.diagnostics.system import System
from tests.helpers import support
from tests.helpers.hinting import ALWAYS, Told, failed, hints_of, own, root_with, tell, works
from tests.helpers.machine import needs
from tests.helpers.support import (
    NAME,
    ROOT,
    WITHOUT_SUBORDINATE_IDS,
    User,
    command,
)
from tests.test_isolation import busybox

pytestmark = [pytest.mark.thorough, needs("root", "compiler", "user namespaces")]


# ---- mounts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary"])
@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["-r", "--mount-proc", "true"], "pyunshare --pid --fork -r --mount-proc true"),
        (["-rp", "--mount-proc", "true"], "pyunshare --fork -rp --mount-proc true"),
        (["-rf", "--mount-proc=/proc", "true"], "pyunshare --pid -rf --mount-proc=/proc true"),
    ],
    ids=str,
)
def test_proc_without_a_pid_namespace(user: User, words: list[str], typed: str) -> None:
    told = tell(*words, user=user)
    assert told.messages == [f"{NAME}: mount /proc failed: Operation not permitted"]
    assert told.cause.startswith("a new user namespace can only mount the proc of a")
    assert told.typed == [typed]
    works(told, user)


FORMAT = ":pyunshare-test:M::nothing-begins-so::/bin/true:"


@needs("binfmt_misc in a user namespace")
@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary"])
@pytest.mark.parametrize(
    ("words", "typed"),
    [
        ([], "--pid --fork -r"),
        (["--map-user=5", "-f"], "--pid -r -f"),
        (["-pf"], "-r -pf"),
        (["--map-user=0", "-pf"], "-r -pf"),
        (["--map-user=5", "--map-group=0", "-pf"], "-r -pf"),
    ],
    ids=str,
)
def test_binary_formats_where_nobody_is_root(user: User, words: list[str], typed: str) -> None:
    """Nor does the advice that is given before lead there."""
    told = tell(*words, f"--load-interp={FORMAT}", "true", user=user)
    assert told.typed == [f"pyunshare {typed} --load-interp={FORMAT} true"]
    works(told, user)


@needs("binfmt_misc in a user namespace")
def test_binary_formats_where_root_is_left_out_of_ranges() -> None:
    words = ["--map-users=5:0:1", "--map-groups=0:0:1", "-pf"]
    told = tell(*words, f"--load-interp={FORMAT}", "true")
    assert told.cause.startswith("without user and group 0 in the new user namespace nobody can ")
    assert told.typed == []


def covered(*names: str) -> list[str]:
    """Conditions that cover files of every proc that there is, as container engines do."""
    procs = [mount.target for mount in System().mounts() if mount.kind == "proc"]
    return ["mounts", *(f"bind=/dev/null:{proc}/{name}" for proc in procs for name in names)]


@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary"])
@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (["uptime"], "/proc/uptime is covered by another mount here, and then"),
        (["kmsg", "uptime"], "/proc/kmsg, /proc/uptime are covered by other mounts here, and then"),
    ],
)
def test_a_proc_that_is_partly_covered(user: User, names: list[str], cause: str) -> None:
    conditions = covered(*names)
    told = tell("-rpf", "--mount-proc", "true", user=user, conditions=conditions)
    assert told.messages == [f"{NAME}: mount /proc failed: Operation not permitted"]
    assert told.cause.startswith(cause), told.cause
    assert told.typed == ["umount " + " ".join(f"/proc/{name}" for name in names)]


def test_a_covered_proc_is_known_from_before_the_new_root() -> None:
    told = tell("-rpf", "--mount-proc", "-R", "/", "true", conditions=covered("uptime"))
    assert told.cause.startswith("/proc/uptime is covered ")


def test_no_proc_that_a_user_namespace_could_see() -> None:
    directory = support.new_directory()
    conditions = ["mounts"]
    conditions += [f"tmpfs={mount.target}" for mount in System().mounts() if mount.kind == "proc"]
    told = tell("-Upf", f"--mount-proc={directory}", "true", conditions=conditions)
    assert told.messages == [f"{NAME}: mount {directory} failed: Operation not permitted"]
    assert told.cause == "a user namespace may mount a proc only where there is one: here is none"


def test_a_cover_is_no_cause_where_another_proc_is_whole() -> None:
    directory = support.new_directory()
    conditions = ["mounts", f"bind=/proc:{directory}", *covered("uptime")[1:]]
    result = support.pyunshare("-rpf", "--mount-proc", "true", conditions=conditions)
    assert result.status == 0, result


@pytest.mark.parametrize(("release", "is_old"), [("6.6.99-x", True), ("6.7.0", False)])
def test_binary_formats_that_are_the_hosts(tmp_path: Path, release: str, is_old: bool) -> None:
    (tmp_path / "proc" / "sys" / "kernel").mkdir(parents=True)
    (tmp_path / "proc" / "sys" / "kernel" / "osrelease").write_text(f"{release}\n")
    failure = failed("mount", EPERM, "/proc/sys/fs/binfmt_misc")
    said = hints_of(["-rpf", "--mount-binfmt", "true"], failure, tmp_path)
    cause = "a user namespace has a binfmt_misc of its own since Linux 6.7, and this is"
    assert said == (f"unshare: hint: {cause} {release}\n" if is_old else "")


def test_no_directory_for_proc_in_the_new_root() -> None:
    root = support.new_directory()
    told = tell("-pf", "--mount-proc", "-R", str(root), "true")
    assert told.messages == [f"{NAME}: mount /proc failed: No such file or directory"]
    assert told.cause == f"there is no /proc inside {root}"
    assert told.typed == [f"mkdir -p {root}/proc"]


def test_no_directory_for_proc() -> None:
    told = tell("-pf", "--mount-proc=/tmp/none/such", "true")
    assert told.cause == "there is no directory /tmp/none/such"
    assert told.typed == ["mkdir -p /tmp/none/such"]


@pytest.mark.parametrize("fork", [[], ["-f"]], ids=["", "fork"])
@pytest.mark.parametrize("kind", ["uts", "net", "mount", "user"])
def test_a_persistent_file_that_is_missing(kind: str, fork: list[str]) -> None:
    directory = support.new_directory()
    told = tell(*fork, f"--{kind}={directory}/a b", "true")
    assert told.cause == f"there is no file '{directory}/a b' to bind the namespace to"
    assert told.typed == [f"touch '{directory}/a b'"]
    told = tell(*fork, f"--{kind}={directory}/new/x", "true")
    assert told.typed == [f"mkdir -p {directory}/new && touch {directory}/new/x"]


def test_a_pid_namespace_to_be_bound_without_fork() -> None:
    file = support.new_directory() / "pid"
    file.touch()
    told = tell(f"--pid={file}", "/bin/true", conditions=["mounts"])
    assert told.cause.startswith("a PID namespace can only be bound once it has its first process")
    assert told.typed == [f"pyunshare --fork --pid={file} /bin/true"]
    works(told, ROOT, ["mounts"])


def test_a_mount_namespace_on_a_shared_mount() -> None:
    directory = support.new_directory()
    file = directory / "mnt"
    conditions = ["processor=0", "mounts", f"tmpfs={directory}", "propagation=shared"]
    inner = [*own(f"--mount={file}")]
    start = [str(support.compiled("start")), *conditions, "--", "/bin/sh", "sh", "-c"]
    result = support.run(
        [*start, f'touch {file}; exec "$@"', "sh", *inner],
        environment={**ALWAYS, **dict(command().environment)},
    )
    told = Told(result)
    assert told.messages[0].endswith(f"on {file} failed: Invalid argument")
    assert told.cause.startswith(f"{directory} is a shared mount, ")
    # What it says is typed, and works.
    words = dict(command().environment) | dict(support.ENVIRONMENT)
    program = shlex.join([command().file, *command().arguments])
    again = f'pyunshare() {{ {program} "$@"; }}; {told.typed[0].replace("&& python3 -m", "&&")}'
    result = support.run([*start, again], environment=words)
    assert result.status == 0, (again, result)


def test_a_file_without_an_equals_sign() -> None:
    file = support.new_directory() / "uts"
    file.touch()
    told = tell("-i", "--uts", str(file), "true")
    assert told.cause == (
        f"{file} was taken for the program: --uts has its file after an equals sign"
    )
    assert told.typed == [f"pyunshare -i --uts={file} true"]
    works(told, ROOT, ["mounts"])


def test_binding_needs_root() -> None:
    directory = support.new_directory()
    file = directory / "uts"
    file.touch()
    told = tell("-r", f"--uts={file}", "true", user=WITHOUT_SUBORDINATE_IDS)
    assert told.messages[0].endswith(f"on {file} failed: Operation not permitted")
    assert told.cause == "only root can bind a namespace to a file outside of it"
    assert told.typed == [f"pyunshare -r --uts={file} true"]


def test_no_proc_at_all() -> None:
    told = tell("-r", "true", conditions=["mounts", "tmpfs=/proc"])
    assert told.messages == [f"{NAME}: cannot open /proc/self/uid_map: No such file or directory"]
    assert told.cause == "no proc is mounted on /proc"
    assert told.typed == ["mount -t proc proc /proc"]


# ---- the program ---------------------------------------------------------------------------------


@needs("busybox")
@pytest.mark.parametrize("fork", [[], ["-f"]], ids=["", "fork"])
@pytest.mark.parametrize(
    ("program", "cause"),
    [
        ("/usr/bin/env", "there is no /usr/bin/env inside ROOT"),
        ("env", "no directory of PATH has env inside ROOT: /usr/bin:/bin"),
        (
            "/bin/script",
            "/bin/script is there, but INTERPRETER, is not inside ROOT",
        ),
        (
            "script",
            "/bin/script is there, but INTERPRETER, is not inside ROOT",
        ),
        (
            "/bin/plain",
            "/bin/plain is there, but the shell for files without a first line #!, /bin/sh, is not "
            "inside ROOT",
        ),
        (
            "/bin/twice",
            "/bin/script is there, but INTERPRETER, is not inside ROOT",
        ),
        (
            "/bin/true",
            "/bin/true is there, but the loader that it names, LOADER, is not inside ROOT",
        ),
        (
            "/bin/second",
            "/bin/true is there, but the loader that it names, LOADER, is not inside ROOT",
        ),
    ],
)
def test_the_program_is_not_in_the_new_root(program: str, cause: str, fork: list[str]) -> None:
    true = Path("/bin/true").read_bytes()
    root = root_with(
        script=b"#! /usr/bin/perl -w\n",
        plain=b"echo x\n",
        twice=b"#!/bin/script\n",
        true=true,
        second=b"#!/bin/true\n",
    )
    told = tell(*fork, "-R", str(root), program, environment={"PATH": "/usr/bin:/bin"})
    message = f"failed to execute {program}: No such file or directory"
    assert told.result.status == 127
    assert told.messages == [f"{NAME}: {message}"]
    loader = support.interpreter_of("/bin/true")
    interpreter = "the interpreter in its first line, /usr/bin/perl"
    expected = cause.replace("ROOT", str(root)).replace("LOADER", loader)
    assert told.cause == expected.replace("INTERPRETER", interpreter)


@needs("busybox")
def test_the_shell_is_not_in_the_new_root() -> None:
    root = root_with(sh=Path(busybox()).read_bytes())
    told = tell("-R", str(root), environment={"SHELL": "/usr/bin/zsh"})
    assert told.cause == f"there is no /usr/bin/zsh inside {root}, and that is your shell"
    assert told.typed == [f"pyunshare -R {root} /bin/sh"]


def test_an_interpreter_is_missing_here() -> None:
    script = support.new_directory() / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    told = tell("-r", str(script))
    assert told.cause == (
        f"{script} is there, but the interpreter in its first line, /no/such/interpreter, is not"
    )


def test_an_interpreter_that_is_not_executable() -> None:
    script = support.new_directory() / "script"
    script.write_text("#!/etc/passwd\n")
    script.chmod(0o755)
    told = tell("-m", str(script))
    interpreter = "the interpreter in its first line, /etc/passwd"
    assert told.cause == f"{script} is executable, but {interpreter}, is not"


def test_a_program_that_cannot_be_read_tells_nothing() -> None:
    script = support.new_directory() / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o711)
    assert tell("-r", str(script), user=WITHOUT_SUBORDINATE_IDS).cause == ""


def test_a_file_that_is_not_executable() -> None:
    script = support.new_directory() / "it's"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o644)
    told = tell("-m", str(script))
    assert told.result.status == 126
    assert told.cause == f'"{script}" has no permission to be executed'
    assert shlex.split(told.typed[0]) == ["chmod", "+x", str(script)]
    assert tell("-m", "/usr").cause == "/usr is a directory, not a program"


@needs("busybox")
def test_a_file_that_is_not_executable_in_the_new_root() -> None:
    root = root_with(tool=b"#!/bin/busybox sh\n")
    (root / "bin" / "tool").chmod(0o600)
    told = tell("-R", str(root), "/bin/tool")
    assert told.cause == "/bin/tool has no permission to be executed"
    assert told.typed == [f"chmod +x {root}/bin/tool"]


@needs("mount")
def test_a_file_on_a_file_system_without_execution() -> None:
    directory = support.new_directory()
    program = command()
    script = (
        f"mount -t tmpfs -o noexec,mode=755 none {directory}; cp /bin/true {directory}/true; "
        f'exec "$@"'
    )
    for root in ([], ["-R", "/"]):
        line = ["/bin/sh", "-c", script, "sh", program.file, *program.arguments, *root]
        result = support.pyunshare("-m", *line, f"{directory}/true", environment=ALWAYS)
        assert result.status == 126
        told = Told(result)
        assert "noexec" in told.cause
        if not root:
            assert told.cause == (
                f"{directory}/true is on {directory}, which is mounted noexec; "
                "remount,exec lets everything there be executed"
            )
            assert told.typed == [f"mount -o remount,exec {directory}"]


# ---- further causes ------------------------------------------------------------------------------


def test_a_proc_that_is_read_only() -> None:
    script = 'mount -o remount,bind,ro /proc; exec "$@"'
    for words, cause in (
        (["-r", "true"], "the proc on /proc is mounted read-only, and the maps are written there"),
        (["-U", "-pf", "--mount-proc", "true"], "the proc here is mounted read-only, and then"),
    ):
        program = command()
        line = ["/bin/sh", "-c", script, "sh", program.file, *program.arguments, *words]
        told = Told(support.pyunshare("-m", *line, environment=ALWAYS))
        assert told.cause.startswith(cause), told.result


def test_a_proc_of_another_pid_namespace() -> None:
    told = tell("-pf", *own("--map-users", "0:0:10"))
    assert told.result.status != 0


@pytest.mark.parametrize("known", ["nodev\tproc\n", "nodev\tproc\nnodev\tbinfmt_misc\n"])
def test_binary_formats_that_are_not_loaded(tmp_path: Path, known: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "filesystems").write_text(known)
    failure = failed("mount", ENODEV, "/proc/sys/fs/binfmt_misc")
    said = hints_of(["-rpf", "--mount-binfmt", "true"], failure, tmp_path)
    assert ("has no binfmt_misc loaded" in said) == ("binfmt" not in known)


def test_mounts_over_mounts(tmp_path: Path) -> None:
    """The last one on a directory is the one that a path leads to."""
    lines = (
        "20 1 8:1 / / rw - ext4 /dev/a rw\n"
        "21 20 0:1 / /a rw - tmpfs one rw\n"
        "22 21 0:2 / /a/b rw - tmpfs two rw\n"
        "23 21 0:3 / /a rw,noexec - tmpfs three rw\n"
        "24 23 0:4 / /a rw,nosuid shared:1 - tmpfs four rw\n"
    )
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "mountinfo").write_text(lines)
    mount = System(str(tmp_path)).mount_of("/a/b/c")
    assert mount
    assert (mount.id, mount.is_shared) == (24, True)
    root = System(str(tmp_path)).mount_of("/etc")
    assert root
    assert root.id == 20


def test_a_cover_of_the_whole_proc(tmp_path: Path) -> None:
    lines = (
        "20 1 8:1 / / rw - ext4 /dev/a rw\n"
        "21 20 0:1 / /proc rw - proc proc rw\n"
        "22 21 0:2 / /proc rw - tmpfs none rw\n"
        "23 22 0:3 / /proc/x rw - tmpfs none rw\n"
    )
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "mountinfo").write_text(lines)
    assert System(str(tmp_path)).covered_proc() == ["/proc"]


# ---- what a command could not make ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("--uts", ""),
        ("--uts", "/mnt/new/"),
        ("--uts", "/mnt/new/."),
        ("--uts", "/mnt/dangling"),
        ("--uts", "/mnt/dangling/new"),
        ("--uts", "/srv/new"),
        ("--mount-proc", ""),
        ("--mount-proc", "/mnt/dangling"),
        ("--mount-proc", "/srv/new"),
    ],
)
def test_a_path_that_cannot_be_made_is_not_typed(option: str, path: str) -> None:
    """By mkdir or touch: an empty one, a link that leads nowhere, on what is read-only."""
    directory = support.new_directory()
    (directory / "dangling").symlink_to("/nonexistent/file")
    ours = command()
    before = ["-c", 'mount -t tmpfs -o ro none /srv && exec "$@"', "sh", ours.file, *ours.arguments]
    result = support.start(
        support.Program("/bin/sh", "sh"),
        [*before, f"{option}={path}", "true"],
        conditions=["mounts", f"bind={directory}:/mnt"],
        environment={**ALWAYS, **dict(ours.environment)},
    )
    told = Told(result)
    assert told.cause
    assert told.typed == []


@pytest.mark.parametrize("path", ["/link/new", "/link", "../../new", "/sub/../../new"])
def test_nothing_is_typed_that_leads_out_of_the_new_root(path: str) -> None:
    root = support.new_directory()
    for name in ("tmp", "sub"):
        (root / name).mkdir()
    (root / "link").symlink_to("/tmp/new" if path == "/link" else "/tmp")
    told = tell("-pf", f"--mount-proc={path}", "-R", str(root), "true")
    assert told.cause == f"there is no {path} inside {root}"
    assert told.typed == []


def test_a_relative_path_in_the_new_root() -> None:
    root = support.new_directory()
    (root / "sub").mkdir()
    told = tell("-pf", "--mount-proc=new", "-R", str(root), "-w", "/sub", "true")
    assert told.typed == [f"mkdir -p {root}/sub/new"]
