"""Plain helpers of the tests of hints: launches that fail, and what they tell."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pyunshare.diagnostics.rules import Hints
from pyunshare.diagnostics.system import System
from pyunshare.errors import Failure
from pyunshare.options.parser import take_options
from pyunshare.options.request import Request
from tests.helpers import support
from tests.helpers.support import (
    NAME,
    WITH_SUBORDINATE_IDS,
    WITHOUT_SUBORDINATE_IDS,
    Result,
    User,
    Word,
    command,
)
from tests.test_isolation import busybox

ALWAYS = {**support.ENVIRONMENT, "PYUNSHARE_HINTS": "always"}
USERS = pytest.mark.parametrize(
    "user",
    [WITH_SUBORDINATE_IDS, WITHOUT_SUBORDINATE_IDS],
    ids=["with subordinate ids", "without"],
)


class Told:
    """What a launch that failed has told: its message, the cause, and the commands to type."""

    def __init__(self, result: Result, name: str = NAME) -> None:
        self.result = result
        lines = os.fsdecode(result.stderr).splitlines()
        lines = [line for line in lines if not re.match(r"\S*strace: ", line)]
        start = f"{name}: hint: "
        hints = [line[len(start) :] for line in lines if line.startswith(start)]
        self.messages = [line for line in lines if not line.startswith(start)]
        assert len(hints) <= 2, result
        assert all(not line.startswith(start) for line in lines[: -len(hints) or None]), result
        self.cause = hints[0] if hints else ""
        typed = hints[1] if len(hints) > 1 else "type: "
        assert typed.startswith("type: "), result
        self.commands = [line for line in typed[len("type: ") :].split("   or: ") if line]

    @property
    def typed(self) -> list[str]:
        """The commands without where ours lies, and who is to become root."""
        plain = []
        for line in self.commands:
            words = shlex.split(line)
            if words[0] in ("sudo", "doas"):
                line = line.partition(" ")[2]
            elif words[:2] == ["su", "-c"]:
                line = words[2]
            plain.append(
                re.sub(
                    r"^(env PYTHONPATH=\S+ )?(\S*python3?[\d.]* -m |\S*/)?pyunshare\b",
                    "pyunshare",
                    line,
                )
            )
        return plain

    def words(self) -> list[str]:
        """The words behind our name in the first command."""
        name, *words = shlex.split(self.typed[0])
        assert name == "pyunshare", self.typed
        return words


def tell(*words: Word, environment: dict[str, str] | None = None, **given: Any) -> Told:
    """Run the command, which has to fail, with hints."""
    result = support.pyunshare(*words, environment={**ALWAYS, **(environment or {})}, **given)
    assert result.status not in (0, None), result
    return Told(result)


def inside(options: Sequence[str], script: str, words: Sequence[Word], user: User) -> Told:
    """Run a shell script in a launch, then the command from within it."""
    program = command(user)
    again: list[Word] = [program.file, *program.arguments, *words]
    outer = [*options, "/bin/sh", "-c", f'{script}; exec "$@"', "sh", *again]
    result = support.pyunshare(*outer, user=user, environment=ALWAYS)
    assert result.status not in (0, None), result
    return Told(result)


def works(told: Told, user: User, conditions: Sequence[Word] = ()) -> None:
    """The first command that was told works."""
    result = support.pyunshare(*told.words(), user=user, conditions=conditions)
    assert result.status == 0, (told.commands, result)
    assert result.stderr == b"", result


def own(*words: str) -> list[str]:
    """The command under test as the program of itself, with these options."""
    program = command()
    return [program.file, *program.arguments, *words, "true"]


def hints_of(words: list[str], failure: Failure, root: Path, others_work: bool = True) -> str:
    """What is said of a failure on a made-up machine, under the name unshare.

    There any other command line works, or none.
    """

    def rehearse(argv: list[str]) -> None:
        assert others_work

    request = Request.from_options(take_options([*words]))
    return Hints("unshare", words, request, System(str(root))).about(failure, rehearse)


def failed(step: str, errno: int | None = None, path: str = "") -> Failure:
    """The failure of a step."""
    return Failure("it failed", errno, step=step, path=path)


def root_with(**files: bytes) -> Path:
    """A root directory with busybox as /bin/busybox, and executable files in /bin."""
    root = support.new_directory()
    (root / "bin").mkdir()
    shutil.copy(busybox(), root / "bin" / "busybox")
    for name, content in files.items():
        (root / "bin" / name).write_bytes(content)
        (root / "bin" / name).chmod(0o755)
    return root


def on_terminal(words: Sequence[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run the command with a terminal as its standard error; its status, and what it says."""
    master, slave = pty.openpty()
    environment = {**environment, **dict(command().environment)}
    program = command()
    line = [program.file, *program.arguments, *words]
    with support.popen(line, environment=environment, stdout=slave, stderr=slave) as process:
        os.close(slave)
        said = b""
        while True:
            if not select.select([master], [], [], support.PATIENCE)[0]:
                support.kill_session(process)
                raise AssertionError(f"it says no more than {said!r}")
            try:
                block = os.read(master, 1 << 12)
            except OSError:  # EIO: nobody has the terminal any more
                break
            if not block:
                break
            said += block
        os.close(master)
    return process.returncode, said.decode().replace("\r\n", "\n")
