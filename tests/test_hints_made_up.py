"""Hints on made-up machines: what cannot be set up for real on this one; and command lines."""

from __future__ import annotations

import re
import sys
from errno import EINVAL, ENOSPC, EPERM
from pathlib import Path

import pytest

from pyunshare.diagnostics import hint as hint_module
from pyunshare.diagnostics import maps, namespaces, programs
from pyunshare.diagnostics.namespaces import is_older
from pyunshare.diagnostics.system import INITIAL_USER_NAMESPACE, System
from pyunshare.errors import ReportedFailure
from tests.helpers import support
from tests.helpers.hinting import failed, hints_of

REFUSED = failed("unshare", EPERM)


def machine(root: Path, **files: str) -> Path:
    """A made-up machine; in the names of files, __ stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def in_initial_user_namespace(root: Path) -> None:
    """Have a made-up machine look like one that is no container."""
    (root / "proc" / "self" / "ns").mkdir(parents=True)
    (root / "proc" / "self" / "ns" / "user").symlink_to(INITIAL_USER_NAMESPACE)


def hint(*lines: str) -> str:
    """The lines of a hint."""
    return "".join(f"unshare: hint: {line}\n" for line in lines)


# ---- namespaces ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "first", "lines"),
    [
        (
            ".dockerenv",
            "2",
            [
                "the seccomp filter of this container refuses unshare(2): start it with a profile "
                "that allows it, or with docker's --security-opt seccomp=unconfined, which lifts "
                "the filter for all that runs in it",
            ],
        ),
        (
            ".dockerenv",  # left from an image: not all processes are under the filter
            "0",
            ["a seccomp filter, set by what started this process, refuses unshare(2)"],
        ),
        (
            "run__.containerenv",
            "2",
            [
                "the seccomp filter of this container refuses unshare(2): start it with a profile "
                "that allows it, or with podman's --security-opt seccomp=unconfined, which lifts "
                "the filter for all that runs in it",
            ],
        ),
    ],
)
def test_the_filter_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str, first: str, lines: list[str]
) -> None:
    monkeypatch.setattr(namespaces, "filter_refuses", lambda flags: True)
    files = {mark: "", "proc__1__status": f"Seccomp:\t{first}\n"}
    root = machine(tmp_path, proc__self__status="Seccomp:\t2\n", **files)
    assert hints_of(["-r", "true"], REFUSED, root) == hint(*lines)


def test_a_root_in_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "filter_refuses", lambda flags: False)
    monkeypatch.setattr(System, "has_capability", lambda self, capability: False)
    monkeypatch.setattr(System, "outcome_of_unshare", lambda self, flags: EPERM)
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    bounding = "CapBnd:\t00000000a80425fb\n"  # docker's own
    root = machine(tmp_path, proc__1__status=bounding, run__x="")
    cause = "this root has no CAP_SYS_ADMIN, as in a container"
    assert hints_of(["-m", "true"], REFUSED, root, others_work=False) == hint(cause)
    typed = "type: unshare -r -m true"
    assert hints_of(["-m", "true"], REFUSED, root) == hint(cause, typed)
    machine(tmp_path, **{".dockerenv": ""})
    cause += (
        ": only docker's --cap-add SYS_ADMIN gives it that, and with it most of the power over "
        "this machine"
    )
    assert hints_of(["-m", "true"], REFUSED, root, others_work=False) == hint(cause)


def test_limits_in_the_initial_user_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = failed("unshare", ENOSPC)
    root = machine(tmp_path, proc__sys__user__max_net_namespaces="7\n")
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    monkeypatch.setattr(System, "outcome_of_unshare", lambda self, flags: ENOSPC)
    around = "allows in this user namespace, 7, or one around it allows no more"
    assert around in hints_of(["-n", "true"], failure, root)
    in_initial_user_namespace(root)
    cause = "you have as many net namespaces as user.max_net_namespaces allows, 7: `lsns` lists them"
    mending = "type: sysctl -w user.max_net_namespaces=14"
    assert hints_of(["-n", "true"], failure, root) == hint(cause, mending)
    monkeypatch.setattr(System, "outcome_of_unshare", lambda self, flags: 0)
    assert hints_of(["-n", "true"], failure, root) == ""


@pytest.mark.parametrize(
    ("release", "version", "expected"),
    [
        ("5.5.19", "5.6", True),
        ("5.6.0", "5.6", False),
        ("5.10.0-8-amd64", "5.6", False),
        ("4.18.0-553.el8_10.x86_64", "4.6", False),
        ("6.7-rc1", "6.7", False),
        ("6.x", "6.7", True),
        ("5.6+", "5.6", False),
    ],
)
def test_releases(release: str, version: str, expected: bool) -> None:
    assert is_older(release, version) is expected


# ---- maps and files -----------------------------------------------------------------------------


def test_newuidmap_on_a_mount_without_set_user_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posix.getuid", lambda: 0)
    monkeypatch.setattr(maps, "search_path", lambda: ["/usr/bin"])
    monkeypatch.setattr(maps, "found_program", lambda name, path: f"{path[0]}/{name}")
    line = "27 1 254:0 / /usr rw,nosuid - ext4 /dev/vda rw\n"
    root = machine(tmp_path, proc__self__mountinfo=line)
    failure = ReportedFailure("", step="helper", path="newuidmap")
    said = hints_of(["--map-users", "0:0:1", "true"], failure, root)
    assert said == hint("/usr/bin/newuidmap has no power on /usr, which is mounted nosuid")


def test_no_usermod_and_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    monkeypatch.setattr(maps, "found_program", lambda name, path: "")
    failure = failed("subids", None, "/etc/subuid")
    root = machine(tmp_path, etc__subuid="a:1:165536\n", etc__subgid="root:5:5\n")
    assert hints_of(["true"], failure, root) == hint(
        "root has no subordinate ids: no line in /etc/subuid",
        "type: printf '%s\\n' root:165537:65536 | tee -a /etc/subuid",
    )
    machine(tmp_path, etc__subuid="a:4294900000:60000\n")
    assert hints_of(["true"], failure, root) == ""
    machine(tmp_path, etc__subuid="root:1:1\n")
    assert hints_of(["true"], failure, root) == ""


@pytest.mark.parametrize(
    ("engine", "option"),
    [
        (".dockerenv", "docker's --security-opt systempaths=unconfined"),
        ("run__.containerenv", "podman's --security-opt unmask=ALL"),
    ],
)
def test_the_proc_of_a_container(tmp_path: Path, engine: str, option: str) -> None:
    lines = "".join(
        f"{number} 22 0:5 / /proc/{name} ro - tmpfs none rw\n"
        for number, name in enumerate(["acpi", "kcore", "keys", "sys"], 30)
    )
    lines += "22 27 0:21 / /proc rw - proc proc rw\n"
    root = machine(tmp_path, **{engine: "", "proc__self__mountinfo": lines})
    machine(root, proc__1__mountinfo=lines)
    said = hints_of(["-rpf", "--mount-proc"], failed("mount", EPERM, "/proc"), root)
    start = "/proc/acpi, /proc/kcore, /proc/keys and more are covered by other mounts here"
    assert said == hint(
        f"{start}, and then a user namespace may mount no proc: only {option} uncovers it, which "
        "shows all that runs in the container what is hidden there of this machine"
    )


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x7fELF", b""),
        (b"\x7fELF\x02\x01" + b"\xff" * 200, b""),
        (b"\x7fELF\x01\x02" + bytes(100), b""),
        # 32 bits, of the other order: a table of one entry at 0x40, which names the loader
        (
            b"\x7fELF\x01\x02".ljust(0x1C, b"\0")
            + (0x40).to_bytes(4, "big")
            + bytes(10)
            + (32).to_bytes(2, "big")
            + (1).to_bytes(2, "big")
            + bytes(0x40 - 0x2E)
            + b"".join(number.to_bytes(4, "big") for number in (3, 0x60, 0, 0, 7, 7, 0, 0))
            + b"/ld.so\0",
            b"/ld.so",
        ),
    ],
    ids=["short", "wild", "empty", "32 bits"],
)
def test_loaders_of_elf_files(head: bytes, expected: bytes) -> None:
    assert programs.elf_interpreter(head) == expected


def test_other_failures_have_no_advice(tmp_path: Path) -> None:
    assert hints_of(["true"], ReportedFailure("", step="helper", path="mapper"), tmp_path) == ""
    assert hints_of(["true"], failed("fork", EINVAL), tmp_path) == ""


# ---- command lines ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "names", "expected"),
    [
        ("-ipT -f", ["time"], "-ip -f"),
        ("-T", ["time"], ""),
        ("--time --net", ["time"], "--net"),
        ("--tim=x --net", ["time"], "--net"),
        ("--boottime 5 -n", ["boottime"], "-n"),
        ("--boottime=5 -n", ["boottime"], "-n"),
        ("--boot 5 --boottime 6 -n", ["boottime"], "-n"),
        ("-TS0 -n", ["time"], "-S 0 -n"),
        ("-TS 0 -n", ["time"], "-S 0 -n"),
        ("-fS0", ["setuid"], "-f"),
        ("-S 0 -f", ["setuid"], "-f"),
        ("-R -T -T", ["time"], "-R -T"),
        ("-n --", ["time"], "-n --"),
        ("-n -i", [], "-n -i"),
    ],
)
def test_options_left_out(words: str, names: list[str], expected: str) -> None:
    found = hint_module.without_options(words.split(), tuple(names))
    assert found == expected.split()


@pytest.mark.parametrize(
    ("argument0", "name", "typed"),
    [
        ("/usr/bin/unshare", "unshare", ["unshare"]),
        ("/opt/x y/unshare", "unshare", ["/opt/x y/unshare"]),
        ("bin/pyunshare", "pyunshare", ["bin/pyunshare"]),
        ("unshare", "unshare", ["unshare"]),
        ("/x/pyunshare/__main__.py", "pyunshare", ["python3", "-m", "pyunshare"]),
        ("-c", "pyunshare", ["pyunshare"]),
    ],
)
def test_the_command_as_it_was_typed(
    monkeypatch: pytest.MonkeyPatch, argument0: str, name: str, typed: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [argument0])
    monkeypatch.setattr(hint_module, "search_path", lambda: ["/bin", "/usr/bin"])
    assert hint_module.typed_name(name) == typed


@pytest.mark.parametrize("tool", ["sudo", "doas", "su"])
def test_who_may_become_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    directory = support.new_directory()
    (directory / tool).write_text("")
    (directory / tool).chmod(0o755)
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    monkeypatch.setattr(hint_module, "search_path", lambda: [str(directory)])
    root = machine(tmp_path, proc__sys__kernel__apparmor_restrict_unprivileged_userns="1\n")
    failure = failed("write", EPERM, "/proc/self/uid_map")
    said = hints_of(["-r", "true"], failure, root)
    setting = r"\S*/sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    line = rf"su -c '{setting}'" if tool == "su" else f"{tool} {setting}"
    assert re.search(rf" hint: type: {line}\n$", said)
    assert "=0 lifts this for every program\n" in said


def test_the_profile_for_apparmor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told first, where it is for this command, and where packages have put it."""
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    root = machine(tmp_path, proc__sys__kernel__apparmor_restrict_unprivileged_userns="1\n")
    failure = failed("write", EPERM, "/proc/self/uid_map")

    def commands() -> list[str]:
        line = hints_of(["-r", "true"], failure, root).splitlines()[-1]
        return line.partition(": type: ")[2].split(hint_module.OR)

    assert len(commands()) == 1
    monkeypatch.setattr(namespaces, "real_path", lambda path: "/usr/bin/pyunshare")
    assert len(commands()) == 1
    documentation = namespaces.PROFILE_AS_DOCUMENTATION
    machine(root, **{documentation.lstrip("/"): ""})
    copying, _ = commands()
    assert f"install -m 644 {documentation} /etc/apparmor.d/ && " in copying
    machine(root, **{namespaces.PROFILE.lstrip("/"): ""})
    loading, lifting = commands()
    assert loading.endswith("apparmor_parser --replace /etc/apparmor.d/pyunshare")
    assert "install" not in loading
    assert lifting.endswith("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")


def test_the_switch_of_debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The narrower way, to be root for one launch, is told first."""
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    monkeypatch.setattr(System, "has_capability", lambda self, capability: False)
    monkeypatch.setattr(namespaces, "filter_refuses", lambda flags: False)
    root = machine(tmp_path, proc__sys__kernel__unprivileged_userns_clone="0\n")
    machine(root, proc__self__mountinfo="1 0 8:1 / / rw - ext4 /dev/a rw\n")
    cause, commands = hints_of(["-r", "true"], REFUSED, root).splitlines()
    assert cause.endswith(
        "; kernel.unprivileged_userns_clone=1 lets every user make user namespaces"
    )
    first, second = commands.partition(": type: ")[2].split(hint_module.OR)
    assert first.endswith(("-r true", "-r true'"))
    assert "sysctl -w kernel.unprivileged_userns_clone=1" in second
