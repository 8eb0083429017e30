"""Starting the program as a child of a thread, where a launch would become it.

The code of a launch looks for the program and executes it: :mod:`pyunshare.launch.program`. Here
it is given something else to execute files with.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from errno import EAGAIN, ENOMEM
from typing import TYPE_CHECKING, Any

from ..options.request import Request
from ..syscalls import CLONE_NEWPID
from .original import SubprocessPopen

if TYPE_CHECKING:
    from .popen import Popen


def start_child(process: Popen, argv: list[Any], keywords: Mapping[str, Any]) -> None:
    """Have subprocess start a child, but not by posix_spawn(3), which ignores signal 32 in it."""
    directory = keywords.get("cwd")
    if directory is None and os.access(".", os.X_OK):
        directory = "."  # what posix_spawn(3) cannot do, and changes nothing
    SubprocessPopen.__init__(process, argv, **{**keywords, "cwd": directory})


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

    def __call__(self, path: str, argv: list[str], env: Mapping[bytes, bytes] | None) -> None:
        """Start the program in a file. Raises OSError as execve(2) fails."""
        if path in self._failed:
            raise self._failed[path]
        os.stat(path)  # most directories of PATH do not have it, which is told sooner so
        if self._has_pid_namespace and not self._is_first:
            raise NamespaceLost
        self._is_first = False
        executable = path if "/" in path else f"./{path}"
        try:
            keywords = {**self._keywords, "env": env, "executable": executable}
            start_child(self._process, argv, keywords)
        except BaseException as error:
            self._process._child_created = False  # subprocess has waited for it
            if not isinstance(error, OSError):
                raise
            if error.filename != executable:
                raise NotStarted(self._plain(error)) from None
            self._failed[path] = error
            raise

    def _plain(self, error: OSError) -> OSError:
        """Return an error as it is without the directory and the namespace that we add."""
        number = error.errno
        if number == ENOMEM and self._has_pid_namespace:
            # After vfork(2) CPython tries fork(2), which finds the namespace lost by the first.
            number = EAGAIN
        return OSError(number, os.strerror(number or 0))
