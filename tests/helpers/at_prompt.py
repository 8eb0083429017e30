"""A shell in a situation that a test has made, to type into it what a hint tells.

Everything in it is the machine's own, such as su(1) and usermod(8), but for /etc, which is a copy
with users of our own: the password of root, and of nobody else, is known here.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pexpect

from tests.helpers import support
from tests.helpers.hinting import Told
from tests.helpers.support import ROOT, Result, User, Word

PASSWORD = "secret"
SHADOW = (
    "$6$pyunshare$52smUlHQfo/fe20BBRTv.ZbYDCeK0eJg14O8lfBd9BJC693H2sHb3c90ES7EB5oRoFwRGnlx9ZJ4UmY"
    "Ti2vrG."
)
PROMPT = "(ready) "
PATIENCE = 60
IS_MEASURED = "measured.py" in os.environ.get("PYUNSHARE_COMMAND", "")
WAYS_TO_ROOT = ("sudo", "doas", "su")


def copied_etc(**replaced: str) -> Path:
    """A copy of /etc with our users, in which sudo and doas ask for no password."""
    etc = support.new_directory() / "etc"
    etc.mkdir()
    for path in Path("/etc").iterdir():
        target = etc / path.name
        if path.is_symlink():
            target.symlink_to(os.readlink(path))
        elif path.is_dir() and path.name in ("pam.d", "security", "alternatives", "default"):
            shutil.copytree(path, target, symlinks=True, ignore_dangling_symlinks=True)
        elif path.is_file():
            shutil.copy2(path, target)
    texts = {Path(name).name: file.read_text() for name, file in support.databases().items()}
    lines = texts["passwd"].splitlines()
    texts["shadow"] = "".join(
        f"{line.split(':')[0]}:{SHADOW if line.startswith('root:') else '!'}:19000:0:99999:7:::\n"
        for line in lines
    )
    texts["gshadow"] = ""
    texts["sudoers"] = "ALL ALL=(ALL:ALL) NOPASSWD: ALL\n"
    texts["doas.conf"] = "permit nopass :pyunshare-without\npermit nopass :pyunshare-with\n"
    for name, text in {**texts, **replaced}.items():
        (etc / name).unlink(missing_ok=True)
        (etc / name).write_text(text)
        (etc / name).chmod(0o640 if "shadow" in name else 0o440 if name == "sudoers" else 0o644)
    etc.chmod(0o755)
    return etc


@functools.cache
def command_directory() -> Path:
    """A directory with the command, for everybody to execute."""
    directory = support.new_directory()
    directory.chmod(0o755)
    script = support.copied_package() / "bin" / "pyunshare"
    first, rest = script.read_text().split("\n", 1)
    for python in (sys.executable, "/usr/bin/python3"):
        line = [str(support.compiled("start")), "user=61002:61002:", "--", python, python]
        tried = support.run([*line, "-Ic", "import sys; assert sys.version_info >= (3, 9)"])
        if tried.status == 0:
            break
    (directory / "bin").mkdir()
    copy = directory / "bin" / "pyunshare"
    if IS_MEASURED:
        copy.write_text(f'#!/bin/sh\nexec {os.environ["PYUNSHARE_COMMAND"]} "$@"\n')
        copy.chmod(0o755)
        (directory / "bin").chmod(0o755)
        return directory / "bin"
    copy.write_text(f"#!{python} {first.split()[1]}\n{rest}")
    copy.chmod(0o755)
    shutil.copytree(support.copied_package() / "pyunshare", directory / "pyunshare")
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path == copy else 0o644)
    return directory / "bin"


class Prompt:
    """A shell of a user on a terminal, after a script has been run by root."""

    def __init__(
        self,
        user: User = ROOT,
        *,
        setup: str = "true",
        conditions: Sequence[Word] = (),
        etc: Path | None = None,
        path: str = support.STANDARD_PATH,
        way_to_root: str = "",
        last: Sequence[Word] = (),
        inside: Sequence[str] = (),
    ) -> None:
        """Start it.

        ``way_to_root`` leaves one of WAYS_TO_ROOT only; ``last`` are conditions that come after
        the user's, and ``inside`` are the options of a launch around the shell.
        """
        start = str(support.compiled("start"))
        nothing = support.new_directory() / "nothing"
        nothing.touch()
        hidden = []
        if way_to_root:
            others = [way for way in WAYS_TO_ROOT if way not in (way_to_root, "su")]
            found = [shutil.which(way, path=support.STANDARD_PATH) for way in others]
            hidden = [f"bind={nothing}:{os.path.realpath(way)}" for way in found if way]
        if etc:
            hidden.append(f"bind={etc}:/etc")
        line: list[Word] = ["mounts", *hidden, *conditions, "--", "/bin/sh", "sh", "-c"]
        become = [support.user_condition(user)] if user.uid else []
        shell = ["/bin/sh", "sh", "-i"]
        if inside:
            command = str(command_directory() / "pyunshare")
            shell = [command, "pyunshare", *inside, "/bin/sh", "-i"]
        inner: list[Word] = [start, *become, *last, "--", *shell]
        script = f'{setup}\nexec "$@"'
        environment = {
            **support.ENVIRONMENT,
            "PATH": f"{command_directory()}:{path}",
            "PYUNSHARE_HINTS": "always",
            "PS1": PROMPT,
            "ENV": "",
            "TERM": "dumb",
            "HISTFILE": "",
        }
        self._terminal = pexpect.spawn(
            start,
            [os.fsdecode(word) for word in [*line, script, "sh", *inner]],
            env=environment,
            cwd=str(support.workspace()),
            timeout=PATIENCE,
            dimensions=(24, 4000),
            encoding="utf-8",
        )
        self._terminal.delaybeforesend = None
        self._read()
        self.type("stty -echo 2>/dev/null; set +o emacs 2>/dev/null")

    def __enter__(self) -> Prompt:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._terminal.close(force=True)

    def type(self, line: str) -> tuple[int, str]:
        """Type a line; return the status and what was said."""
        self._terminal.sendline(line)
        said = self._read()
        self._terminal.sendline("echo status $?")
        found = re.search(r"status (\d+)", self._read())
        assert found
        return int(found[1]), said.partition(line)[2] if said.startswith(line) else said

    def _read(self) -> str:
        said = ""
        while self._terminal.expect_exact([PROMPT, "assword:"]):
            said += self._terminal.before
            self._terminal.sendline(PASSWORD)
        return (said + self._terminal.before).replace("\r\n", "\n")

    def tell(self, *words: str) -> Told:
        """Type our command with these words, which fails, and return what it tells."""
        status, said = self.type(shlex.join(["pyunshare", *words]))
        assert status, said
        return Told(Result(status, b"", said.strip("\n").encode(), 0), "pyunshare")

    def works(self, *words: str) -> None:
        """Type our command with these words, which works."""
        status, said = self.type(shlex.join(["pyunshare", *words]))
        assert (status, said) == (0, ""), (words, said)

    def mends(self, told: Told, *words: str) -> None:
        """Each command that was told is typed, and then what was wanted works."""
        assert told.commands, told.result
        for line in told.commands:
            status, said = self.type(line)
            assert status == 0, (line, said)
            if "pyunshare " not in line.replace("/pyunshare ", "pyunshare "):
                self.works(*words)
