"""What a launch from Python is asked for, as one record that all ways of starting it share."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from ..launch.environ import filter_env
from ..launch.program import SHELL
from .caller import caught_signals, ignored_signals
from .kwargs import KEYWORDS, given_options, request_for
from .original import SubprocessPopen

# The parameters of subprocess's own, in their order
_code = SubprocessPopen.__init__.__code__
PARAMETERS = _code.co_varnames[2 : _code.co_argcount + _code.co_kwonlyargcount]
POSITIONAL = _code.co_varnames[2 : _code.co_argcount]


class Plan:
    """A launch as it was asked for.

    ``request`` and ``options``, those of a command line, say the same. ``name`` is that of the
    program's file, ``env`` None for this process's own environment, and ``keywords`` has what
    subprocess is to be given beside all this.
    """

    def __init__(self, args: Any, positional: Iterable[Any], keywords: dict[str, Any]) -> None:
        for name, value in zip(POSITIONAL, positional):
            if name in keywords:
                raise TypeError(f"Popen() got multiple values for argument {name!r}")
            keywords[name] = value
        for name in keywords:
            if name not in PARAMETERS and name not in KEYWORDS:
                raise TypeError(f"Popen() got an unexpected keyword argument {name!r}")
        for name in ("pass_fds", "whitelist_env"):  # which are looked at more than once
            if isinstance(keywords.get(name), Iterator):
                keywords[name] = [*keywords[name]]
        ours = {name: keywords.pop(name) for name in [*keywords] if name in KEYWORDS}
        executable, shell = keywords.pop("executable", None), keywords.pop("shell", False)
        self.argv: list[Any]
        self.argv, self.name = _argv_and_name(args, executable, shell)
        self.options = given_options(ours)
        self.request = request_for(self.options)
        if not isinstance(ours.get("whitelist_env"), (str, bytes, type(None))):
            # Names, in which a comma separates nothing
            self.request.kept_variables = [os.fsdecode(name) for name in ours["whitelist_env"]]
        self.env: Mapping[bytes, bytes] | None = env_as_bytes(keywords.pop("env", None))
        if self.request.clear_env:
            given = os.environb if self.env is None else self.env
            self.env = filter_env(given, self.request.kept_variables)
        self.preexec_fn = keywords.pop("preexec_fn", None)
        if keywords.get("cwd") is not None:
            _without_nul(os.fsencode(keywords["cwd"]))  # no descriptor, as chdir() would take
        self.keywords = keywords
        self.status = ""  # of this thread, as proc_pid_status(5) has it
        # The signals that the program is to have blocked, those that it is to ignore, and those
        # that this process handles in another way than it is to
        self.blocked: list[int] = []
        self.ignored: list[int] = []
        self.reset: list[int] = []
        # The descriptors that the program gets beside the standard ones, and whether no others
        self.pass_fds = keywords.get("pass_fds", ())
        self.close_fds = bool(keywords.get("close_fds", True) or self.pass_fds)

    def take_status(self, status: str, set_back: Container[int] = ()) -> None:
        """Note what a program inherits from this thread; some signals are set back for it."""
        self.status = status
        ignored = ignored_signals(status)
        self.ignored = [number for number in ignored if number not in set_back]
        self.reset = [*caught_signals(status), *{*ignored}.difference(self.ignored)]

    def check_bytes(self) -> None:
        """Raise what subprocess raises for arguments and variables that execve(2) cannot pass."""
        self.argv = [_without_nul(os.fsencode(word)) for word in self.argv]
        if self.name and not self.argv[0]:
            raise ValueError("argument 0 must not be empty")  # as for os.execv()
        for name, value in (self.env or {}).items():
            if b"=" in name:
                raise ValueError("illegal environment variable name")
            _without_nul(name + value)


def env_as_bytes(env: Mapping[Any, Any] | None) -> dict[bytes, bytes] | None:
    """Return environment variables as the kernel knows them."""
    if env is None:
        return None
    return {os.fsencode(name): os.fsencode(value) for name, value in env.items()}


def _without_nul(data: bytes) -> bytes:
    if b"\0" in data:
        raise ValueError("embedded null byte")
    return data


def _argv_and_name(args: Any, executable: Any, shell: bool) -> tuple[list[Any], str]:
    """Return the program's arguments and the name to look for, as subprocess understands them."""
    argv: list[Any]
    if isinstance(args, list):
        argv = [*args]
    elif isinstance(args, (str, bytes)) or (isinstance(args, os.PathLike) and not shell):
        argv = [args]
    elif isinstance(args, os.PathLike):
        raise TypeError("path-like args is not allowed when shell is true")
    else:
        argv = list(args)
    if shell:
        argv = [SHELL, "-c", *argv]
        if executable:
            argv[0] = executable
    if not argv:
        raise ValueError("args must not be empty")
    name = os.fsdecode(argv[0] if executable is None else executable)
    if "\0" in name:
        raise ValueError("embedded null byte")
    return argv, name
