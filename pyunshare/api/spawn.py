"""Starting the program as a child, where a launch would become it.

The code of a launch looks for the program and executes it: :mod:`pyunshare.program`. Here it is
given something else to execute files with.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..options.request import Request
from ..syscalls import CLONE_NEWPID

if TYPE_CHECKING:
    from .popen import Popen


def as_bytes(variables: Mapping[Any, Any] | None) -> Mapping[bytes, bytes]:
    """Return environment variables, this process's own for None, as the kernel knows them."""
    if variables is None:
        return os.environb
    return {os.fsencode(name): os.fsencode(value) for name, value in variables.items()}


def start_child(process: Popen, words: list[Any], keywords: Mapping[str, Any]) -> None:
    """Have subprocess start a child, but not by posix_spawn(3), which ignores signal 32 in it."""
    directory = keywords.get("cwd")
    if directory is None and os.access(".", os.X_OK):
        directory = "."  # what posix_spawn(3) cannot do, and changes nothing
    subprocess.Popen.__init__(process, words, **{**keywords, "cwd": directory})


class NotStarted(BaseException):
    """The child could not be made, whatever program it was to become."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(reason)
        self.reason = reason


class NamespaceLost(BaseException):
    """The new PID namespace ended with its first process, which could not execute a file."""


class Starter:
    """What a launch executes files with where a child is to be the program.

    ``failed`` has the files that could not be executed, with the reason, when the launch has to
    begin again.
    """

    def __init__(
        self,
        process: Popen,
        request: Request,
        keywords: Mapping[str, Any],
        failed: dict[str, OSError],
    ) -> None:
        self._process = process
        self._has_pid_namespace = bool(request.flags & CLONE_NEWPID)
        self._is_first = True
        self._keywords = keywords
        self._failed = failed

    def __call__(
        self, path: str, words: list[str], variables: Mapping[bytes, bytes] | None
    ) -> None:
        """Start the program in a file. Raises OSError as execve(2) fails."""
        if path in self._failed:
            raise self._failed[path]
        os.stat(path)  # most directories of PATH do not have it, which is told sooner so
        if self._has_pid_namespace and not self._is_first:
            raise NamespaceLost
        self._is_first = False
        executable = path if "/" in path else f"./{path}"
        try:
            start_child(
                self._process, words, {**self._keywords, "env": variables, "executable": executable}
            )
        except BaseException as error:
            self._process._child_created = False  # subprocess has waited for it
            if not isinstance(error, OSError):
                raise
            if error.filename is None:
                raise NotStarted(error) from None
            self._failed[path] = error
            raise
