"""Hints about users and groups: each is given for a cause that is set up for real.

Where a hint has a command to type, it is typed where that can be: then the launch has to work.
"""

from __future__ import annotations

import os
import shutil
from errno import ENOENT
from pathlib import Path

import pytest

from pyunshare.diagnostics.maps import can_be_trusted
from tests.helpers import support
from tests.helpers.hinting import ALWAYS, Told, failed, hints_of, inside, tell, works
from tests.helpers.machine import needs
from tests.helpers.support import (
    NAME,
    ROOT,
    UNKNOWN,
    WITH_SUBORDINATE_IDS,
    WITHOUT_SUBORDINATE_IDS,
    User,
    command,
)

pytestmark = [pytest.mark.thorough, needs("root", "compiler", "user namespaces")]


def test_no_subordinate_ids() -> None:
    told = tell("--map-auto", "true", user=WITHOUT_SUBORDINATE_IDS)
    user = WITHOUT_SUBORDINATE_IDS.name
    assert told.cause == f"{user} has no subordinate ids: no line in /etc/subuid and /etc/subgid"
    # behind the blocks of others, of which the last begins at 300000
    both = "--add-subuids 365536-431071 --add-subgids 365536-431071"
    assert told.typed == [f"usermod {both} -- {user}"]


def test_no_subordinate_groups_only() -> None:
    user = WITHOUT_SUBORDINATE_IDS
    conditions = support.database_conditions(subuid=f"{user.uid}:500000:65536\n")
    told = tell("--map-auto", "true", user=user, conditions=conditions)
    assert told.cause == f"{user.name} has no subordinate ids: no line in /etc/subgid"
    assert told.typed == [f"usermod --add-subgids 565536-631071 -- {user.name}"]


@needs("newuidmap")
def test_the_command_that_gives_subordinate_ids_is_right() -> None:
    """Root types it, in a copy of /etc, and then --map-auto works."""
    etc = support.new_directory()
    shutil.copytree("/etc", etc / "etc", symlinks=True, ignore_dangling_symlinks=True)
    user = WITHOUT_SUBORDINATE_IDS
    for name in ("passwd", "group", "subuid", "subgid"):
        shutil.copy(support.databases()[f"/etc/{name}"], etc / "etc" / name)
    told = tell("--map-auto", "true", user=user)
    usermod = ["/bin/sh", "-c", told.typed[0]]
    conditions = ["mounts", f"bind={etc}/etc:/etc"]
    start = str(support.compiled("start"))
    result = support.run([start, *conditions, "--", usermod[0], *usermod])
    assert result.status == 0, result
    text = (etc / "etc" / "subuid").read_text()
    result = support.pyunshare(
        "--map-auto",
        "true",
        user=user,
        conditions=support.database_conditions(
            subuid=text, subgid=(etc / "etc" / "subgid").read_text()
        ),
    )
    assert result.status == 0, result


def test_no_file_of_subordinate_ids(tmp_path: Path) -> None:
    failure = failed("open", ENOENT, "/etc/subuid")
    lines = hints_of(["-r", "true"], failure, tmp_path).splitlines()
    assert lines == [
        "unshare: hint: root has no subordinate ids: no line in /etc/subuid and /etc/subgid",
        "unshare: hint: type: printf '%s\\n' root:100000:65536 | tee -a /etc/subuid /etc/subgid",
    ]


WITHOUT_TOOLS = {"PATH": "/nonexistent"}


@needs("newuidmap", "newgidmap")
def test_newuidmap_outside_of_path() -> None:
    directory = os.path.dirname(shutil.which("newuidmap", path=support.STANDARD_PATH) or "")
    told = tell("--map-auto", "/bin/true", user=WITH_SUBORDINATE_IDS, environment=WITHOUT_TOOLS)
    message = "failed to execute newuidmap: No such file or directory"
    assert told.messages == [f"{NAME}: {message}"]
    assert told.cause == f"newuidmap is in {directory}, which is not in PATH"
    assert told.typed[0].startswith(f"PATH=$PATH:{directory} ")
    assert told.typed[0].endswith("pyunshare --map-auto /bin/true")


def test_newuidmap_that_is_a_script_without_interpreter() -> None:
    directory = support.new_directory()
    (directory / "newuidmap").write_text("#!/no/such/interpreter\n")
    (directory / "newuidmap").chmod(0o755)
    path = {"PATH": str(directory)}
    told = tell("--map-auto", "/bin/true", user=WITH_SUBORDINATE_IDS, environment=path)
    interpreter = "the interpreter in its first line, /no/such/interpreter"
    assert told.cause == f"{directory}/newuidmap is there, but {interpreter}, is not"


@needs("newuidmap", "newgidmap")
@pytest.mark.parametrize(
    ("release", "typed"),
    [
        ("ID=debian\n", ["apt-get install uidmap"]),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', ["apt-get install uidmap"]),
        ("ID=fedora\n", ["dnf install shadow-utils"]),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', ["dnf install shadow-utils"]),
        ("ID=arch\n", ["pacman -S shadow"]),
        ("ID=alpine\n", ["apk add shadow-uidmap"]),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', ["zypper install shadow"]),
        ("ID=unheard-of\n", []),
    ],
)
def test_newuidmap_not_installed(release: str, typed: list[str]) -> None:
    conditions = ["mounts"]
    nothing = support.new_directory() / "nothing"
    nothing.touch()
    os_release = support.new_directory() / "os-release"
    os_release.write_text(release)
    for directory in support.STANDARD_PATH.split(":"):
        path = Path(directory, "newuidmap")
        if path.exists() and not Path(directory).is_symlink():
            conditions.append(f"bind={nothing}:{path}")
    conditions.append(f"bind={os_release}:/etc/os-release")
    told = tell(
        "--map-auto",
        "/bin/true",
        user=WITH_SUBORDINATE_IDS,
        conditions=conditions,
        environment=WITHOUT_TOOLS,
    )
    assert told.cause == "newuidmap is not installed here"
    assert told.typed == typed


@needs("newuidmap", "newgidmap")
@pytest.mark.parametrize(
    ("user", "words", "cause", "typed"),
    [
        (
            WITH_SUBORDINATE_IDS,
            ["--map-users", "0:5:10", "true"],
            "newuidmap maps the ids that /etc/subuid gives you (300000-365535) and your own, "
            "61001; 5-14 is not among them",
            ["pyunshare --map-users=auto true"],
        ),
        (
            WITH_SUBORDINATE_IDS,
            ["--map-users=auto", "--map-groups", "0:7:1", "true"],
            "newgidmap maps the ids that /etc/subgid gives you (300000-365535) and your own, "
            "61001; 7 is not among them",
            ["pyunshare --map-groups=auto --map-users=auto true"],
        ),
        (
            WITHOUT_SUBORDINATE_IDS,
            ["--map-users", "0:61002:1", "--map-users", "1:100000:1", "true"],
            "newuidmap maps the ids that /etc/subuid gives you (none) and your own, 61002; "
            "100000 is not among them",
            [
                "usermod --add-subuids 365536-431071 --add-subgids 365536-431071 -- "
                "pyunshare-without"
            ],
        ),
        (
            WITH_SUBORDINATE_IDS,
            ["--map-users", "0:300000:10", "--map-users", "9:300020:10", "true"],
            "ranges may not overlap, and 0:300000:10 and 9:300020:10 do, by their inner ids",
            [],
        ),
    ],
    ids=str,
)
def test_newuidmap_refuses(user: User, words: list[str], cause: str, typed: list[str]) -> None:
    told = tell(*words, user=user)
    assert told.messages, "the tool's own message"
    assert told.cause == cause
    assert told.typed == typed
    if typed and typed[0].startswith("pyunshare"):
        works(told, user)


@needs("newuidmap", "newgidmap")
def test_newuidmap_refuses_more_ranges_than_there_can_be() -> None:
    ranges = [["--map-users", f"{number}:{300000 + number}:1"] for number in range(341)]
    words = [word for option in ranges for word in option]
    told = tell(*words, "true", user=WITH_SUBORDINATE_IDS)
    assert told.cause == "a map has at most 340 ranges, and these are 341"


@needs("newuidmap", "newgidmap")
def test_newuidmap_without_power() -> None:
    user = WITH_SUBORDINATE_IDS
    told = tell("--map-auto", "true", user=user, conditions=["no_new_privs"])
    assert told.cause.startswith("this process has no_new_privs set, ")

    path = shutil.which("newuidmap", path=support.STANDARD_PATH)
    assert path
    copy = support.new_directory() / "newuidmap"
    shutil.copyfile(path, copy)
    copy.chmod(0o755)
    told = tell("--map-auto", "true", user=user, conditions=["mounts", f"bind={copy}:{path}"])
    assert f"{path} is neither set-user-ID root nor has it file capabilities" in told.cause


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (
            ["--map-users", "0:0:10", "--map-users", "20:5:10"],
            "ranges may not overlap, and 0:0:10 and 20:5:10 do, by their outer ids",
        ),
        (
            ["--map-users", "0:0:1", "--map-groups", "0:0:10", "--map-groups", "9:10:2"],
            "ranges may not overlap, and 0:0:10 and 9:10:2 do, by their inner ids",
        ),
        (
            ["--map-users", "4294967290:0:10"],
            "the inner ids 4294967290-4294967299 go beyond 4294967294",
        ),
        (
            [w for n in range(341) for w in ("--map-users", f"{n}:{n}:1")],
            "a map has at most 340 ranges, and these are 341",
        ),
        (
            [w for n in range(600) for w in ("--map-users", f"{n}:{n}:1")],
            "the 600 ranges are more than fit: join neighbouring ones, to 340 or fewer",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_map_that_cannot_be(words: list[str], cause: str) -> None:
    assert tell(*words, "true").cause == cause


def test_ids_that_are_not_in_the_user_namespace_around() -> None:
    told = inside(["-r"], "true", ["--map-users", "0:0:10", "true"], ROOT)
    assert told.cause == (
        "in the user namespace that you are in there are the ids 0; 0-9 cannot be mapped from there"
    )


@pytest.mark.parametrize(
    ("capability", "option", "cause"),
    [
        (7, "--map-users", "this root has no CAP_SETUID, without which it can only map itself"),
        (6, "--map-groups", "this root has no CAP_SETGID, without which it can only map itself"),
        (31, "--map-users", "this root has no CAP_SETFCAP, without which it cannot map user 0"),
    ],
)
def test_a_root_who_may_not_map(capability: int, option: str, cause: str) -> None:
    told = tell(option, "0:0:10", "true", conditions=[f"bounding={capability}"])
    assert told.messages[0].endswith(": Operation not permitted")
    assert told.cause == cause


@pytest.mark.parametrize("value", [["--setgroups=allow"], ["--setgroups", "allow"]])
def test_a_group_map_with_setgroups_allowed(value: list[str]) -> None:
    user = WITHOUT_SUBORDINATE_IDS
    told = tell("-r", *value, "-n", "true", user=user)
    assert "a group map from anybody only where setgroups(2) is denied" in told.cause
    assert told.typed == ["pyunshare -r -n true"]
    works(told, user)


def test_setgroups_denied_further_out() -> None:
    told = inside(["-r"], "true", ["-U", "--setgroups", "allow", "true"], ROOT)
    assert told.messages == [f"{NAME}: write failed /proc/self/setgroups: Operation not permitted"]
    assert (
        told.cause
        == "setgroups(2) is denied in the user namespace around, and so in all inside of it"
    )
    assert told.typed == ["pyunshare -U true"]


@pytest.mark.parametrize(
    ("words", "cause", "typed"),
    [
        (
            ["--setgroups", "deny"],
            "--setgroups is for a new user namespace",
            ["-U --setgroups deny"],
        ),
        (
            ["--map-groups", "0:0:5", "--setgroups", "deny"],
            "setgroups(2) can be denied before groups are mapped only, and ranges were mapped "
            "before",
            ["--map-groups 0:0:5"],
        ),
    ],
    ids=str,
)
def test_setgroups_where_it_cannot_be_decided(
    words: list[str], cause: str, typed: list[str]
) -> None:
    told = tell(*words, "true")
    assert told.cause == cause
    assert told.typed == [f"pyunshare {line} true" for line in typed]
    works(told, ROOT)


def test_setgid_in_a_user_namespace() -> None:
    told = tell("-r", "-G", "5", "true")
    assert told.messages == [f"{NAME}: setgroups failed: Operation not permitted"]
    assert told.cause.startswith("mapping one group has denied setgroups(2), ")
    assert tell("-U", "-G", "5", "true").cause == "no group is mapped in the new user namespace"


@needs("newuidmap", "newgidmap")
def test_setgid_in_a_user_namespace_with_subordinate_ids() -> None:
    told = tell("-r", "-G", "5", "true", user=WITH_SUBORDINATE_IDS)
    assert told.typed == ["pyunshare --map-auto -r -G 5 true"]
    works(told, WITH_SUBORDINATE_IDS)


@pytest.mark.parametrize(
    ("words", "cause", "typed"),
    [
        (
            ["-r", "-S", "5"],
            "user 5 is not mapped in the new user namespace; 0 is",
            ["-r -S 5 --map-user=5"],
        ),
        (
            ["-U", "-S", "5"],
            "user 5 is not mapped in the new user namespace; no one is",
            ["-U -S 5 --map-user=5"],
        ),
        (
            ["--map-users", "0:0:5", "-S", "5"],
            "user 5 is not mapped in the new user namespace; 0-4 is",
            [],
        ),
    ],
    ids=str,
)
def test_a_user_who_does_not_exist_inside(words: list[str], cause: str, typed: list[str]) -> None:
    told = tell(*words, "true")
    assert told.messages == [f"{NAME}: setuid() failed: Invalid argument"]
    assert told.cause == cause
    assert told.typed == [f"pyunshare {line} true" for line in typed]
    if typed:
        works(told, ROOT)


# ---- further causes ------------------------------------------------------------------------------


def test_a_user_without_a_name() -> None:
    told = tell("--map-auto", "true", user=UNKNOWN)
    assert told.messages == [f"{NAME}: you (user 61003) don't exist."]
    assert told.cause.startswith("user 61003 has no line in /etc/passwd, ")


@needs("newuidmap", "newgidmap")
def test_newuidmap_for_a_user_without_a_name() -> None:
    """A line with the number in /etc/subuid would not help."""
    told = tell("--map-users", "0:0:5", "true", user=UNKNOWN)
    assert told.cause.startswith("user 61003 has no line in /etc/passwd, ")
    assert told.cause.endswith(": newuidmap needs the name")
    assert told.typed == []


@needs("newuidmap", "newgidmap")
def test_newuidmap_that_can_have_no_power() -> None:
    conditions = ["bounding=7", "bounding=6"]
    told = tell("--map-auto", "true", user=WITH_SUBORDINATE_IDS, conditions=conditions)
    assert "CAP_SETUID, which no process here can have" in told.cause


@needs("newuidmap", "newgidmap")
@pytest.mark.parametrize("outer", [["-Uc"], ["-Uc", "--map-subids"]], ids=str)
def test_ids_that_are_not_mapped_where_newuidmap_runs(outer: list[str]) -> None:
    user = WITH_SUBORDINATE_IDS
    program = command(user)
    again = [program.file, *program.arguments, "--map-auto", "true"]
    result = support.pyunshare(*outer, *again, user=user, environment=ALWAYS)
    assert result.status not in (0, None), result
    told = Told(result)
    assert "in the user namespace that you are in" in told.cause


@needs("newuidmap")
def test_subordinate_ids_of_a_directory_service() -> None:
    nsswitch = support.new_directory() / "nsswitch.conf"
    nsswitch.write_text("passwd: files\nsubid: sss  # of the domain\n")
    conditions = (
        [f"bind={nsswitch}:/etc/nsswitch.conf"] if Path("/etc/nsswitch.conf").exists() else []
    )
    if not conditions:
        pytest.skip("missing file: /etc/nsswitch.conf")
    conditions = ["mounts", *conditions]
    told = tell("--map-auto", "true", user=WITHOUT_SUBORDINATE_IDS, conditions=conditions)
    assert told.cause.startswith("newuidmap takes subordinate ids from sss here")
    assert told.commands == []


def test_what_is_not_told_to_get_root_s_power(tmp_path: Path) -> None:
    """``chmod u+s`` is for a program of root's that nobody else can have made or can change."""
    program = tmp_path / "newuidmap"
    shutil.copyfile("/bin/true", program)
    program.chmod(0o755)
    assert not can_be_trusted(str(program))  # for others may write to a directory on its path
    for path in ("/bin/true", "/usr/bin/env"):
        real = os.path.realpath(path)
        trusted = all(
            not os.stat(p).st_mode & 0o022 and os.stat(p).st_uid == 0
            for p in [real, *map(str, Path(real).parents)]
        )
        assert can_be_trusted(real) == trusted
    assert not can_be_trusted("bin/true")
    assert not can_be_trusted("/nonexistent/newuidmap")


@needs("newuidmap", "newgidmap")
@pytest.mark.parametrize("kind", ["link", "script", "of nobody", "writable", "hostile directory"])
def test_no_hint_makes_a_stranger_powerful(kind: str) -> None:
    parent = support.new_directory()
    directory = parent / ("x;id>INJ;" if kind == "hostile directory" else "bin")
    directory.mkdir()
    directory.chmod(0o755)
    file = directory / "newuidmap"
    if kind == "link":
        file.symlink_to("/bin/false")
    elif kind == "script":
        file.write_text("#!/bin/false\n")
    else:
        shutil.copyfile("/bin/false", file)
    if kind != "link":
        file.chmod(0o777 if kind == "writable" else 0o755)
    if kind == "of nobody":
        os.chown(file, 65534, 65534)
    path = {"PATH": f"{directory}:{support.STANDARD_PATH}"}
    told = tell("--map-auto", "true", user=WITH_SUBORDINATE_IDS, environment=path)
    # The command told, if there is one, is to use the tool of the machine.
    assert "has no power of root's" in told.cause or "neither set-user-ID root" in told.cause
    assert all("PATH=" in line and str(directory) not in line for line in told.commands)


@needs("newuidmap", "newgidmap")
def test_a_subordinate_block_with_the_own_id_in_it() -> None:
    """It is then to be mapped twice."""
    user = WITH_SUBORDINATE_IDS
    lines = f"{user.name}:{user.uid - 1}:10\n"
    conditions = support.database_conditions(subuid=lines, subgid=lines)
    ranges = [f"0:{user.uid}:1", f"1:{user.uid - 1}:10"]
    words = [word for text in ranges for word in ("--map-users", text)]
    told = tell(*words, "true", user=user, conditions=conditions)
    assert told.cause == (
        f"ranges may not overlap, and {ranges[1]} and {ranges[0]} do, by their outer ids"
    )
