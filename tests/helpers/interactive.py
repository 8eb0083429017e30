"""Typing into an interactive shell, to see what it makes of a key."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.helpers import support

PROMPT = b"(ready)"
LINE_BEGINS, LINE_ENDS = b"(line: ", b" :line)"
SHOW_LINE = "\x18p"  # Ctrl-X p, which the shells' settings below bind

ALL_MATCHES = "\x1b*"  # Escape *: put all the matches in
COMPLETE = "\t"

BASH_SETTINGS = """
PS1='(ready)'
bind 'set enable-bracketed-paste off'
bind -x '"\\C-xp": printf "(line: %s :line)" "$READLINE_LINE"'
"""

ZSH_SETTINGS = """
PS1='(ready)'
autoload -U compinit
compinit -u -D
zle -C all-matches complete-word _generic
zstyle ':completion:all-matches:*' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
show-line() { print -rn -- "(line: $BUFFER :line)" }
zle -N show-line
bindkey '^Xp' show-line
bindkey '\\e*' all-matches
"""


class Shell:
    """bash or zsh on a terminal, with settings of ours and no others."""

    def __init__(
        self,
        name: str,
        before: str,
        environment: Mapping[str, str],
        directory: Path,
        after: str = "",
    ) -> None:
        start = support.new_directory()
        if name == "bash":
            (start / "settings").write_text(before + BASH_SETTINGS + after)
            words = ["bash", "--noprofile", "--rcfile", str(start / "settings"), "-i"]
        else:
            (start / ".zshrc").write_text(before + ZSH_SETTINGS + after)
            words = ["zsh", "-d", "-i"]
        self._terminal, other_end = pty.openpty()
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("4H", 50, 4000, 0, 0))
        self._process = subprocess.Popen(
            words,
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
            env={**environment, "HOME": str(start), "ZDOTDIR": str(start), "TERM": "xterm"},
            cwd=directory,
            start_new_session=True,
        )
        os.close(other_end)

    def __enter__(self) -> Shell:
        self._read_until(PROMPT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        support.kill_session(self._process)
        self._process.wait()
        os.close(self._terminal)

    def line_after(self, keys: str) -> str:
        """Type keys, the last of them a special one, and return the line that they leave."""
        os.write(self._terminal, os.fsencode(keys + SHOW_LINE))
        shown = self._read_until(LINE_ENDS)
        return os.fsdecode(shown.rpartition(LINE_BEGINS)[2].partition(LINE_ENDS)[0])

    def _read_until(self, mark: bytes) -> bytes:
        output = b""
        deadline = time.monotonic() + support.PATIENCE
        while mark not in output:
            ready, _, _ = select.select([self._terminal], [], [], deadline - time.monotonic())
            assert ready, f"waited in vain for {mark!r}, got {output!r}"
            output += os.read(self._terminal, 1 << 16)
        return output


def fish_completions(
    line: str, settings: Sequence[str], environment: Mapping[str, str], directory: Path
) -> list[str]:
    """Return what fish has to offer at the end of a line."""
    complete = f"complete --do-complete={_fish_quoted(line)}"
    script = "\n".join([f"cd {_fish_quoted(str(directory))}", *settings, complete])
    home = {"HOME": environment.get("HOME") or str(support.new_directory())}
    result = support.run(["fish", "-c", script], environment={**environment, **home})
    assert (result.status, result.stderr) == (0, b""), result
    # From fish 4 on, worse matches follow, which a person does not see where there are good ones.
    found = [shown.partition("\t")[0] for shown in result.lines]
    return [word for word in found if word.startswith(line.split(" ")[-1])]


def _fish_quoted(text: str) -> str:
    """Quote a word; before 3.2, fish gives a script no arguments."""
    return "'" + re.sub(r"(['\\])", r"\\\1", text) + "'"
