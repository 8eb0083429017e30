"""What the machine knows of users: subordinate ids, as the files say it, and mapped ids."""

from __future__ import annotations

import grp
import os
import pwd
from errno import EACCES, EINVAL, ENOENT, ERANGE
from types import SimpleNamespace

import pytest

from pyunshare.errors import Failure
from pyunshare.options.accounts import (
    id_of_name,
    mapped_ids,
    subordinate_ids,
    user_or_group_id,
)

Files = dict[str, str]

NAMES = {0: "root", 1000: "user", 1001: "1002", 1002: "other"}


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    """Texts by path, which are all that can be read; the users are those of NAMES."""
    texts: Files = {}

    def read_lines(path: str) -> list[bytes]:
        if path not in texts:
            raise OSError(ENOENT, path)
        return os.fsencode(texts[path]).removesuffix(b"\n").split(b"\n") if texts[path] else []

    def getpwuid(user: int) -> SimpleNamespace:
        return SimpleNamespace(pw_name=NAMES[user])

    monkeypatch.setattr("pyunshare.options.accounts.read_lines", read_lines)
    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    be(1000, monkeypatch)
    return texts


def be(user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have that effective user id."""
    monkeypatch.setattr("posix.geteuid", lambda: user)


def complaint(kind: str = "uid") -> str:
    with pytest.raises(Failure) as caught:
        subordinate_ids(kind)
    return str(caught.value)


# ---- whose line it is ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "user:5:6\n",
        "user:5:6",
        "1000:5:6\n",
        "001000:5:6\n",
        "other:1:2\nuser:5:6\n",
        "user:5:6\nuser:7:8\n",
        "user:5:6\n1000:7:8\n",
        "1000:5:6\nuser:7:8\n",
        "\n\nuser:5:6\n",
        "# user:1:2\n#user:1:2\nuser:5:6\n",
        "user\nuser:1\nuser:5:6\n",
        "user: 5:+6\n",
    ],
)
def test_first_line_of_the_user(text: str, files: Files) -> None:
    files["/etc/subuid"] = text
    assert subordinate_ids("uid") == (5, 6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "other:5:6\n",
        "users:5:6\n",
        "use:5:6\n",
        "User:5:6\n",
        " user:5:6\n",
        "user :5:6\n",
        "10000:5:6\n",
        "+1000:5:6\n",
        " 1000:5:6\n",
        "1000x:5:6\n",
        "0x3e8:5:6\n",
        "4294968296:5:6\n",  # 1000 after a wrap at 32 bits
        "\u0661\u0660\u0660\u0660:5:6\n",
        "0:5:6\n",
        ":5:6\n",
        "user\n",
        "user:5\n",
        "# user:5:6\n",
    ],
)
def test_lines_of_nobody_or_others(text: str, files: Files) -> None:
    files["/etc/subuid"] = text
    assert complaint() == 'no line matching user "user" in /etc/subuid'


def test_root_never_gets_the_first_users_block(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are no numbers: util-linux reads each as 0."""
    be(0, monkeypatch)
    files["/etc/subuid"] = "user:100000:65536\n"
    assert complaint() == 'no line matching user "root" in /etc/subuid'
    for own in ("root", "0", "00"):
        files["/etc/subuid"] = f"user:100000:65536\n{own}:5:6\n"
        assert subordinate_ids("uid") == (5, 6)


def test_a_name_that_is_a_number(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line belongs to whom it names, by name or by number, as subuid(5) has it."""
    be(1001, monkeypatch)
    files["/etc/subuid"] = "1002:5:6\n"
    assert subordinate_ids("uid") == (5, 6)


def test_groups_are_listed_by_user(files: Files) -> None:
    files["/etc/subuid"] = "user:1:2\n"
    files["/etc/subgid"] = "other:3:4\nuser:5:6\n"
    assert subordinate_ids("gid") == (5, 6)
    files["/etc/subgid"] = "other:3:4\n"
    assert complaint("gid") == 'no line matching user "user" in /etc/subgid'


# ---- what is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("user:x:6", "failed to parse subid map: 'x'"),
        ("user:5:x", "failed to parse subid map: 'x'"),
        ("user::6", "failed to parse subid map: ''"),
        ("user:5:", "failed to parse subid map: ''"),
        ("user:5:6:7", "failed to parse subid map: '6:7'"),
        ("user:5:6 ", "failed to parse subid map: '6 '"),
        ("user:4294967296:6", f"failed to parse subid map: '4294967296': {os.strerror(ERANGE)}"),
        ("user:5:-6", f"failed to parse subid map: '-6': {os.strerror(ERANGE)}"),
    ],
)
def test_bad_numbers(line: str, expected: str, files: Files) -> None:
    files["/etc/subuid"] = f"{line}\nuser:5:6\n"
    assert complaint() == expected


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_missing_file(kind: str, files: Files) -> None:
    assert complaint(kind) == f"could not open '/etc/sub{kind}': {os.strerror(ENOENT)}"


def test_unreadable_file(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> str:
        raise OSError(EACCES, path)

    monkeypatch.setattr("pyunshare.options.accounts.read_lines", refuse)
    assert complaint() == f"could not open '/etc/subuid': {os.strerror(EACCES)}"


@pytest.mark.parametrize("user", [4242, 4294967294])
def test_unknown_user(user: int, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    be(user, monkeypatch)
    files["/etc/subuid"] = f"{user}:5:6\n"
    assert complaint() == f"you (user {user}) don't exist."


# ---- other things to know -----------------------------------------------------------------------


def test_mapped_ids(files: Files) -> None:
    files["/proc/self/uid_map"] = (
        "         0     100000          5\n         7          0 4294967295\n"
    )
    files["/proc/self/gid_map"] = ""
    assert mapped_ids("uid") == [(0, 5), (7, 4294967295)]
    assert mapped_ids("gid") == []


@pytest.mark.parametrize("line", ["garbage", "0 0", "x y z", "5 x 5", "0,0,5", "0 0 " + "9" * 5000])
def test_mapped_ids_of_a_masked_file(line: str, files: Files) -> None:
    files["/proc/self/uid_map"] = f"{line}\n0 0 5\n\n7 7 8 9\n"
    assert mapped_ids("uid") == [(0, 5), (7, 8)]


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_the_name_of_the_highest_id_is_no_id(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """(uid_t) -1, with which the reference maps nothing."""
    monkeypatch.setattr("pyunshare.options.accounts.id_of_name", lambda *_: -1)
    with pytest.raises(Failure) as caught:
        user_or_group_id(kind, "name")
    assert str(caught.value) == f"failed to parse {kind} 'name': {os.strerror(EINVAL)}"


def test_mapped_ids_without_proc(files: Files) -> None:
    with pytest.raises(Failure) as caught:
        mapped_ids("uid")
    assert str(caught.value) == f"could not open '/proc/self/uid_map': {os.strerror(ENOENT)}"


def test_mapped_ids_of_this_process() -> None:
    for kind in ("uid", "gid"):
        blocks = mapped_ids(kind)
        own = os.geteuid() if kind == "uid" else os.getegid()
        assert any(start <= own < start + count for start, count in blocks)


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_id_of_an_unknown_name(kind: str) -> None:
    with pytest.raises(OSError, match="no such name") as caught:
        id_of_name(kind, "no such name")
    assert caught.value.errno == EINVAL


def test_users_and_groups_of_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=5))
    monkeypatch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_gid=6))
    assert (id_of_name("uid", "x"), id_of_name("gid", "x")) == (5, 6)


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_a_name_without_a_database(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stat(path: str) -> None:
        raise OSError(ENOENT, path)

    monkeypatch.setattr("posix.stat", stat)
    with pytest.raises(OSError, match="passwd" if kind == "uid" else "group") as caught:
        id_of_name(kind, "no such name")
    assert caught.value.errno == ENOENT
