"""Hints on made-up machines: what cannot be set up for real on this one; and command lines."""

from __future__ import annotations

import os
import posix
import re
import shlex
import shutil
import sys
from errno import EACCES, EAGAIN, EINVAL, ENOENT, ENOMEM, ENOSPC, ENOTDIR, EPERM
from pathlib import Path

import pytest

from pyunshare.diagnostics import files, maps, namespaces, programs
from pyunshare.diagnostics import hint as hint_module
from pyunshare.diagnostics.commands import Command, printable
from pyunshare.diagnostics.hint import FailureContext
from pyunshare.diagnostics.namespaces import is_older
from pyunshare.diagnostics.system import INITIAL_USER_NAMESPACE, System
from pyunshare.errors import Failure
from pyunshare.options.parser import take_options
from pyunshare.options.request import Request
from tests.helpers import support
from tests.helpers.hinting import failed, hints_of
from tests.helpers.machine import needs

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


@needs("sysctl")
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
    cause = (
        "you have as many net namespaces as user.max_net_namespaces allows, 7: `lsns` lists them"
    )
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
    failure = Failure("", step="helper", path="newuidmap", reported=True)
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


def test_ids_of_an_unreadable_file_are_not_given_away(tmp_path: Path) -> None:
    failure = failed("subids", None, "/etc/subgid")
    root = machine(tmp_path, etc__subuid="a:100000:65536\n" * 400_000, etc__subgid="")
    assert hints_of(["-u", "true"], failure, root) == ""
    machine(root, etc__subuid="")
    assert ":100000:65536 | tee" in hints_of(["-u", "true"], failure, root)


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
    reported = Failure("", step="helper", path="mapper", reported=True)
    assert hints_of(["true"], reported, tmp_path) == ""
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


@needs("sysctl")
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


@needs("sysctl")
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
    # Without sudo, su has them in quotes.
    assert loading.rstrip("'").endswith("apparmor_parser --replace /etc/apparmor.d/pyunshare")
    assert "install" not in loading
    switch = "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    assert lifting.rstrip("'").endswith(switch)


@pytest.mark.parametrize(
    ("label", "is_restricted"),
    [
        ("unconfined\n", True),
        ("unprivileged_userns (enforce)\n", True),
        ("pyunshare (unconfined)\n", False),
    ],
)
def test_who_is_restricted_by_apparmor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str, is_restricted: bool
) -> None:
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    root = machine(tmp_path, proc__sys__kernel__apparmor_restrict_unprivileged_userns="1\n")
    machine(root, proc__self__attr__current=label)
    said = hints_of(["-r", "true"], failed("write", EPERM, "/proc/self/uid_map"), root)
    assert (namespaces.APPARMOR in said) == is_restricted


@needs("sysctl")
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


# ---- situations from public reports --------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "line", "errno", "cause"),
    [
        ("3.10.0-693.el7.x86_64", "ro quiet", EINVAL, "user_namespace.enable=1"),
        ("3.10.0-693.el7.x86_64", "ro user_namespace.enable=1", EINVAL, ""),
        ("3.10.0-327.el7.x86_64", "user_namespace.enable=1", EPERM, "namespace.unpriv_enable=1"),
        ("3.10.0-327.el7.x86_64", "namespace.unpriv_enable=1", EPERM, ""),
        ("4.18.0-553.el8.x86_64", "ro", EINVAL, ""),
    ],
)
def test_a_kernel_of_red_hat_7(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    line: str,
    errno: int,
    cause: str,
) -> None:
    monkeypatch.setattr(namespaces, "filter_refuses", lambda flags: False)
    root = machine(tmp_path, proc__sys__kernel__osrelease=f"{release}\n", proc__cmdline=line)
    machine(root, proc__self__mountinfo="1 0 8:1 / / rw - ext4 /dev/a rw\n")
    said = hints_of(["-r", "true"], failed("unshare", errno), root)
    assert f"has to be started with {cause} " in said if cause else said == ""


def test_a_limit_of_zero_on_red_hat_7(tmp_path: Path) -> None:
    """There it is EINVAL."""
    root = machine(tmp_path, proc__sys__user__max_user_namespaces="0\n")
    said = hints_of(["-r", "true"], failed("unshare", EINVAL), root)
    assert "user.max_user_namespaces is 0: " in said


@pytest.mark.parametrize(
    ("release", "is_old"),
    [("4.4.0-17134-Microsoft", True), ("5.15.90.1-microsoft-standard-WSL2", False)],
)
def test_wsl_1(tmp_path: Path, release: str, is_old: bool) -> None:
    root = machine(tmp_path, proc__sys__kernel__osrelease=f"{release}\n")
    said = hints_of(["-U", "true"], failed("unshare", EINVAL), root)
    assert said == (hint("this is WSL 1, which has few of the namespaces: WSL 2 has them") * is_old)


def test_a_kernel_without_binary_formats(tmp_path: Path) -> None:
    """Nobody can make a directory in /proc."""
    root = machine(tmp_path, proc__sys__kernel__osrelease="5.15.78\n")
    failure = failed("mount", ENOENT, "/proc/sys/fs/no-such")
    words = ["-rpf", "--mount-binfmt=/proc/sys/fs/no-such", "true"]
    assert "mkdir" in hints_of(words, failure, root)
    monkey = pytest.MonkeyPatch()
    monkey.setattr(files, "is_there", lambda path: False)
    failure = failed("mount", ENOENT, "/proc/sys/fs/binfmt_misc")
    said = hints_of(["-rpf", "--mount-binfmt", "true"], failure, root)
    monkey.undo()
    assert said == hint("this kernel, 5.15.78, has no binfmt_misc")


@pytest.mark.parametrize("step", ["execve", "chdir", "chroot"])
@pytest.mark.parametrize(
    ("kind", "options", "cause"),
    [
        ("fuse.sshfs", "rw,user_id=1000", "for the user only who has mounted it"),
        ("fuse", "rw", "for the user only who has mounted it"),
        ("fuse.sshfs", "rw,user_id=1000,allow_other", ""),
        ("nfs4", "rw,vers=4.2", "(root_squash)"),
        ("ext4", "rw", ""),
        ("fusectl", "rw", ""),
    ],
)
def test_file_systems_that_refuse_root(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    kind: str,
    options: str,
    cause: str,
) -> None:
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    lines = f"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / /home rw - {kind} x {options}\n"
    root = machine(tmp_path, proc__self__mountinfo=lines)
    said = hints_of(["-u", "true"], failed(step, EACCES, "/home/u/x"), root)
    assert cause in said if cause else said == ""
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    assert hints_of(["-u", "true"], failed(step, EACCES, "/home/u/x"), root) == ""


@pytest.mark.parametrize(
    ("words", "failure", "files", "said"),
    [
        (["-m"], failed("unshare", EPERM), {"proc__1__status": "Seccomp:\t2\n"}, "seccompProfile:"),
        (["-m"], failed("mount", EACCES, "/"), {}, "appArmorProfile: Unconfined"),
        (["-rpf", "--mount-proc"], failed("mount", EPERM, "/proc"), {}, "procMount: Unmasked"),
    ],
)
def test_a_pod_of_kubernetes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    failure: Failure,
    files: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setattr(namespaces, "filter_refuses", lambda flags: True)
    mounts = "2 1 0:5 / /proc rw - proc proc rw\n3 2 0:6 / /proc/kcore rw - tmpfs none rw\n"
    files = {**files, "proc__self__mountinfo": mounts, "proc__1__mountinfo": mounts}
    files["proc__self__attr__current"] = "cri-containerd.apparmor.d (enforce)\n"
    root = machine(tmp_path, run__secrets__kubernetes__io="", **files)
    (root / "run" / "secrets" / "kubernetes").rename(root / "run" / "secrets" / "kubernetes.io")
    assert said in hints_of([*words, "true"], failure, root)


@pytest.mark.parametrize(
    ("cgroup", "cause"),
    [
        ("0::/system.slice/esdm-server.service\n", "in the unit esdm-server.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n", "what started"),
        ("0::/\n", "what started this process"),
    ],
)
def test_a_filter_of_a_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cgroup: str, cause: str
) -> None:
    monkeypatch.setattr(namespaces, "filter_refuses", lambda flags: True)
    root = machine(tmp_path, proc__self__cgroup=cgroup)
    assert cause in hints_of(["-n", "true"], REFUSED, root)


def test_the_switch_of_alt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    monkeypatch.setattr(System, "has_capability", lambda self, capability: False)
    monkeypatch.setattr(namespaces, "filter_refuses", lambda flags: False)
    root = machine(tmp_path, proc__sys__kernel__userns_restrict="1\n")
    machine(root, proc__self__mountinfo="1 0 8:1 / / rw - ext4 /dev/a rw\n")
    assert "kernel.userns_restrict is 1: " in hints_of(["-r", "true"], REFUSED, root)


def test_a_newuidmap_of_nixos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store cannot give programs root's power; wrappers elsewhere have it."""
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    store = "/nix/store/x-shadow/bin/newuidmap"
    monkeypatch.setattr(maps, "found_program", lambda name, path: store)
    monkeypatch.setattr(maps, "real_path", lambda path: path)
    wrapper = f"{maps.WRAPPERS_OF_NIXOS}/newuidmap"
    monkeypatch.setattr(maps, "is_privileged_tool", lambda path: path == wrapper)
    failure = Failure("", step="helper", path="newuidmap", reported=True)
    said = hints_of(["--map-users", "0:1000:1", "true"], failure, tmp_path)
    assert f"{store} has no power of root's, and the newuidmap in /run/wrappers/bin does" in said
    assert "type: PATH=/run/wrappers/bin:$PATH " in said


@pytest.mark.parametrize(
    ("path", "current", "most", "cause"),
    [
        (
            "/x.slice",
            "10",
            "10",
            "there are as many processes as 'pids.max of the cgroup /x.slice'",
        ),
        ("/x.slice", "9", "10", "there are as many processes as '`ulimit -u`' allows, 7"),
        ("/", "", "", "there are as many processes as '`ulimit -u`' allows, 7"),
    ],
)
def test_limits_of_processes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    current: str,
    most: str,
    cause: str,
) -> None:
    monkeypatch.setattr(System, "outcome", lambda self, action: None)
    limits = "Limit  Soft Limit\nMax processes             7                 9     processes\n"
    root = machine(tmp_path, proc__self__cgroup=f"0::{path}\n", proc__self__limits=limits)
    if current:
        machine(root, **{f"sys__fs__cgroup{path}__pids.max".replace("/", "__"): f"{most}\n"})
        name = f"sys__fs__cgroup{path}__pids.current".replace("/", "__")
        machine(root, **{name: f"{current}\n"})
    assert cause in hints_of(["-f", "true"], failed("fork", EAGAIN), root)


# ---- hostile names, in every place that others write ---------------------------------------------

NAMES = ["x;id>INJ;", "$(id)", "a b", "it's", "-f", "\x1b[2J", "a\u2800b", "type: curl evil|sh"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("words", "failure", "files"),
    [
        (["-rpf", "--mount-proc"], failed("mount", EPERM, "/proc"), {"mountinfo"}),
        (["-m"], failed("mount", EACCES, "/"), {"label"}),
        (
            ["--map-users", "0:5:9"],
            Failure("", step="helper", path="newuidmap", reported=True),
            {"subuid"},
        ),
        (
            ["--map-users", "0:5:9"],
            Failure("", step="helper", path="newuidmap", reported=True),
            {"PATH"},
        ),
        (["-T"], failed("unshare", EINVAL), {"release"}),
        (["-u"], failed("subids", None, "/etc/subuid"), {"nsswitch"}),
        (["-u"], failed("subids", None, "/etc/subuid"), {"user"}),
        (["-u"], failed("execve", ENOENT, "newuidmap"), {"os-release"}),
        (["-n"], failed("unshare", EPERM), {"unit"}),
        (["-f"], failed("fork", EAGAIN), {"unit"}),
        (["--uts=@"], failed("mount", ENOENT, "@"), set()),
        (["-pf", "--mount-proc=@"], failed("mount", ENOENT, "@"), set()),
        (["-R", "@", "-w", "@/x"], failed("execve", ENOENT, "@/x"), set()),
        (["--uts", "@/x"], failed("execve", ENOENT, "@/x"), set()),
        (["-u", "@"], failed("execve", EACCES, "@"), {"program"}),
        (["-u", "@"], failed("execve", ENOENT, "@"), {"program"}),
    ],
    ids=str,
)
def test_hostile_names(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    failure: Failure,
    files: set[str],
    name: str,
) -> None:
    """No place lets a name out of its quotes, or to the terminal, or make a command."""
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    monkeypatch.setattr(namespaces, "filter_refuses", lambda flags: "unit" in files)
    monkeypatch.setattr(System, "outcome", lambda self, action: None)
    if "user" in files:
        monkeypatch.setattr(System, "name_of_user", lambda self, uid: name)
    escaped = name.replace(" ", "\\040")
    mounts = f"2 1 0:5 / /proc rw - proc proc rw\n3 2 0:6 / /proc/{escaped} rw - tmpfs none rw\n"
    made_up = {
        "mountinfo": ("proc__self__mountinfo", mounts),
        "label": ("proc__self__attr__current", f"{name} (enforce)"),
        "subuid": ("etc__subuid", f"{name}:100000:65536\n1000:100000:1\n"),
        "release": ("proc__sys__kernel__osrelease", name),
        "nsswitch": ("etc__nsswitch.conf", f"subid: {name}\n"),
        "os-release": ("etc__os-release", f"ID={name}\nID_LIKE={name}\n"),
        "unit": ("proc__self__cgroup", f"0::/{name}.service\n"),
    }
    root = machine(tmp_path, **dict(made_up[place] for place in files & set(made_up)))
    if "unit" in files:
        directory = root / "sys" / "fs" / "cgroup" / f"{name}.service"
        directory.mkdir(parents=True)
        (directory / "pids.max").write_text("5\n")
        (directory / "pids.current").write_text("5\n")
    if "release" in files:
        (root / "proc" / "self" / "ns").mkdir(parents=True)
    place = f"{tmp_path}/{name}"
    if "PATH" in files:
        os.mkdir(place)
        shutil.copy("/bin/false", f"{place}/newuidmap")
        monkeypatch.setitem(os.environb, b"PATH", os.fsencode(place))
        monkeypatch.setattr("posix.environ", dict(os.environb))
    if "program" in files:
        Path(place).write_text(f"#!/{name}\n")
        Path(place).chmod(0o644 if failure.errno == EACCES else 0o755)
    path = (failure.path or "").replace("@", place)
    failure = type(failure)("", failure.errno, step=failure.step, path=path)
    line = [word.replace("@", place) for word in words]
    said = hints_of([*line, "true"], failure, root)
    assert said.count("\n") <= 2, said
    assert printable(said.replace("\n", "")) == said.replace("\n", "")
    for told in said.splitlines()[1:]:
        for command in told.partition(": type: ")[2].split(hint_module.OR):
            for word in all_words(command):
                assert "INJ" not in word or name in word
                assert "curl" not in word or name in word
    # What the name says is in the quotes of a name, and no line of the hint's.
    cause = said.partition("\n")[0]
    outside = re.sub(r"(?<!\w)'[^']*'|\"[^\"]*\"", "", cause)
    assert "curl" not in outside
    assert "INJ" not in outside


def all_words(command: str) -> list[str]:
    """The words of a command, and of one that it has as a word for su(1) or sh(1)."""
    words = shlex.split(command)
    return all_words(words[-1]) if "-c" in words[1:3] else words


# ---- Python -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "prefix", "lines"),
    [
        (
            "debian",
            "/usr",
            [
                "ctypes, a part of Python, is not installed here",
                "type: apt-get install libpython3-stdlib",
            ],
        ),
        ("debian", "/opt", ["this Python has no ctypes: libffi was missing where it was built"]),
        ("fedora", "/usr", ["this Python has no ctypes: libffi was missing where it was built"]),
    ],
)
def test_a_python_without_ctypes(
    identity: str,
    prefix: str,
    lines: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = machine(tmp_path, etc__os_release=f"ID={identity}\n")
    (root / "etc" / "os_release").rename(root / "etc" / "os-release")
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr("importlib.machinery.PathFinder.find_spec", lambda _: None)
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    assert hints_of(["-m", "true"], failed("dlopen"), root) == hint(*lines)


def test_a_c_library_that_cannot_be_called_for_another_reason(tmp_path: Path) -> None:
    assert hints_of(["-m", "true"], failed("dlopen"), tmp_path) == ""


# ---- what is hardly ever so ---------------------------------------------------------------------


def context_of(words: list[str], failure: Failure, root: Path) -> FailureContext:
    """What hints see of a failure on a made-up machine."""
    request = Request.from_options(take_options([*words]))
    return FailureContext("unshare", words, request, System(str(root)), failure)


def test_the_options_before_a_fault() -> None:
    assert hint_module.options_of(["-nS5", "--nonsense", "-u"]) == [("net", None), ("setuid", "5")]


def test_options_added_last_stand_before_the_end_of_options(tmp_path: Path) -> None:
    context = context_of(["-n", "--", "true"], REFUSED, tmp_path)
    assert context.line("-r", last=("--wd=/",)) == ["-r", "-n", "--wd=/", "--", "true"]
    assert context_of(["-n", "true"], REFUSED, tmp_path).line(last=("-u",)) == ["-n", "-u", "true"]


def test_a_setting_that_nobody_can_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container; and one that is written where there is no sysctl(8)."""
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    monkeypatch.setattr(hint_module, "_became_root_by", lambda: "")
    monkeypatch.setattr(hint_module, "found_program", lambda name, path: "")
    context = context_of(["-r", "true"], REFUSED, tmp_path)
    assert context.setting("user.max_user_namespaces", 7) is None  # there is no such file
    machine(tmp_path, proc__sys__user__max_user_namespaces="1\n")
    command = context_of(["-r", "true"], REFUSED, tmp_path).setting("user.max_user_namespaces", 7)
    assert command
    assert command.text == "echo 7 | tee /proc/sys/user/max_user_namespaces"
    monkeypatch.setattr("posix.getppid", lambda: 5)
    machine(tmp_path, proc__self__uid_map="0 100 5\n", proc__5__uid_map="0 100 5\n")
    context = context_of(["-r", "true"], REFUSED, tmp_path)
    assert context.setting("kernel.unprivileged_userns_clone", 1) is None
    assert context.setting("user.max_user_namespaces", 7)


def test_who_became_root_for_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    monkeypatch.setattr(hint_module, "found_program", lambda name, path: f"/bin/{name}")
    monkeypatch.setitem(posix.environ, b"SUDO_UID", b"1000")
    monkeypatch.setattr(sys, "argv", ["unshare"])
    context = context_of(["-r", "true"], REFUSED, tmp_path)
    assert context.typed(["-u", "true"]).text == "sudo unshare -u true"
    both = Command("touch", "/x").then(Command("mount", "/x"))
    assert context.as_root(both).text == "sudo sh -c 'touch /x && mount /x'"


def test_the_module_as_root_types_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that sudo(8) would take away."""
    monkeypatch.setattr(sys, "argv", ["/x/pyunshare/__main__.py"])
    monkeypatch.setattr(sys, "executable", "/bin/python3")
    monkeypatch.setitem(posix.environ, b"PYTHONPATH", b"/x")
    module = ["/bin/python3", "-m", "pyunshare"]
    assert hint_module.typed_name("pyunshare", for_root=True) == ["env", "PYTHONPATH=/x", *module]
    monkeypatch.delitem(posix.environ, b"PYTHONPATH")
    assert hint_module.typed_name("pyunshare", for_root=True) == module


@pytest.mark.parametrize("errno", [EPERM, ENOTDIR])
@pytest.mark.parametrize("kind", ["none", "file", "directory"])
def test_a_directory_for_a_namespace(tmp_path: Path, kind: str, errno: int) -> None:
    path = tmp_path / "namespace"
    if kind != "none":
        path.touch() if kind == "file" else path.mkdir()
    failure = failed("mount", errno, str(path))
    found = files.file_is_a_directory(context_of([f"--uts={path}", "true"], failure, tmp_path))
    assert (found is not None) == (kind == "directory" and errno == ENOTDIR)


def test_a_mount_namespace_is_roots_to_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path, proc__self__mountinfo="1 0 8:1 / / rw shared:1 - ext4 /dev/a rw\n")
    failure = failed("mount", EINVAL, "/nonexistent/file")
    for uid in (0, 1000):
        monkeypatch.setattr("posix.geteuid", lambda uid=uid: uid)
        said = hints_of(["--mount=/nonexistent/file", "true"], failure, root)
        assert "/ is a shared mount" in said
        assert ("type: " in said) == (uid == 0)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (["/proc/self/ns"], ""),
        (["/proc/1/ns"], "the proc here shows another PID namespace"),
        ([], "no proc is mounted on /proc"),
    ],
)
def test_the_proc_that_is_missing(
    there: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "is_there", lambda path: path in there)
    found = hints_of(["-r", "true"], failed("open", ENOENT, "/proc/self/uid_map"), tmp_path)
    assert found.startswith(f"unshare: hint: {said}") if said else not found


@pytest.mark.parametrize("known", ["00000000000000c0", ""])
def test_a_tool_that_can_have_power(known: str, tmp_path: Path) -> None:
    """Then the reason why it is not executed is another one."""
    if known:
        machine(tmp_path, proc__self__status=f"Name:\tx\nCapBnd:\t{known}\n")
    failure = failed("execve", EPERM, "newuidmap")
    assert hints_of(["--map-users", "0:5:1", "true"], failure, tmp_path) == ""


def test_ids_of_a_directory_service_are_known_to_it_alone(tmp_path: Path) -> None:
    root = machine(tmp_path, etc__nsswitch__conf="")
    (root / "etc" / "nsswitch.conf").write_text("subid: sss\n")
    failure = Failure("", step="helper", path="newuidmap", reported=True)
    context = context_of(["--map-users", "0:5:1", "true"], failure, root)
    assert maps.not_owned(context, context.request.users, "newuidmap") is None


@pytest.mark.parametrize("has_setcap", [True, False])
@pytest.mark.parametrize("is_link", [True, False])
def test_a_tool_of_the_machine_without_power(
    has_setcap: bool, is_link: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    setcap = "/sbin/setcap" if has_setcap else ""
    tools = {"newuidmap": "/x/newuidmap", "setcap": setcap}
    monkeypatch.setattr(maps, "found_program", lambda name, path: tools[name])
    monkeypatch.setattr(maps, "tool", lambda name: name)
    monkeypatch.setattr(maps, "real_path", lambda path: path)
    monkeypatch.setattr(maps, "is_privileged_tool", lambda path: False)
    monkeypatch.setattr(maps, "can_be_trusted", lambda path: True)
    monkeypatch.setattr(posix, "readlink", lambda path: readlink(path, is_link))
    failure = Failure("", step="helper", path="newuidmap", reported=True)
    said = hints_of(["--map-users", "0:1000:1", "true"], failure, tmp_path)
    assert "/x/newuidmap is neither set-user-ID root nor has it file capabilities" in said
    assert ("chmod u+s /x/newuidmap" in said) == (not is_link)
    assert ("setcap cap_setuid+ep /x/newuidmap" in said) == (has_setcap and not is_link)


def readlink(path: str, is_link: bool) -> str:
    """What a link reads, where all files are some, or none."""
    if not is_link:
        raise OSError(EINVAL, path)
    return "elsewhere"


def test_a_program_that_is_gone_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "head_of", lambda path: b"\x7fELF")
    assert not maps.can_be_trusted("/nonexistent/newuidmap")


def test_a_group_that_only_looks_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the id that all without a mapping show as, and the kernel knows better."""
    root = machine(tmp_path, proc__sys__kernel__overflowgid="65534\n")
    machine(root, proc__self__uid_map="0 0 9\n", proc__self__gid_map="65534 5 1\n")
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    monkeypatch.setattr("posix.getegid", lambda: 65534)
    for outcome in (EPERM, 0):
        monkeypatch.setattr(System, "outcome", lambda self, action, outcome=outcome: outcome)
        said = hints_of(["-U", "true"], REFUSED, root)
        assert ("is not mapped" in said) == (outcome == EPERM)


def test_limits_that_are_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(System, "outcome", lambda self, action: ENOSPC)
    assert hints_of(["-n", "true"], failed("unshare", ENOSPC), tmp_path) == ""
    assert hints_of(["-f", "true"], failed("fork", ENOMEM), tmp_path) == ""


@pytest.mark.parametrize(
    ("words", "is_shell"),
    [
        (["env", "--", "-u", "X", "A=1", "sh"], True),
        (["env", "A=1"], False),
        (["env", "A=1", "true"], False),
        (["sh"], True),
    ],
)
def test_a_shell_behind_a_wrapper(
    words: list[str], is_shell: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_of(["-p", *words], REFUSED, tmp_path)
    assert programs.soon_cannot_fork(context) == is_shell
    monkeypatch.setattr(programs, "search_path", lambda: ["/nonexistent"])
    assert not programs.soon_cannot_fork(context_of(["-p", "none"], REFUSED, tmp_path))
    inside = context_of(["-p", "-R", "/", "true"], REFUSED, tmp_path)
    assert not programs.soon_cannot_fork(inside)


@pytest.mark.parametrize("value", ["9", "99", "NONE"])
def test_a_signal_by_its_number(value: str, tmp_path: Path) -> None:
    words = [f"--kill-child={value}", "true"]
    context = FailureContext("unshare", words, Request(), System(str(tmp_path)), Failure(""))
    found = programs.signal_by_number(context)
    assert (found is None) == (value != "9")


@pytest.mark.parametrize("word", ["-nm=/x", "-zm=/x"])
def test_a_value_attached_to_a_short_option(word: str, tmp_path: Path) -> None:
    """Where there are such options, all of them."""
    context = FailureContext("unshare", [word], Request(), System(str(tmp_path)), Failure(""))
    found = programs.short_option_with_value(context)
    assert (found is None) == (word == "-zm=/x")


def test_a_value_that_a_signal_has_already(tmp_path: Path) -> None:
    """The option has its value; what follows is a program that is not there."""
    context = context_of(["--kill-child=TERM", "KILL"], failed("execve", ENOENT, "KILL"), tmp_path)
    assert programs.value_taken_for_program(context) is None


def test_an_interpreter_at_the_end_of_a_long_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel goes no further; all of them are there."""
    monkeypatch.setattr(programs, "_interpreter", lambda path: ("its interpreter", "/bin/sh"))
    context = context_of(["/bin/sh"], failed("execve", ENOENT, "/bin/sh"), tmp_path)
    assert programs._interpreter_is_missing(context, "/bin/sh") is None


def test_a_file_that_is_gone_is_roots_to_change(tmp_path: Path) -> None:
    context = context_of(["/none"], failed("execve", ENOENT, "/none"), tmp_path)
    changed = programs._changed(context, str(tmp_path / "none"), Command("true"))
    assert changed.text.endswith("true")
