"""Machines and architectures that are emulated: what goes between them and here.

The machines here are made up: programs that print what one would send. Real ones are started by
tests/everywhere/run.
"""

from __future__ import annotations

import io
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.debian_roots import CHECKOUT
from tests.everywhere import architectures, boot, machines, unpacked
from tests.everywhere.environment import CannotBeMade, Visit
from tests.everywhere.frames import Damage, Frame, received
from tests.helpers import support
from tests.helpers.machine import needs

PRINTED = "== 1 passed in 2.00s ==\n"


def sent(*contents: str, status: int = 0) -> list[bytes]:
    """The lines that a machine sends whose program prints these pieces."""
    frames = [Frame(number, "printed", each.encode()) for number, each in enumerate(contents)]
    frames.append(Frame(len(frames), "status", str(status).encode()))
    return b"".join(frame.line() for frame in frames).splitlines(keepends=True)


def arrived(lines: Sequence[bytes]) -> list[str]:
    """The contents that are received."""
    return [frame.content.decode() for frame in received(lines)]


# ---- frames -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    ["", "a\n", "no end", "\n\n", "\x00\xff\r\n", "@pyunshare 7 status MA== 0\n", "é" * 350],
)
def test_what_is_printed_arrives(content: str) -> None:
    assert arrived(sent("before", content, status=3)) == ["before", content, "3"]


def test_a_line_is_short_enough_for_a_terminal() -> None:
    assert max(map(len, sent("x" * 700))) < 4095


def test_the_kernel_may_speak_in_between() -> None:
    lines = sent("one\n", "two\n")
    said = [b"[    1.2] booting\n", b"\n", b"[    3.4] == 9 passed in 1s ==\r\n"]
    mixed = [each for line in lines for each in (*said, line)]
    assert arrived(mixed) == ["one\n", "two\n", "0"]


def test_a_message_before_a_frame_on_its_line() -> None:
    """The line break that a frame begins with can be lost to another writer."""
    lines = [b"[    1.2] half a mess" + line for line in sent("one\n") if line.strip()]
    assert arrived(lines) == ["one\n", "0"]


def test_nothing_counts_after_the_status() -> None:
    assert arrived([*sent("one\n"), *sent("two\n")]) == ["one\n", "0"]


@pytest.mark.parametrize("character", [b"x", b"", b"\n", b"\x00"])
def test_a_damaged_frame_is_told(character: bytes) -> None:
    """Whatever byte of it is another one."""
    line = sent("1 passed")[1]
    for place in range(len(b"@pyunshare "), len(line) - 1):
        if line[place : place + 1] != character:
            broken = line[:place] + character + line[place + 1 :]
            with pytest.raises(Damage):
                arrived([*broken.splitlines(keepends=True), *sent("1 passed")[2:]])


def test_a_lost_frame_is_told() -> None:
    lines = [line for line in sent("one", "two", "three") if line.strip()]
    for number in range(len(lines) - 1):
        with pytest.raises(Damage, match=f"piece {number} is missing"):
            arrived(lines[:number] + lines[number + 1 :])
    with pytest.raises(Damage, match="ended after 3 pieces, without a status"):
        arrived(lines[:-1])


def test_a_program_is_framed(tmp_path: Path) -> None:
    port = tmp_path / "port"
    port.touch()
    program = "import sys; print('x' * 5000); print('y', file=sys.stderr); sys.exit(7)"
    line = [sys.executable, "-m", "tests.everywhere.frames", port, sys.executable, "-c", program]
    subprocess.run(line, cwd=CHECKOUT, check=True)
    *printed, status = arrived(port.read_bytes().splitlines(keepends=True))
    assert "".join(printed) in ("x" * 5000 + "\ny\n", "y\n" + "x" * 5000 + "\n")
    assert status == "7"


# ---- a machine ----------------------------------------------------------------------------------


def run(
    program: str, tmp_path: Path, says: str = "the kernel panics\n"
) -> subprocess.CompletedProcess[str]:
    """Have a program of Python be the emulator, which finds what to send in the list `lines`."""
    console = tmp_path / "console"
    console.write_text(says)
    lines = f"import sys, time; lines = {sent(PRINTED, status=1)}; send = sys.stdout.buffer.write"
    emulator = [sys.executable, "-uc", f"{lines}\n{program}"]
    line = [sys.executable, "-m", "tests.everywhere.boot", console, *emulator]
    return subprocess.run(
        line, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


@needs("root")
def test_a_machine_prints_what_its_program_prints(tmp_path: Path) -> None:
    done = run("[send(line) for line in lines]", tmp_path)
    assert (done.stdout, done.returncode) == (PRINTED, 1)


@needs("root")
def test_a_machine_that_ends_too_soon(tmp_path: Path) -> None:
    done = run("[send(line) for line in lines[:2]]", tmp_path)
    assert done.returncode == 3
    first, *said = done.stdout.splitlines()
    assert first == PRINTED.strip()
    assert said == [
        "no more from the machine: it ended after 1 pieces, without a status",
        "the kernel's last words:",
        "the kernel panics",
        "the machine has not told how its tests ended",
    ]


@needs("root")
def test_a_machine_that_does_not_switch_itself_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boot, "GRACE", 0.1)
    emulator = [sys.executable, "-uc"]
    emulator.append(f"import os, time; os.write(1, {b''.join(sent(PRINTED))!r}); time.sleep(1000)")
    monkeypatch.setattr(sys, "argv", ["boot", str(tmp_path / "none"), *emulator])
    monkeypatch.setattr(boot.debian_roots, "end_in_order", lambda: None)
    assert boot.main() == 0
    assert capfd.readouterr().out == PRINTED
    support.wait_for(lambda: not support.left_over_children(), "the machine to end")


@needs("root")
def test_a_machine_that_hangs_is_ended_by_the_deadline(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        visit = Visit("made up", tmp_path, log, anew=False)
        emulator = [sys.executable, "-uc", "import time; time.sleep(1000)"]
        line = [sys.executable, "-m", "tests.everywhere.boot", tmp_path / "console", *emulator]
        visit.run("hanging", line, {"PYTHONPATH": str(CHECKOUT)}, patience=1 / 60)
    (part,) = visit.parts
    assert part.trouble.startswith("not ended after ")
    support.wait_for(lambda: not support.left_over_children(), "the machine to end")


@needs("root")
def test_a_machine_ends_with_who_started_it(tmp_path: Path) -> None:
    started = tmp_path / "started"
    emulator = f"import time; open({str(started)!r}, 'w'); time.sleep(1000)"
    line = [sys.executable, "-m", "tests.everywhere.boot", str(tmp_path / "console")]
    starter = "import subprocess, time; subprocess.Popen({}); time.sleep(1000)"
    program = starter.format([*line, sys.executable, "-c", emulator])
    with subprocess.Popen([sys.executable, "-c", program], cwd=CHECKOUT) as process:
        try:
            support.wait_for(started.exists, "the emulator")
        finally:
            process.kill()
    support.wait_for(lambda: not support.left_over_children(), "the machine to end")


def test_no_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for environment in (*machines.ENVIRONMENTS, *architectures.ENVIRONMENTS):
        with (tmp_path / "log").open("w") as log, pytest.raises(CannotBeMade, match=r"^no qemu: "):
            environment.run(Visit(environment.name, tmp_path, log, anew=False))


# ---- the root directory in memory ---------------------------------------------------------------


def listed(archive: bytes) -> list[tuple[str, int, bytes]]:
    """The files of an archive, read by the description of the format: initramfs of Linux."""
    files, place = [], 0
    while place < len(archive):
        header = archive[place : place + 110]
        assert header[:6] == b"070701", place
        fields = [int(header[start : start + 8], 16) for start in range(6, 110, 8)]
        name = archive[place + 110 : place + 110 + fields[11] - 1].decode()
        place += -(-(110 + fields[11]) // 4) * 4
        files.append((name, fields[1], archive[place : place + fields[6]]))
        place += -(-fields[6] // 4) * 4
    return files


def test_archives_are_what_a_kernel_unpacks(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir(mode=0o700)
    for size in range(6):
        (tmp_path / "directory" / ("n" * (size + 1))).write_bytes(b"x" * size)
    (tmp_path / "link").symlink_to("directory/n")
    archive = io.BytesIO()
    machines.pack(archive, machines.files_of(tmp_path))
    machines.pack(archive, [("init", 0o100755, b"#!/bin/sh\n")])
    files = listed(archive.getvalue())
    by_name = {name: (mode, content) for name, mode, content in files}
    assert [name for name, *_ in files].count("TRAILER!!!") == 2
    assert by_name["directory"] == (0o040700, b"")
    assert by_name["directory/nnn"] == (stat.S_IFREG | 0o644 & ~umask(), b"xx")
    assert by_name["link"] == (0o120777, b"directory/n")
    assert by_name["init"] == (0o100755, b"#!/bin/sh\n")


def umask() -> int:
    """The bits that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


# ---- what is kept -------------------------------------------------------------------------------


def test_what_is_kept_is_made_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(unpacked, "_made", set())
    made: list[int] = []

    def make(path: Path) -> None:
        made.append(len(made))
        (path / "file").write_text(str(made[-1]))

    def content(anew: bool = False) -> str:
        with unpacked.kept("name", make, anew) as path:
            return (path / "file").read_text()

    assert [content(), content(), content(anew=True)] == ["0", "0", "0"]
    unpacked._made.clear()  # as in another process
    assert [content(), content(anew=True), content(anew=True)] == ["0", "1", "1"]
    unpacked._made.clear()
    yesterday = time.time() - unpacked.KEPT_FOR - 1
    os.utime(tmp_path / "cache" / "name", (yesterday, yesterday))
    assert content() == "2"


def test_what_cannot_be_made_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "CACHE", tmp_path / "cache")

    def fail(path: Path) -> None:
        (path / "half").touch()
        raise CannotBeMade("the package is gone")

    for _ in range(2):
        with pytest.raises(CannotBeMade, match="gone"), unpacked.kept("name", fail, False):
            pass
    with unpacked.kept("name", lambda path: (path / "whole").touch(), False) as path:
        assert os.listdir(path) == ["whole"]


# ---- emulated programs --------------------------------------------------------------------------


def test_the_rule_matches_programs_of_its_architecture_only() -> None:
    """By the bytes of this machine's own programs, as proc_binfmt_misc(5) describes it."""
    program = bytearray(Path("/bin/sh").resolve().read_bytes()[:20])
    bits, order = 32 * program[4], {1: "little", 2: "big"}[program[5]]
    own = int.from_bytes(program[18:20], order)  # type: ignore[arg-type]

    def matches(header: bytes) -> bool:
        architecture = architectures.ARCHITECTURES[0]._replace(header=header)
        rule = architectures.rule(architecture, "/emulator")
        _, _, kind, offset, magic, mask, emulator, flags = rule.split(":")
        assert (kind, offset, emulator, flags) == ("M", "", "/emulator", "PF")
        wanted, masked = (bytes.fromhex(re.sub(r"\\x", "", each)) for each in (magic, mask))
        assert len(wanted) == len(masked) == 20
        return all(byte & bit == its & bit for byte, its, bit in zip(program, wanted, masked))

    assert matches(architectures.header(bits, order, own))
    assert not matches(architectures.header(bits, order, own + 1))
    assert not matches(architectures.header(96 - bits, order, own))
    program[16:18] = (2).to_bytes(2, order)  # type: ignore[arg-type]  # ET_EXEC
    assert matches(architectures.header(bits, order, own))
    program[16:18] = (4).to_bytes(2, order)  # type: ignore[arg-type]  # ET_CORE
    assert not matches(architectures.header(bits, order, own))
