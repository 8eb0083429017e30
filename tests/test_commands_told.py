"""Every command that a hint tells is typed, in its situation, by who would type it, and works.

Not typed are, for want of what they are about: the switches of Ubuntu and Debian and the profile
for AppArmor (no such kernel), the package managers, and modprobe(8).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.helpers import support
from tests.helpers.at_prompt import IS_MEASURED, WAYS_TO_ROOT, Prompt, copied_etc
from tests.helpers.machine import needs
from tests.helpers.support import ROOT, WITH_SUBORDINATE_IDS, WITHOUT_SUBORDINATE_IDS

pytestmark = [pytest.mark.thorough, needs("root", "compiler", "user namespaces")]


@pytest.fixture(params=WAYS_TO_ROOT)
def way(request: pytest.FixtureRequest) -> str:
    """A program by which an ordinary user becomes root."""
    name = str(request.param)
    if IS_MEASURED and name != "su":
        pytest.skip("coverage is measured by a command that is in the user's PATH only")
    if shutil.which(name, path=support.STANDARD_PATH) is None:
        pytest.skip(f"missing tool: {name}")
    with Prompt(WITHOUT_SUBORDINATE_IDS, etc=copied_etc(), way_to_root=name) as prompt:
        line = "su -c id" if name == "su" else f"{name} id"
        status, said = prompt.type(line)
    if status or "uid=0" not in said:
        pytest.skip(f"{name} does not work here: {said}")
    return name


# ---- for an ordinary user, who has to become root ------------------------------------------------


def test_what_only_root_may(way: str) -> None:
    with Prompt(WITHOUT_SUBORDINATE_IDS, etc=copied_etc(), way_to_root=way) as prompt:
        told = prompt.tell("-m", "true")
        assert len(told.commands) == 2
        assert told.commands[1].startswith(way)
        prompt.mends(told)
        told = prompt.tell("-u", "-S", "7", "true")
        assert len(told.commands) == 1
        prompt.mends(told)


@needs("newuidmap", "newgidmap")
@pytest.mark.parametrize("files", ["both", "no file", "directory service"])
def test_subordinate_ids(way: str, files: str) -> None:
    etc = copied_etc()
    if files == "no file":
        (etc / "subuid").unlink()
        (etc / "subgid").unlink()
    user_path = "/usr/local/bin:/usr/bin:/bin"  # without the directories of root's programs
    setup = "true"
    if files == "directory service":  # a user whom /etc/passwd does not know
        if not shutil.which("newuidmap", path=support.STANDARD_PATH):
            pytest.skip("missing tool: newuidmap")
        setup = f"mkdir -p {etc.parent}/x"
    with Prompt(
        WITHOUT_SUBORDINATE_IDS, etc=etc, way_to_root=way, path=user_path, setup=setup
    ) as prompt:
        told = prompt.tell("--map-auto", "true")
        assert "no subordinate ids" in told.cause
        prompt.mends(told, "--map-auto", "true")
        told = prompt.tell("--map-users", "0:5:10", "true")
        prompt.mends(told)


@needs("newuidmap", "newgidmap")
def test_a_file_of_subordinate_ids_that_is_a_link(way: str) -> None:
    etc = copied_etc()
    (etc / "subuid").rename(etc / "elsewhere")
    (etc / "subuid").symlink_to("elsewhere")
    with Prompt(WITH_SUBORDINATE_IDS, etc=etc, way_to_root=way) as prompt:
        told = prompt.tell("--map-auto", "true")
        assert told.messages == []
        assert told.cause == "/etc/subuid is a symbolic link, which newuidmap does not follow"
        prompt.mends(told, "--map-auto", "true")


@needs("newuidmap", "newgidmap")
@pytest.mark.parametrize("command", ["setcap", "chmod"])
def test_newuidmap_without_its_power(way: str, command: str) -> None:
    path = os.path.realpath(shutil.which("newuidmap", path=support.STANDARD_PATH) or "")
    setup = (
        f"mount -t tmpfs -o mode=755 none /run && cp {path} /run/newuidmap && "
        f"chmod 755 /run/newuidmap && mount --bind /run/newuidmap {path}"
    )
    with Prompt(WITH_SUBORDINATE_IDS, etc=copied_etc(), way_to_root=way, setup=setup) as prompt:
        told = prompt.tell("--map-auto", "true")
        assert f"{path} is neither set-user-ID root nor has it file capabilities" in told.cause
        told.commands = [line for line in told.commands if f"{command} " in line]
        if command == "setcap" and not told.commands:
            pytest.skip("missing tool: setcap")
        prompt.mends(told, "--map-auto", "true")


@needs("newuidmap", "newgidmap")
def test_newuidmap_with_too_much_power(way: str) -> None:
    """Of a file that is both, the kernel gives the process the capabilities only."""
    path = os.path.realpath(shutil.which("newuidmap", path=support.STANDARD_PATH) or "")
    if shutil.which("setcap", path=support.STANDARD_PATH) is None:
        pytest.skip("missing tool: setcap")
    setup = (
        f"mount -t tmpfs -o mode=755 none /run && cp {path} /run/newuidmap && "
        "setcap cap_setuid+ep /run/newuidmap && chmod 4755 /run/newuidmap && "
        f"mount --bind /run/newuidmap {path}"
    )
    with Prompt(WITH_SUBORDINATE_IDS, etc=copied_etc(), way_to_root=way, setup=setup) as prompt:
        told = prompt.tell("--map-auto", "true")
        assert "is set-user-ID and has file capabilities" in told.cause
        prompt.mends(told, "--map-auto", "true")


@needs("newuidmap", "newgidmap")
def test_newuidmap_outside_of_path() -> None:
    with Prompt(WITH_SUBORDINATE_IDS, etc=copied_etc(), path="/nonexistent") as prompt:
        told = prompt.tell("--map-auto", "/bin/true")
        assert told.cause.endswith(", which is not in PATH")
        prompt.mends(told)


def test_a_namespace_to_be_bound_by_an_ordinary_user(way: str) -> None:
    directory = support.new_directory()
    (directory / "uts").touch()
    with Prompt(WITHOUT_SUBORDINATE_IDS, etc=copied_etc(), way_to_root=way) as prompt:
        told = prompt.tell("-r", f"--uts={directory}/uts", "true")
        assert told.cause == "only root can bind a namespace to a file outside of it"
        prompt.mends(told)
        told = prompt.tell("--owner", "0:0", "-u", "true")
        prompt.mends(told)


def test_a_proc_that_is_covered(way: str) -> None:
    setup = "mount --bind /dev/null /proc/uptime; mount --bind /dev/null /proc/version"
    with Prompt(WITHOUT_SUBORDINATE_IDS, etc=copied_etc(), way_to_root=way, setup=setup) as prompt:
        told = prompt.tell("-rpf", "--mount-proc", "true")
        assert "/proc/uptime, /proc/version are covered by other mounts here" in told.cause
        assert told.cause.endswith("; umount shows it to all that runs here")
        prompt.mends(told, "-rpf", "--mount-proc", "true")


def test_no_proc(way: str) -> None:
    with Prompt(
        WITHOUT_SUBORDINATE_IDS, etc=copied_etc(), way_to_root="su", setup="umount -l /proc"
    ) as prompt:
        told = prompt.tell("-r", "true")
        assert told.cause == "no proc is mounted on /proc"
        prompt.mends(told, "-r", "true")


def test_a_shell_that_soon_cannot_fork() -> None:
    with Prompt(WITHOUT_SUBORDINATE_IDS, etc=copied_etc(), way_to_root="su") as prompt:
        told = prompt.tell("-p", "sh", "-c", "true; true")
        assert told.commands[0].endswith("pyunshare -rf -p sh -c 'true; true'")
        prompt.mends(told)


# ---- for root ------------------------------------------------------------------------------------


@pytest.mark.parametrize("became", ["", "SUDO_UID=61002", "DOAS_USER=x"])
def test_what_root_types(became: str) -> None:
    """Who became root for one command only becomes it again."""
    tool = {"": "", "SUDO_UID=61002": "sudo", "DOAS_USER=x": "doas"}[became]
    if tool and shutil.which(tool, path=support.STANDARD_PATH) is None:
        pytest.skip(f"missing tool: {tool}")
    etc = copied_etc(**{"doas.conf": "permit nopass root\npermit nopass :root\n"})
    etc.joinpath("subuid").write_text("")
    environment = [f"env={became}"] if became else []
    with Prompt(ROOT, etc=etc, last=environment) as prompt:
        for words in (["--map-auto", "true"], ["-r", "--mount-proc", "true"]):
            told = prompt.tell(*words)
            assert all(line.startswith(f"{tool} " * bool(tool)) for line in told.commands)
            prompt.mends(told, *words)


@pytest.mark.parametrize("kind", ["net", "user", "uts"])
@pytest.mark.parametrize("limit", [0, 1])
def test_a_limit(kind: str, limit: int) -> None:
    with Prompt(ROOT, inside=["-r", f"--{kind}"]) as prompt:
        prompt.type(f"echo {limit} >/proc/sys/user/max_{kind}_namespaces")
        if limit:
            prompt.type(f"pyunshare --{kind} sleep 100 & sleep 1")
        words = [f"--{kind}", "true"]
        told = prompt.tell(*words)
        assert f"user.max_{kind}_namespaces" in told.cause
        prompt.mends(told, *words)
        prompt.type("kill %1")


HOSTILE_NAMES = ["plain", "-f", "-m777", "a b", "it's", "$(id)", "x;id>INJ;", "é", "a=b", "~"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_files_and_directories_that_are_missing(name: str) -> None:
    directory = support.new_directory()
    with Prompt(ROOT, setup=f"cd {directory}") as prompt:
        prompt.type(f"cd {directory}")
        for words in (
            [f"--uts={name}", "true"],
            [f"--uts={name}x/{name}", "true"],
            ["-pf", f"--mount-proc={name}y", "true"],
        ):
            told = prompt.tell(*words)
            prompt.mends(told, *words)
        told = prompt.tell(f"--ipc={name}y", "true")
        assert "is a directory, and a namespace is bound to a file" in told.cause
        prompt.mends(told, f"--ipc={name}y/namespace", "true")
        root = f"{directory}/{name}y"
        told = prompt.tell("-pf", "--mount-proc=/proc", "-R", root, "/true")
        assert told.cause.startswith("there is no /proc inside ")
        prompt.type(told.commands[0])
        assert os.path.isdir(f"{root}/proc")
    assert not (directory / "INJ").exists()


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_programs_that_cannot_be_executed(name: str) -> None:
    directory = support.new_directory()
    setup = (
        f"cd {directory} && mkdir exec noexec && mount -t tmpfs -o mode=777 none exec && "
        "mount -t tmpfs -o mode=777,noexec none noexec"
    )
    with Prompt(ROOT, setup=setup) as prompt:
        prompt.type(f"cd {directory}/exec")
        quoted = f"'{name}'" if "'" not in name else f'"{name}"'
        # a script without the right, then one whose lines end as in Windows
        for text in (r"#!/bin/sh\n", r"#!/bin/sh\r\n"):
            prompt.type(f"printf '{text}' >./{quoted}; chmod 644 ./{quoted}")
            if "r" in text.replace("/bin", ""):
                prompt.type(f"chmod 755 ./{quoted}")
            words = ["-u", f"{directory}/exec/{name}"]
            told = prompt.tell(*words)
            prompt.mends(told, *words)
        prompt.type(f"cp -p ./* ../noexec/; cp -p ./{quoted} ../noexec/{quoted}")
        words = ["-u", f"{directory}/noexec/{name}", "an argument"]
        told = prompt.tell(*words)
        assert told.cause.endswith("; remount,exec lets everything there be executed")
        assert len(told.commands) == 2
        prompt.mends(told, *words)
        prompt.works(*words)
    assert not (directory / "exec" / "INJ").exists()


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["-n=FILE", "true"], ["--net=FILE", "true"]),
        (["-un=FILE", "-i", "true"], ["-u", "--net=FILE", "-i", "true"]),
        (["-nFILE", "true"], ["--net=FILE", "true"]),
        (["--uts", "FILE", "true"], ["--uts=FILE", "true"]),
        (["--kill-child", "9", "true"], ["--kill-child=KILL", "true"]),
        (["--kill-child", "TERM", "true"], ["--kill-child=TERM", "true"]),
        (["-u", "--kill-child=15", "true"], ["--kill-child=TERM", "-u", "true"]),
        (["--net=none", "true"], ["--net", "true"]),
    ],
    ids=str,
)
def test_mistakes_on_the_command_line(words: list[str], typed: list[str]) -> None:
    file = support.new_directory() / "file"
    file.touch()
    words, typed = ([w.replace("FILE", str(file)) for w in line] for line in (words, typed))
    with Prompt(ROOT) as prompt:
        told = prompt.tell(*words)
        assert told.words() == typed
        prompt.mends(told)


def test_a_namespace_file_that_is_missing_after_a_space() -> None:
    """The classic: no equals sign, and no file."""
    directory = support.new_directory()
    with Prompt(ROOT) as prompt:
        told = prompt.tell("--uts", f"{directory}/ns", "true")
        assert told.cause == (
            f"{directory}/ns was taken for the program: --uts has its file after an equals sign"
        )
        assert not (directory / "ns").exists()
        prompt.mends(told)
        assert (directory / "ns").exists()


def test_a_working_directory_seen_from_outside() -> None:
    root = support.new_directory()
    (root / "tmp").mkdir()
    setup = f"mount --rbind / {root} && mount -t tmpfs none {root}/tmp && mkdir {root}/tmp/x"
    with Prompt(ROOT, setup=setup) as prompt:
        told = prompt.tell("-R", str(root), "-w", f"{root}/tmp/x", "true")
        assert told.messages == [
            f"pyunshare: cannot change directory to {root}/tmp/x: No such file or directory"
        ]
        assert told.words() == ["-R", str(root), "--wd=/tmp/x", "true"]
        prompt.mends(told)


def test_ranges_on_several_lines_of_the_map_around() -> None:
    with Prompt(ROOT, etc=copied_etc(), inside=["-r", "--map-auto"]) as prompt:
        told = prompt.tell("--map-users", "0:0:2", "true")
        assert "has to be within one line of the map" in told.cause
        assert told.words() == ["--map-users", "0:0:1", "--map-users", "1:1:1", "true"]
        prompt.mends(told)


@pytest.mark.parametrize("words", [["-n", "true"], ["-r", "true"], ["-c", "true"], ["-nc", "true"]])
def test_a_root_who_may_not_map_itself(words: list[str]) -> None:
    with Prompt(ROOT, last=["bounding=21", "bounding=31"]) as prompt:
        told = prompt.tell(*words)
        assert len(told.commands) == 1
        prompt.mends(told)


def test_propagation_inside_a_chroot() -> None:
    root = support.new_directory()
    setup = "\n".join(
        f"mkdir {root}{path} && mount --rbind {path} {root}{path}"
        for path in sorted(Path("/").iterdir())
        if path.is_dir() and not path.is_symlink()
    )
    links = "\n".join(
        f"ln -s {os.readlink(path)} {root}{path}"
        for path in Path("/").iterdir()
        if path.is_symlink()
    )
    with Prompt(ROOT, setup=f"{setup}\n{links}", last=[f"chroot={root}"]) as prompt:
        told = prompt.tell("-m", "true")
        assert told.cause.startswith("this is inside a chroot, ")
        prompt.mends(told)


HOSTILE_USERS = ["CORP\\alice", "$(id>INJ)", "bob;id>INJ", "o'neill", "a b", "`id>INJ`"]


@needs("newuidmap", "newgidmap")
@pytest.mark.parametrize("name", HOSTILE_USERS)
@pytest.mark.parametrize("is_local", [True, False])
def test_names_of_users(name: str, is_local: bool) -> None:
    """As directory services have them, and as somebody may have chosen them."""
    user = WITHOUT_SUBORDINATE_IDS
    texts = {name: path.read_text() for name, path in support.databases().items()}
    etc = copied_etc(passwd=texts["/etc/passwd"].replace(f"\n{user.name}:", f"\n{name}:"))
    if not is_local:  # usermod(8) refuses such names, and knows none but of /etc/passwd
        (etc / "subgid").unlink()
    directory = support.new_directory()
    with Prompt(user, etc=etc, way_to_root="su") as prompt:
        prompt.type(f"cd {directory}")
        told = prompt.tell("--map-auto", "true")
        assert "no subordinate ids" in told.cause
        prompt.mends(told, "--map-auto", "true")
    assert list(directory.iterdir()) == []


def test_names_that_cannot_be_typed_are_not_told() -> None:
    directory = support.new_directory()
    with Prompt(ROOT) as prompt:
        prompt.type(f"cd {directory}")
        for name in ("a\u2800b", "e\u0301", "a\u00a0b"):
            told = prompt.tell(f"--uts={name}", "true")
            assert "there is no file" in told.cause
            assert told.commands == []


def test_what_only_root_may_make(way: str) -> None:
    """And what the user may make is not told to be root's."""
    directory = support.new_directory()
    setup = "mount -t tmpfs -o mode=755 none /mnt && printf '#!/bin/sh\n' >/mnt/script"
    with Prompt(WITHOUT_SUBORDINATE_IDS, etc=copied_etc(), way_to_root=way, setup=setup) as prompt:
        words = ["-rpf", "--mount-proc=/mnt/a/b", "true"]
        told = prompt.tell(*words)
        assert told.commands[0].startswith(way)
        prompt.mends(told, *words)
        told = prompt.tell("-r", "/mnt/script")
        assert told.commands[0].startswith(way)
        prompt.mends(told, "-r", "/mnt/script")
        words = ["-rpf", f"--mount-proc={directory}/a/b", "true"]
        told = prompt.tell(*words)
        assert told.commands == [f"mkdir -p {directory}/a/b"]
        prompt.mends(told, *words)
        prompt.type(f"printf '#!/bin/sh\\n' >{directory}/script")
        told = prompt.tell("-r", f"{directory}/script")
        assert told.commands == [f"chmod +x {directory}/script"]
        prompt.mends(told, "-r", f"{directory}/script")
