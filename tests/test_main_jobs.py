"""The jobs people use unshare for, each judged by its effect.

Root runs them as they are; an ordinary user puts ``-r`` (or ``-U``) in front.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers import comparing, support
from tests.helpers.machine import needs
from tests.helpers.support import (
    ROOT,
    WITH_SUBORDINATE_IDS,
    WITHOUT_SUBORDINATE_IDS,
    Program,
    Result,
    User,
    pyunshare,
)


class Caller(NamedTuple):
    """Somebody who starts pyunshare, with the options that give him the right to go on."""

    user: User
    options: Sequence[str]

    def run(self, *words: str) -> Result:
        """Run pyunshare; it has to end well."""
        result = pyunshare(*self.options, *words, user=self.user)
        assert result.status == 0, result
        return result


as_root = pytest.param(Caller(ROOT, ()), id="root", marks=needs("root"))
as_ordinary_user = pytest.param(
    Caller(WITHOUT_SUBORDINATE_IDS, ("-r",)),
    id="ordinary-user",
    marks=needs("root", "compiler", "user namespaces"),
)
everybody = pytest.mark.parametrize("caller", [as_root, as_ordinary_user])


def in_own_mounts(script: str, *words: str) -> Result:
    """Run a shell script in a mount namespace of its own, on one processor.

    ``pyunshare`` in the script is the command under test. The processor is pinned because binding
    a mount namespace that was made on another one can fail with EINVAL on recent kernels.
    """
    program = support.command()
    prologue = 'pyunshare() { "$PYUNSHARE" '
    prologue += " ".join(f"'{word}'" for word in program.arguments) + ' "$@"; }\n'
    line = [
        str(support.compiled("start")),
        "processor=0",
        "mounts",
        f"env=PYUNSHARE={program.file}",
    ]
    line += [f"env={name}={value}" for name, value in program.environment]
    return support.run([*line, "--", "/bin/sh", "sh", "-ec", prologue + script, "sh", *words])


# ---- pid namespaces and proc --------------------------------------------------------------------


@everybody
@needs("ps")
def test_without_mount_proc_the_processes_of_the_host_are_seen(caller: Caller) -> None:
    listed = caller.run("-ipf", "ps", "-e", "-o", "pid").lines
    assert str(os.getpid()) in [line.strip() for line in listed]


@everybody
@needs("ps")
def test_with_mount_proc_only_the_new_pid_namespace_is_seen(caller: Caller) -> None:
    before = support.mount_table()
    listed = caller.run("-ipf", "--mount-proc", "ps", "-ef").lines
    assert len(listed) == 2, listed
    assert listed[1].split()[1:3] == ["1", "0"]
    assert listed[1].endswith("ps -ef")
    assert support.mount_table() == before


@everybody
@needs("bash")
def test_without_fork_only_one_child_can_start(caller: Caller) -> None:
    script = "/bin/sh -c 'echo first child: $$'; /bin/true; echo unreached"
    result = pyunshare(
        *caller.options, "--pid", "--mount", "/bin/bash", "-c", script, user=caller.user
    )
    assert result.stdout.startswith(b"first child: 1\n")
    assert b"Cannot allocate memory" in result.stderr


@everybody
def test_fork_and_pid_make_the_program_pid_1(caller: Caller) -> None:
    assert caller.run("--fork", "--pid", "sh", "-c", "echo $$").stdout == b"1\n"


@everybody
def test_example_readlink_proc_self(caller: Caller) -> None:
    assert caller.run("--fork", "--pid", "--mount-proc", "readlink", "/proc/self").stdout == b"1\n"


@everybody
@needs("bash", "mount", "ps", "ip", "hostname")
def test_proc_mounted_by_hand(caller: Caller) -> None:
    script = (
        "mount -t proc proc /proc && ps -e -o pid,comm && hostname inside && hostname && ip link"
    )
    before = support.mount_table(), socket.gethostname()
    listed = caller.run("-p", "-n", "-u", "-m", "--fork", "/bin/bash", "-c", script).lines
    assert listed[1].split() == ["1", "bash"]
    assert listed[2].split()[1] == "ps"
    assert listed[3] == "inside"
    assert listed[4].startswith("1: lo:")
    assert (support.mount_table(), socket.gethostname()) == before


SHELL_IN_A_LOOP = """
echo ready $$
read -r go
echo "sees $(pgrep -f {marker})"
while :; do sleep 0.05; done
"""


@needs("root", "bash", "pgrep", "lsns", "child lists")
def test_three_shells_cannot_see_each_other() -> None:
    marker = f"pyunshare-loop-{os.getpid()}"
    directory = support.new_directory()
    program = support.command()
    shells: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(3):
            script = directory / f"{marker}-{number}"
            script.write_text(SHELL_IN_A_LOOP.format(marker=marker))
            words = ["-p", "-f", "--mount-proc", "/bin/bash", str(script)]
            line = support.started(program, words)
            environment = {**support.ENVIRONMENT, **dict(program.environment)}
            shells.append(support.popen(line, environment=environment, stdin=subprocess.PIPE))
        for shell in shells:
            assert shell.stdout is not None and shell.stdin is not None
            assert shell.stdout.readline() == b"ready 1\n"
        for shell in shells:
            assert shell.stdout is not None and shell.stdin is not None
            shell.stdin.write(b"go\n")
            shell.stdin.flush()
            assert shell.stdout.readline() == b"sees 1\n"
        _check_from_outside(shells, marker)
    finally:
        for shell in shells:
            support.kill_session(shell)
            shell.communicate()


def _check_from_outside(shells: Sequence[subprocess.Popen[bytes]], marker: str) -> None:
    """The host sees all three, under other numbers, each in a pid namespace of its own."""
    insiders = [support.children(shell.pid)[0] for shell in shells]
    seen = [int(line) for line in support.run(["pgrep", "-f", marker]).lines]
    assert set(insiders) <= set(seen)
    assert 1 not in insiders
    namespaces = [support.namespace(pid, "pid") for pid in insiders]
    assert len({*namespaces, support.namespace("self", "pid")}) == 4
    numbers = {link[len("pid:[") : -1]: link for link in namespaces}

    def listed() -> dict[str, str] | None:
        """Return the process that lsns lists for each; it gives up where others end meanwhile."""
        lines = support.run(["lsns", "-t", "pid", "-n", "-o", "NS,PID"]).lines
        found = dict(line.split() for line in lines)
        return found if numbers.keys() <= found.keys() else None

    # The process with the lowest id, which need not be the first one: ids begin again at some time.
    processes = support.wait_for(listed, "lsns to list all namespaces")
    for number, link in numbers.items():
        assert support.namespace(processes[number], "pid") == link


@everybody
@needs("child lists")
def test_kill_child_takes_the_pid_namespace_along(caller: Caller) -> None:
    script = "sleep 1000 & echo ready; wait"
    program = support.command(caller.user)
    words = [*caller.options, "--fork", "--pid", "--mount-proc", "--kill-child", "--"]
    line = support.started(program, [*words, "sh", "-c", script], user=caller.user)
    environment = {**support.ENVIRONMENT, **dict(program.environment)}
    with support.popen(line, environment=environment) as launcher:
        try:
            assert launcher.stdout is not None
            assert launcher.stdout.readline() == b"ready\n"
            family = support.descendants(launcher.pid)
            assert len(family) == 2
            launcher.kill()
            launcher.wait(support.PATIENCE)
            support.wait_for(
                lambda: not any(map(support.exists, family)), "the pid namespace to end"
            )
        finally:
            support.kill_session(launcher)


# ---- one namespace each -------------------------------------------------------------------------


@everybody
@needs("mount")
def test_a_mount_inside_is_not_seen_outside(caller: Caller) -> None:
    directory = support.new_directory()
    script = 'mount -t tmpfs tmpfs "$0" && touch "$0/inside" && ls "$0"'
    assert caller.run("-m", "sh", "-c", script, str(directory)).stdout == b"inside\n"
    assert list(directory.iterdir()) == []


@needs("root", "compiler", "mount")
def test_a_mount_under_a_shared_root_is_not_seen_outside() -> None:
    directory = support.new_directory()
    result = in_own_mounts(
        "mount --make-rshared /\n"
        'pyunshare -m sh -c \'mount -t tmpfs tmpfs "$0" && touch "$0/inside" && ls "$0"\' "$1"\n'
        'ls "$1"; echo end',
        str(directory),
    )
    assert result.stdout == b"inside\nend\n", result


@everybody
@needs("ip", "ping")
def test_a_network_namespace_has_a_loopback_of_its_own(caller: Caller) -> None:
    listed = caller.run("-n", "ip", "-o", "link").lines
    loopbacks = [line for line in listed if ": lo:" in line]
    # Some kernels put tunnel devices into every network namespace; none of them is up either.
    assert len(loopbacks) == 1
    assert all("state DOWN" in line for line in listed)
    script = "ip link set lo up && ping -c1 -W5 127.0.0.1"
    assert b"1 received" in caller.run("-n", "sh", "-c", script).stdout


@everybody
@needs("hostname")
def test_a_host_name_is_changed_inside_only(caller: Caller) -> None:
    before = socket.gethostname()
    assert caller.run("-u", "sh", "-c", "hostname inside && hostname").stdout == b"inside\n"
    assert socket.gethostname() == before


@everybody
@needs("ipcmk", "ipcs")
def test_a_message_queue_exists_inside_only(caller: Caller) -> None:
    def queues(listed: Sequence[str]) -> list[str]:
        return [line for line in listed if line.startswith("0x")]

    before = queues(support.run(["ipcs", "-q"]).lines)
    inside = caller.run("-i", "sh", "-c", "ipcs -q; echo; ipcmk -Q; ipcs -q").lines
    assert len(queues(inside)) == 1
    assert queues(support.run(["ipcs", "-q"]).lines) == before


@pytest.mark.parametrize(
    "user",
    [
        pytest.param(ROOT, id="root", marks=needs("root")),
        pytest.param(WITHOUT_SUBORDINATE_IDS, id="ordinary-user", marks=needs("root", "compiler")),
    ],
)
@needs("user namespaces")
def test_nobody_is_mapped_in_a_bare_user_namespace(user: User) -> None:
    overflow = Path("/proc/sys/kernel/overflowuid").read_bytes()
    assert pyunshare("-U", "id", "-u", user=user).stdout == overflow


def _cgroup_directory() -> Path:
    """The root of a hierarchy in which we may make a cgroup."""
    for line in support.mount_table():
        fields = line.split()
        kind, _, options = line.partition(" - ")[2].split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=" in options):
            return Path(fields[4])
    pytest.skip("this kernel has no usable cgroup hierarchy mounted")


@everybody
@needs("cgroup namespaces")
def test_the_own_cgroup_looks_like_the_root(caller: Caller) -> None:
    cgroup = _cgroup_directory() / f"pyunshare-test-{os.getpid()}"
    cgroup.mkdir()
    try:
        program = support.command(caller.user)
        environment = {**support.ENVIRONMENT, **dict(program.environment)}
        show = ["cat", "/proc/self/cgroup"]
        join = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(cgroup / "cgroup.procs")]
        outside = support.run([*join, *show]).lines
        words = [*caller.options, "-C", *show]
        line = support.started(program, words, user=caller.user)
        inside = support.run([*join, *line], environment=environment).lines
    finally:
        support.wait_for(lambda: not (cgroup / "cgroup.procs").read_text(), "an empty cgroup")
        cgroup.rmdir()
    assert any(path.endswith(f"/{cgroup.name}") for path in outside)
    assert inside and all(path.endswith(":/") for path in inside), inside


def _uptime(content: bytes) -> float:
    return float(content.split()[0])


OFFSET = 300000000


@everybody
@needs("time namespaces")
def test_boottime_moves_the_uptime(caller: Caller) -> None:
    words = ["--fork", "--time", "--boottime", str(OFFSET), "cat", "/proc/uptime"]
    inside = _uptime(caller.run(*words).stdout)
    outside = _uptime(Path("/proc/uptime").read_bytes())
    assert abs(inside - OFFSET - outside) < 60


@everybody
@needs("time namespaces", "uptime")
def test_example_uptime(caller: Caller) -> None:
    words = ["--fork", "--time", "--boottime", str(OFFSET), "uptime", "-p"]
    assert caller.run(*words).stdout.startswith(b"up 9 years")


@needs("root", "time namespaces")
def test_monotonic_moves_the_monotonic_clock() -> None:
    script = "import time; print(time.monotonic())"
    words = ["--fork", "--time", "--monotonic", str(OFFSET), sys.executable, "-c", script]
    inside = float(pyunshare(*words).stdout)
    assert abs(inside - OFFSET - time.monotonic()) < 60


@everybody
@needs("time namespaces")
def test_both_offsets_are_written(caller: Caller) -> None:
    words = ["-f", "-T", "--monotonic", "-5", "--boottime", "7", "cat", "/proc/self/timens_offsets"]
    fields = [line.split() for line in caller.run(*words).lines]
    assert fields == [["monotonic", "-5", "0"], ["boottime", "7", "0"]]


# ---- many namespaces, another root --------------------------------------------------------------

ALL_LONG = ("--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--user")
NAMES: dict[str, str] = {
    "-m": "mnt",
    "-u": "uts",
    "-i": "ipc",
    "-n": "net",
    "-p": "pid_for_children",
    "-U": "user",
    "-C": "cgroup",
    "-T": "time_for_children",
}


@pytest.mark.parametrize("option", NAMES)
@everybody
@needs("user namespaces")
def test_each_option_makes_its_namespace_and_no_other(caller: Caller, option: str) -> None:
    # One process shows all: in a new pid namespace only the first child could start. The caller
    # stays alive meanwhile, lest the kernel gives the number of an old namespace to a new one.
    show = ["find", "/proc/self/ns", "-type", "l", "-printf", "%f %l\\n"]
    both = 'find "$1" -type l -printf "%f %l\\n"; shift; "$@"; exit'
    program = support.command(caller.user)
    shell = Program("/bin/sh", "sh", ("-c", both, "sh", show[1], program.file, *program.arguments))
    shell = shell._replace(environment=program.environment)
    words = [*caller.options, "-f", option, *show]
    lines = [line.split() for line in support.start(shell, words, user=caller.user).lines]
    outside, inside = dict(lines[: len(lines) // 2]), dict(lines[len(lines) // 2 :])
    changed = {name for name in inside if inside[name] != outside[name]}
    # The program is a child: it is in the namespace that was made for children.
    expected = {NAMES[option], NAMES[option].replace("_for_children", "")}
    assert changed == (expected if caller.user == ROOT else expected | {"user"})


@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary-user"])
@needs("root", "compiler", "user namespaces", "bash")
def test_many_namespaces_in_one_go(user: User) -> None:
    show = 'echo $$ $UID; for n in mnt uts ipc net pid user; do readlink "/proc/self/ns/$n"; done'
    lines = pyunshare(*ALL_LONG, "bash", "-c", show, user=user).lines
    assert lines[0].split() == ["1", Path("/proc/sys/kernel/overflowuid").read_text().strip()]
    ours = {support.namespace("self", name) for name in ("mnt", "uts", "ipc", "net", "pid", "user")}
    assert len(lines) == 7 and not ours & set(lines[1:])


def _busybox_root() -> Path:
    root = support.new_directory()
    for directory in ("bin", "proc", "etc"):
        (root / directory).mkdir()
    shutil.copy(shutil.which("busybox") or "busybox", root / "bin" / "busybox")
    for applet in ("sh", "ls", "ps", "cat", "id"):
        (root / "bin" / applet).symlink_to("busybox")
    return root


def _bash_root() -> Path:
    """Bash with the libraries it is linked to, and a proc directory."""
    root = support.new_directory()
    bash = os.path.realpath(shutil.which("bash") or "bash")
    linked = support.run(["ldd", bash]).stdout
    for file in [bash, *re.findall(r"/\S+", os.fsdecode(linked))]:
        target = root / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    (root / "proc").mkdir()
    (root / "bin").mkdir(exist_ok=True)
    if not (root / "bin" / "bash").exists():
        shutil.copy(bash, root / "bin" / "bash")
    return root


@everybody
@needs("busybox")
def test_busybox_root_entered_with_chroot(caller: Caller) -> None:
    root = str(_busybox_root())
    script = "/bin/busybox mount -t proc proc /proc && ls / && ps"
    words = ["-m", "-p", "-f", "chroot", root, "/bin/sh", "-c", script]
    lines = caller.run(*words).lines
    assert lines[:3] == ["bin", "etc", "proc"]
    assert lines[4].split()[0] == "1"


@everybody
@needs("busybox")
def test_busybox_root_in_one_step(caller: Caller) -> None:
    root = str(_busybox_root())
    words = ["-m", "-p", "-f", "--root", root, "--mount-proc", "/bin/sh", "-c", "ls / && ps && pwd"]
    lines = caller.run(*words).lines
    assert lines[:3] == ["bin", "etc", "proc"]
    assert lines[4].split()[0] == "1"
    assert lines[-1] == "/"
    assert list((Path(root) / "proc").iterdir()) == []


@everybody
@needs("bash")
def test_bash_root_entered_with_chroot(caller: Caller) -> None:
    words = ["-m", "-p", "-f", "chroot", str(_bash_root()), "/bin/bash", "-c", "echo $$ /*"]
    assert caller.run(*words).lines[0].startswith("1 /bin /lib")


@everybody
@needs("bash")
def test_bash_root_in_one_step(caller: Caller) -> None:
    root = str(_bash_root())
    words = ["-p", "-f", "--mount-proc", "--root", root, "/bin/bash", "-c", "echo $$ /*"]
    assert caller.run(*words).lines[0].startswith("1 /bin /lib")


@everybody
@needs("bash")
def test_wd_is_inside_the_root(caller: Caller) -> None:
    root = _bash_root()
    (root / "inner").mkdir()
    words = [f"--root={root}", "--wd=/inner", "/bin/bash", "-c", "pwd"]
    assert caller.run(*words).stdout == b"/inner\n"


# ---- maps ---------------------------------------------------------------------------------------

SHOW_MAPS = "id -un; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups"


@needs("root", "compiler", "user namespaces")
def test_example_map_root_user() -> None:
    user = WITHOUT_SUBORDINATE_IDS
    words = ["--user", "--map-root-user", "sh", "-c", SHOW_MAPS]
    lines = [line.split() for line in pyunshare(*words, user=user).lines]
    assert lines == [["root"], ["0", str(user.uid), "1"], ["0", str(user.gid), "1"], ["deny"]]


@needs("root", "compiler", "user namespaces")
def test_map_current_user_keeps_the_name() -> None:
    user = WITHOUT_SUBORDINATE_IDS
    lines = [line.split() for line in pyunshare("-c", "sh", "-c", SHOW_MAPS, user=user).lines]
    assert lines[0] == [user.name]
    assert lines[1] == [str(user.uid), str(user.uid), "1"]


@needs("root", "compiler", "user namespaces", "newuidmap", "newgidmap", "subordinate id files")
def test_example_map_auto() -> None:
    user = WITH_SUBORDINATE_IDS
    file = support.new_directory() / "file"
    script = f'{SHOW_MAPS}; touch "$0" && chown 1:1 "$0"'
    words = ["--map-auto", "--map-root-user", "sh", "-c", script, str(file)]
    lines = [line.split() for line in pyunshare(*words, user=user).lines]
    first = support.SUBORDINATE_START[user.uid]
    count = str(support.SUBORDINATE_COUNT)
    assert lines == [
        ["root"],
        ["0", str(user.uid), "1"],
        ["1", str(first), count],
        ["0", str(user.gid), "1"],
        ["1", str(first), count],
        ["allow"],
    ]
    # Inner id 1 is the first of the block.
    assert (file.stat().st_uid, file.stat().st_gid) == (first, first)


@needs("root", "compiler", "user namespaces", "subordinate id files")
def test_map_auto_for_root_writes_the_maps_itself() -> None:
    words = ["--map-auto", "sh", "-c", SHOW_MAPS]
    result = pyunshare(*words, conditions=support.database_conditions())
    expected = ["0", str(support.SUBORDINATE_START[0]), str(support.SUBORDINATE_COUNT)]
    assert [line.split() for line in result.lines][1:3] == [expected, expected], result


@needs("root", "user namespaces")
def test_root_may_map_groups_and_still_drop_them() -> None:
    words = ["-U", "--map-users=0:0:1", "--map-groups=0:0:1", "-S", "0", "-G", "0", "id", "-G"]
    assert pyunshare(*words).stdout == b"0\n"


# ---- persistent namespaces ----------------------------------------------------------------------


@needs("root", "compiler", "nsenter", "hostname", "mount")
def test_example_persistent_uts_namespace() -> None:
    file = support.new_directory() / "uts-ns"
    result = in_own_mounts(
        'touch "$1"; pyunshare --uts="$1" hostname FOO; nsenter --uts="$1" hostname; umount "$1"',
        str(file),
    )
    assert (result.status, result.stdout) == (0, b"FOO\n"), result


@needs("root", "compiler", "nsenter", "mount")
def test_example_persistent_mount_namespace() -> None:
    directory = support.new_directory()
    result = in_own_mounts(
        'mkdir "$1/target"; mount --bind "$1" "$1"; mount --make-private "$1"; touch "$1/mnt"\n'
        'inside=\'mount -t tmpfs t "$0"; touch "$0/inside"\'\n'
        'pyunshare --mount="$1/mnt" sh -ec "$inside" "$1/target"\n'
        'ls "$1/target"; nsenter --mount="$1/mnt" ls "$1/target"; umount "$1/mnt"; umount "$1"',
        str(directory),
    )
    assert (result.status, result.stdout) == (0, b"inside\n"), result


PERSISTENT = {
    "uts": (["--uts=@"], "uts"),
    "ipc": (["--ipc=@"], "ipc"),
    "net": (["--net=@"], "net"),
    "pid": (["--fork", "--pid=@"], "pid"),
    "user": (["--user=@"], "user"),
    "cgroup": (["--cgroup=@"], "cgroup"),
    "time": (["--fork", "--time=@"], "time"),
}


@pytest.mark.parametrize("name", PERSISTENT)
@needs("root", "compiler", "nsenter", "mount")
def test_a_persistent_namespace_is_the_one_the_program_saw(name: str) -> None:
    options, link = PERSISTENT[name]
    file = support.new_directory() / "namespace"
    file.touch()
    words = [option.replace("@", str(file)) for option in options]
    result = in_own_mounts(
        f'file=$1; shift; pyunshare "$@" readlink /proc/self/ns/{link}; '
        'stat -L -c %i "$file"; umount "$file"',
        str(file),
        *words,
    )
    assert result.status == 0, result
    seen, bound = result.lines
    assert seen == f"{link}:[{bound}]"


@needs("root", "compiler", "mount")
def test_many_persistent_namespaces_at_once() -> None:
    directory = support.new_directory()
    for name in ("uts", "net", "ipc", "pid", "user"):
        (directory / name).touch()
    result = in_own_mounts(
        'cd "$1"; pyunshare --fork --uts=uts --net=net --ipc=ipc --pid=pid --user=user true\n'
        "for name in uts net ipc pid user; do stat -f -c %T $name; umount $name; done",
        str(directory),
    )
    assert result.lines == ["nsfs"] * 5, result


# ---- binfmt_misc --------------------------------------------------------------------------------


@everybody
@needs("root", "binfmt_misc in a user namespace", "compiler")
def test_load_interp_runs_files_through_the_interpreter(caller: Caller) -> None:
    file = support.new_directory() / "text.pyunshare"
    file.write_text("what the interpreter prints\n")
    file.chmod(0o755)
    program = caller._replace(options=("-r",))
    interpreter = shutil.which("cat")
    words = [
        "--fork",
        "--pid",
        "--load-interp",
        f":pyunshare-test:E::pyunshare::{interpreter}:",
        str(file),
    ]
    assert program.run(*words).stdout == file.read_bytes()


@needs("root", "binfmt_misc in a user namespace", "compiler")
def test_load_interp_of_a_fixed_file_survives_the_new_root() -> None:
    root = comparing.made_root()
    (root / "file.pyunshare").write_text("no format of its own\n")
    (root / "file.pyunshare").chmod(0o755)
    probe = support.compiled("probe")
    entry = f":pyunshare-test:E::pyunshare::{probe}:F"
    words = ["-r", "--fork", "--pid", "-l", entry, "--root", str(root), "/file.pyunshare"]
    result = pyunshare(*words)
    assert b"argument=/file.pyunshare" in result.stdout, result


@needs("root", "binfmt_misc in a user namespace", "compiler")
def test_mount_binfmt_mounts_its_file_system() -> None:
    words = ["-r", "--fork", "--pid", "--mount-binfmt", "ls", "/proc/sys/fs/binfmt_misc"]
    result = pyunshare(*words)
    assert "register" in result.lines, result


# ---- the login shell ----------------------------------------------------------------------------


@needs("bash")
def test_no_program_starts_the_shell_as_a_login_shell() -> None:
    result = pyunshare(
        "-f", environment={**support.ENVIRONMENT, "SHELL": "/bin/bash"}, send=b"echo $0\n"
    )
    assert result.stdout.endswith(b"-bash\n"), result
