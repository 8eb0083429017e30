"""What others write is read as bytes: whatever they write, each parser returns what it should."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyunshare.diagnostics import commands, programs, system
from pyunshare.diagnostics.commands import Command, printable, shown
from pyunshare.diagnostics.system import LARGEST_FILE, System
from pyunshare.doctor.checks import parse_record
from tests.helpers import profiles

# Bytes that somebody chooses, among them much of what the forms of files are made of
PIECES = st.sampled_from(
    [
        *b" |:|\n|-| - |\\|\\04|\\400|shared:1|/proc|proc|=|\r|\f|\x85|\xe2\x80\xa8".split(b"|"),
        *b"\xc2\xb2|4294967295|-1|+1|0|1|100000|65536|\0|#!|\x7fELF\x02\x01|\xff".split(b"|"),
        *b"NSpid:\t1|ID".split(b"|"),
        b"9" * 5000,
    ]
)
HOSTILE = st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=30).map(b"".join)
BENIGN = b"22 27 0:21 / /proc rw,relatime - proc proc rw\n"

PARSERS: list[Callable[[bytes], object]] = [
    system.number,
    system.parse_mounts,
    system.parse_subordinate_ids,
    system.parse_id_map,
    system.parse_variables,
    lambda text: system.parse_status(text, "NSpid"),
    lambda text: system.release_numbers(os.fsdecode(text)),
    programs.script_interpreter,
    programs.elf_interpreter,
    parse_record,
]


@pytest.mark.parametrize("parser", PARSERS)
@given(text=HOSTILE)
def test_no_parser_raises(parser: Callable[[bytes], object], text: bytes) -> None:
    parser(text)


@given(text=HOSTILE)
@example(text=b"9 9 0:1 / /a\rb rw - fuse x rw")
@example(text="9 9 0:1 / /a\u2028b\x85 rw - fuse x rw".encode())
def test_a_mount_of_anybody_hides_no_other(text: bytes) -> None:
    """Whatever a line says, those before and after it are read."""
    line = text.replace(b"\n", b"")
    mounts = system.parse_mounts(BENIGN + line + b"\n" + BENIGN)
    assert [mount.target for mount in (mounts[0], mounts[-1])] == ["/proc", "/proc"]
    assert len(mounts) in (2, 3)


@given(text=HOSTILE)
def test_subordinate_ids_are_numbers_of_ids(text: bytes) -> None:
    for block in system.parse_subordinate_ids(text):
        assert 0 <= block.start < block.end <= 2**32 - 1
    for line in system.parse_id_map(text):
        assert min(line.inner, line.outer, line.count) >= 0


@pytest.mark.parametrize("text", ["²", "٣", "", "-1", "+1", " 1", "1 ", "1_0", "9" * 5000, "0x1"])
def test_what_is_no_number(text: str) -> None:
    assert system.number(text.encode()) is None


FILES = ("/proc/self/mountinfo", "/proc/1/mountinfo", "/proc/self/status", "/proc/self/uid_map")
FILES += ("/etc/subuid", "/etc/subgid", "/etc/os-release", "/etc/passwd", "/etc/nsswitch.conf")
FILES += ("/proc/self/attr/current", "/proc/filesystems", "/proc/sys/kernel/osrelease")


def facts(tree: Path) -> None:
    """Ask for everything that is read of a machine."""
    found = System(str(tree))
    for name in dir(System):
        if isinstance(getattr(System, name), property):
            getattr(found, name)
    found.mount_of("/proc/self")
    found.covered_proc()
    found.id_map("uid")
    found.blocks_of("uid", 0)
    found.is_local_user("root")
    found.sysctl("kernel.osrelease")
    found.can_ever_have(7)
    found.has_file_system("proc")


@profiles.one_in(10)
@given(text=HOSTILE)
def test_no_file_can_be_of_a_form_that_raises(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    tree = tmp_path_factory.mktemp("tree")
    for path in FILES:
        file = tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    facts(tree)


@pytest.mark.parametrize("kind", ["pipe", "directory", "huge", "endless", "unreadable"])
def test_files_that_are_traps(tmp_path: Path, kind: str) -> None:
    for path in FILES:
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "directory":
            file.mkdir()
        elif kind == "endless":
            file.symlink_to("/dev/zero")
        elif kind == "unreadable":
            file.write_bytes(b"")
            file.chmod(0)
        else:
            with file.open("wb") as sparse:
                sparse.truncate(1 << 40)
    begin = time.monotonic()
    facts(tmp_path)
    assert time.monotonic() - begin < 60  # and not for ever


def test_a_file_that_is_too_large_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "subuid"
    file.write_bytes(b"a:1:1\n" + b"#" * LARGEST_FILE)
    assert System(str(tmp_path)).blocks("uid") == []
    file.write_bytes((b"a:1:1\n" + b"#" * LARGEST_FILE)[:LARGEST_FILE])
    assert len(System(str(tmp_path)).blocks("uid")) == 1


# ---- what is shown, and what is to be typed -----------------------------------------------------

NAMES = [
    "x;id>INJ;",
    "$(id)",
    "`id`",
    "CORP\\alice",
    "bob;id>x",
    "it's",
    '"',
    "a b",
    "-f",
    "--help",
    "~",
    "=ls",
    "*",
    "a=b",
    "!!",
    "#",
    "é",
    "\N{HANGUL SYLLABLE GA}",
]
NOT_TYPED = [
    "a\tb",
    "a\nb",
    "\x1b[2J",
    "\x7f",
    "\udcff",
    "a\u2800b",
    "\u202etxt",
    "\xa0",
    "\u3164",
    "e\u0301",
    "\ud800",
    "x" * 2000,
]


@pytest.mark.parametrize("name", NAMES)
def test_words_are_quoted_as_a_shell_reads_them(name: str) -> None:
    assert shlex.split(Command("echo", name).text) == ["echo", name]
    twice = shlex.split(Command("touch", name).run_by("su").text)
    assert twice[:2] == ["su", "-c"]
    assert shlex.split(twice[2]) == ["touch", name]
    assert name in shown(name)


@pytest.mark.parametrize("name", NOT_TYPED)
def test_words_that_cannot_be_typed_are_in_no_command(name: str) -> None:
    command = Command("echo", name)
    for line in (
        command,
        command.run_by("su"),
        command.run_by("sudo"),
        command.with_path("/x"),
        Command("true").then(command),
        command.then(Command("true")),
        command.into(Command("tee")),
        Command("true").with_path(name),
    ):
        assert not line or line.text == "true", line.text
    assert printable(shown(name)) == shown(name)
    assert len(shown(name)) < 1000


@given(st.text())
def test_a_name_is_shown_as_one_visible_word(name: str) -> None:
    text = shown(name)
    assert printable(text) == text
    assert " " not in text or text[0] == text[-1] in "'\""


@given(st.lists(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)), min_size=1))
def test_a_command_has_the_words_that_it_was_made_of(words: list[str]) -> None:
    text = Command("echo", *words).text
    if text:
        assert shlex.split(text) == ["echo", *words]


def test_a_first_word_that_looks_like_a_variable() -> None:
    assert not Command("a=b", "c")
    assert commands.path_argument("-rf") == "./-rf"
