"""What is read of a machine, from made-up trees, and what is tried, with this kernel."""

from __future__ import annotations

import os
import posix
import sys
import time
from errno import EPERM
from pathlib import Path
from typing import NoReturn

import pytest

from pyunshare.diagnostics import probes, system
from pyunshare.diagnostics.system import NAMESPACES, System, found_program
from pyunshare.launch.rehearsal import rehearse
from pyunshare.syscalls import CLONE_NEWNS, CLONE_NEWTIME, CLONE_NEWUSER, load_c_library
from tests.helpers.machine import needs


class Tree:
    """A made-up machine: a directory with files of /proc and /etc."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, path: str, text: str = "") -> Tree:
        """Make a file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return self

    @property
    def system(self) -> System:
        """What reads it."""
        return System(str(self.root))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_an_empty_tree_tells_nothing(tree: Tree) -> None:
    system = tree.system
    assert system.sysctl("user.max_user_namespaces") is None
    assert system.status("Seccomp") == ""
    assert system.mounts() == system.id_map("uid") == system.blocks("uid") == []
    assert system.is_chrooted is None
    assert system.covered_proc() is None
    assert system.container_engine == ""
    assert system.distributions == []
    assert not system.is_in_initial_user_namespace
    assert system.kernel == os.uname().release
    assert all(system.has_namespace(namespace) is None for namespace in NAMESPACES)


@pytest.mark.parametrize(("text", "value"), [("0\n", 0), ("1\n", 1), ("2147483647\n", 2147483647)])
def test_switches_and_limits(tree: Tree, text: str, value: int) -> None:
    tree.add("proc/sys/kernel/apparmor_restrict_unprivileged_userns", text)
    tree.add("proc/sys/kernel/unprivileged_userns_clone", text)
    tree.add("proc/sys/user/max_net_namespaces", text)
    assert tree.system.sysctl("kernel.apparmor_restrict_unprivileged_userns") == value
    assert tree.system.sysctl("kernel.unprivileged_userns_clone") == value
    assert tree.system.sysctl("user.max_net_namespaces") == value


def test_a_switch_that_is_no_number(tree: Tree) -> None:
    tree.add("proc/sys/kernel/unprivileged_userns_clone", "yes\n")
    assert tree.system.sysctl("kernel.unprivileged_userns_clone") is None


def test_namespaces_of_an_old_kernel(tree: Tree) -> None:
    tree.add("proc/sys/kernel/osrelease", "4.18.0-553.el8_10.x86_64\n")
    for kind in ("mnt", "uts", "ipc", "net", "pid", "user", "cgroup"):
        tree.add(f"proc/self/ns/{kind}")
    known = {namespace.option: tree.system.has_namespace(namespace) for namespace in NAMESPACES}
    assert known.pop("time") is False
    assert all(known.values())
    assert tree.system.kernel == "4.18.0-553.el8_10.x86_64"


def test_every_limit_of_this_kernel_has_its_namespace() -> None:
    limits = {path.name for path in Path("/proc/sys/user").glob("max_*_namespaces")}
    assert {namespace.limit_name.removeprefix("user.") for namespace in NAMESPACES} >= limits


PLAIN = (
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n27 1 254:0 / / rw shared:1 - ext4 /dev/vda rw"
)
KEPT_EMPTY = "30 22 0:40 / /proc/sys/fs/binfmt_misc rw - binfmt_misc none rw"
COVER = "31 22 0:41 / /proc/kcore rw - tmpfs none rw"
READ_ONLY = "32 22 0:21 /sys /proc/sys ro - proc proc rw"
SECOND = "33 27 0:42 / /mnt/proc rw - proc proc rw"


@pytest.mark.parametrize(
    ("lines", "covered"),
    [
        ([], None),
        (["27 1 254:0 / / rw - ext4 /dev/vda rw"], None),
        ([PLAIN], []),
        ([PLAIN, KEPT_EMPTY], []),
        ([PLAIN, COVER], ["/proc/kcore"]),
        ([PLAIN, COVER, READ_ONLY], ["/proc/kcore", "/proc/sys"]),
        ([PLAIN, COVER, SECOND], []),
        ([READ_ONLY], None),
    ],
    ids=str,
)
def test_what_covers_proc(tree: Tree, lines: list[str], covered: list[str] | None) -> None:
    tree.add("proc/self/mountinfo", "".join(f"{line}\n" for line in lines))
    assert tree.system.covered_proc() == covered


def test_mounts_are_read_with_their_escapes(tree: Tree) -> None:
    line = "40 27 0:9 / /a\\040b\\134c rw,noexec master:2 shared:7 - tmpfs a\\040b rw\n"
    tree.add("proc/self/mountinfo", f"{PLAIN}\n{line}")
    mount = tree.system.mount_of("/a b\\c/d")
    assert mount
    assert (mount.target, mount.kind, mount.is_shared) == ("/a b\\c", "tmpfs", True)
    assert "noexec" in mount.options
    other = tree.system.mount_of("/a b\\cd")
    assert other
    assert other.target == "/"


@pytest.mark.parametrize(
    ("own", "of_first", "is_chrooted"),
    [
        ([PLAIN], [PLAIN], False),
        ([PLAIN], [], False),
        (["50 27 0:21 / /proc rw - proc proc rw"], [PLAIN], True),
        (["40 27 0:9 / / rw - tmpfs none rw"], ["40 27 0:9 / /srv rw - tmpfs none rw"], True),
        (["40 27 0:9 / / rw - tmpfs none rw"], [PLAIN], False),  # another mount namespace
    ],
    ids=str,
)
def test_a_chroot_is_seen(
    tree: Tree, own: list[str], of_first: list[str], is_chrooted: bool
) -> None:
    tree.add("proc/self/mountinfo", "".join(f"{line}\n" for line in own))
    tree.add("proc/1/mountinfo", "".join(f"{line}\n" for line in of_first))
    assert tree.system.is_chrooted is is_chrooted


def test_this_machine_is_no_chroot() -> None:
    assert not System().is_chrooted


def test_a_mount_point_is_told_by_the_kernel(tmp_path: Path) -> None:
    for path, expected in (("/", False), (str(tmp_path), True)):
        assert probes.is_no_mount_point(path) in (expected, None)
    assert probes.is_no_mount_point("/nonexistent") is None


def test_subordinate_ids_that_make_no_sense_are_none(tree: Tree) -> None:
    tree.add("etc/subuid", "a:1:2\n# c\nb:x:1\nb::\n\n0:100000:65536\nroot:7:1\n")
    found = [(block.owner, block.start, block.end) for block in tree.system.blocks("uid")]
    assert found == [("a", 1, 3), ("0", 100000, 165536), ("root", 7, 8)]
    owned = [block.start for block in tree.system.blocks_of("uid", 0)]
    assert owned == [100000, 7]
    assert tree.system.blocks("gid") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NAME=x\nID=debian\n", ["debian"]),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', ["opensuse-leap", "suse", "opensuse"]),
        ("ID_LIKE='rhel fedora'\nID='rocky'\n", ["rocky", "rhel", "fedora"]),
        ("", []),
    ],
)
def test_distributions(tree: Tree, text: str, expected: list[str]) -> None:
    tree.add("etc/os-release", text)
    assert tree.system.distributions == expected


@pytest.mark.parametrize(
    ("mark", "engine"), [("run/.containerenv", "podman"), (".dockerenv", "docker")]
)
def test_the_marks_of_container_engines(tree: Tree, mark: str, engine: str) -> None:
    assert tree.add(mark).system.container_engine == engine


def test_what_is_remembered_is_all_that_is_read_later(tree: Tree) -> None:
    tree.add("proc/self/mountinfo", PLAIN).add("proc/self/status", "Seccomp:\t2\n")
    system = tree.system
    system.remember(0)
    system.close()
    tree.add("proc/self/mountinfo", "").add("etc/subgid", "root:1:1\n")
    assert system.covered_proc() == []
    assert system.status("Seccomp") == "2"
    assert system.blocks_of("gid", 0) == []
    assert system.link("/proc/self/ns/user") == ""
    assert system.name_of_user(0) == "root"
    assert system.name_of_user(4294967294) == "4294967294"


def test_the_depth_of_pid_namespaces(tree: Tree) -> None:
    tree.add("proc/self/status", "Name:\tx\nNSpid:\t71\t12\t1\nSeccomp:\t2\n")
    assert tree.system.pid_depth == 3
    assert tree.system.has_seccomp_filter


def test_outcomes_of_what_is_tried() -> None:
    def fail() -> None:
        raise PermissionError(EPERM, "x")

    def defect() -> None:
        raise RuntimeError

    assert probes.outcome(lambda: None) == 0
    assert probes.outcome(fail) == EPERM
    assert probes.outcome(defect) is None
    assert probes.outcome(lambda: os.kill(os.getpid(), 9)) is None


def test_what_is_tried_as_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption ends it, though it has no process group of its own."""
    given_wait, waits = posix.waitpid, []

    def wait(pid: int, options: int) -> object:
        waits.append(pid)
        if len(waits) == 1:
            raise InterruptedError
        return given_wait(pid, options)

    assert probes.outcome(lambda: None, become=lambda: None) == 0
    monkeypatch.setattr(posix, "waitpid", wait)
    with pytest.raises(InterruptedError):
        probes.outcome(lambda: time.sleep(60), become=lambda: None)
    assert len(waits) == 2


@needs("root", "user namespaces")
def test_a_rehearsal_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """Also in a helper, which writes maps that the kernel does not take."""
    overlapping = ["--map-users", "0:0:5", "--map-users", "3:10:5", "true"]
    assert probes.outcome(lambda: rehearse(["--map-users", "0:0:5", "true"])) == 0
    assert probes.outcome(lambda: rehearse(overlapping)) is None
    assert capfd.readouterr() == ("", "")


def test_no_process_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posix.fork", refuse)
    assert probes.outcome(lambda: None) is None


def refuse(*_: object) -> NoReturn:
    raise OSError(EPERM, "refused")


def without_ctypes() -> NoReturn:
    raise ImportError("No module named '_ctypes'")


@pytest.mark.parametrize("uid", [0, 1000])
def test_what_is_known_without_ctypes(
    uid: int, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "load_c_library", without_ctypes)
    monkeypatch.setattr(system, "load_c_library", without_ctypes)
    monkeypatch.setattr("posix.geteuid", lambda: uid)
    assert probes.has_capability(probes.CAP_SYS_ADMIN) == (uid == 0)
    assert not probes.filter_refuses_mount()
    found = tree.add("proc/1/mounts", "x").system
    found.remember(0)
    found.close()
    assert found.name_of_user(0) == "root"


def test_a_kernel_that_looks_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could never work works: then no filter has refused it."""
    monkeypatch.setattr(probes, "unshare", lambda flags: None)
    monkeypatch.setattr(probes, "call", lambda *arguments: None)
    assert not probes.filter_refuses(CLONE_NEWUSER)
    assert not probes.filter_refuses_mount()


def test_mount_points_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a kernel before 5.8, and a C library without the call."""
    with monkeypatch.context() as patched:
        patched.setattr(probes, "_statx", lambda path: bytes(256))
        assert probes.is_no_mount_point("/") is None
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    assert probes.is_no_mount_point("/") is None


@needs("root", "setns by a pidfd")
def test_a_chroot_is_looked_for_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "is_there", lambda path: False)
    assert probes.is_in_chroot() is False


def test_a_link_that_proc_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert system.real_path("/proc/self/exe") == os.path.realpath(sys.executable)
    monkeypatch.setattr("posix.readlink", refuse)
    assert system.real_path("/proc/self/exe") == ""


def test_a_file_that_is_not_even_looked_at(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a directory that is not ours: it may say anything."""
    found = tree.add("etc/subuid").system
    assert not found.is_beyond_reading("/etc/subuid")
    monkeypatch.setattr("posix.stat", refuse)
    assert found.is_beyond_reading("/etc/subuid")


def test_blocks_that_no_kernel_has() -> None:
    found = system.parse_subordinate_ids(b"a:5:0\nb:4294967295:9\nc:1:2\n")
    assert [block.owner for block in found] == ["c"]


@needs("root", "user namespaces")
def test_a_trial_leaves_this_process_as_it_was() -> None:
    load_c_library()
    before = os.readlink("/proc/self/ns/mnt"), os.readlink("/proc/self/ns/user")
    assert System().outcome_of_unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0
    assert not probes.filter_refuses(CLONE_NEWUSER | CLONE_NEWTIME)
    assert (os.readlink("/proc/self/ns/mnt"), os.readlink("/proc/self/ns/user")) == before


def test_programs_are_found_where_they_can_be_executed(tmp_path: Path) -> None:
    (tmp_path / "a" / "tool").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "tool").write_text("")
    directories = [str(tmp_path / name) for name in "abc"]
    assert found_program("tool", directories) == ""
    (tmp_path / "b" / "tool").chmod(0o755)
    assert found_program("tool", directories) == str(tmp_path / "b" / "tool")
