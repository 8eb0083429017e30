"""Starting the Python interpreter that does a launch, or one after the other."""

from __future__ import annotations

import _socket
import contextlib
import os
import re
import sys
from functools import cache, partial
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

from .exceptions import launch_error
from .job import records_of, send
from .original import SubprocessPopen

if TYPE_CHECKING:
    from .plan import Plan
    from .popen import Popen

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What the installed command runs, where that has been built: building/script.py. Whatever is
# wrong with the files of the package by now, nothing of it is printed.
_START = """\
import _signal, posix, sys
_signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
directory = sys.argv.pop(1)
try:
    with open(directory + "/loading.py", encoding="utf-8") as file:
        exec(file.read())
    try:
        loader = careful_loader()("amalgamation", directory + "/amalgamation.py")
        exec(loader.get_code("amalgamation"))
    except OSError:
        package = sys.modules["pyunshare"] = type(sys)("pyunshare")
        package.__path__ = [directory]
        load_carefully(directory)
    from pyunshare.api.intermediate import main
    main()
finally:
    posix._exit(1)
"""

_NAMES = re.compile(r"python(\d(\.\d+)?)?")
_MAIN = b"Py_BytesMain\0"  # what the main() of a Python calls, and of others does not


def start_interpreter(channel: _socket.socket, mode: str) -> SubprocessPopen[bytes]:
    """Start an interpreter that serves at this socket: "once", or for "many" launches.

    It has nothing of what is given for a program. Raises LaunchError.
    """
    executable = sys.executable
    if not executable:
        raise launch_error("there is no Python interpreter to do the launch with")
    if getattr(sys, "frozen", False) or not _is_python(executable):
        # A program that has Python in it would run itself once more, with these arguments.
        raise launch_error(f"{executable} is no Python interpreter, which the launch takes")
    try:
        return SubprocessPopen(
            [executable, "-I", "-S", "-X", "utf8", "-c", _START, _PACKAGE, mode],
            stdin=channel.fileno(),
            stdout=DEVNULL,
            stderr=DEVNULL,
            env=_environment(),
            pass_fds=(2,),  # with which posix_spawn(3) is not used: it has signals ignored
        )
    except OSError as error:
        if error.filename != executable:
            raise
        message = f"failed to execute {executable}"
        raise launch_error(message, error.errno, "execve", executable) from None


def begin(
    process: Popen,
    plan: Plan,
    job: dict[str, Any],
    files: list[int],
    ours: _socket.socket,
    theirs: _socket.socket,
) -> None:
    """Have a new interpreter begin a job for ``process``, and report to a socket."""
    interpreter = start_interpreter(theirs, "once")
    process.pid, interpreter.returncode = interpreter.pid, 0  # it is the other's to wait for
    process._child_created = True
    theirs.close()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # told later
        send(ours, records_of(job, files), partial(process._wait_for, blocked=plan.blocked))


@cache
def _is_python(executable: str) -> bool:
    """Return whether a file has the name of Python, or is one that was given another."""
    if _NAMES.fullmatch(os.path.basename(os.path.realpath(executable))):
        return True
    import mmap  # rarely needed, and a file of its own

    try:
        access = mmap.ACCESS_READ
        file = open(executable, "rb", opener=_open_at_once)  # noqa: SIM115
        with file, mmap.mmap(file.fileno(), 0, access=access) as content:
            return content.find(_MAIN) >= 0
    except (OSError, ValueError):  # not to be read; empty, as what is no regular file is
        return False


def _open_at_once(path: str, flags: int) -> int:
    """Open a file, and wait for nobody who writes to it, should it be a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _environment() -> dict[bytes, bytes]:
    """Return what the loader may need, and used for this process already.

    All of os.environ would be too much: what is set there is meant for programs, which may have
    fewer rights than the interpreter.
    """
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return {}
    name = b"LD_LIBRARY_PATH"
    for entry in entries:
        if entry.startswith(name + b"="):
            directories = re.split(b"[:;]", entry[len(name) + 1 :])  # ld.so(8)
            return {name: b":".join(each for each in directories if each.startswith(b"/"))}
    return {}
