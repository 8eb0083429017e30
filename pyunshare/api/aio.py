"""Programs in new namespaces for asyncio, as asyncio.create_subprocess_exec() starts others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from asyncio.base_subprocess import BaseSubprocessTransport
from asyncio.subprocess import Process, SubprocessStreamProtocol
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE
from typing import Any

from .popen import Popen
from .threads import CALLER, THREAD, Race

DEFAULT_LIMIT = 1 << 16  # bytes that a stream reads ahead, as in asyncio


class Transport(BaseSubprocessTransport):
    """What connects a loop with a program of ours that has been started."""

    def __init__(self, process: Popen, protocol: SubprocessStreamProtocol) -> None:
        self._process = process
        loop = asyncio.get_running_loop()
        self.connected = loop.create_future()
        pipes = (PIPE if pipe else None for pipe in (process.stdin, process.stdout, process.stderr))
        arguments: Any = (loop, protocol, process.args, False, *pipes, 0, self.connected)
        super().__init__(*arguments)

    def _start(self, *_: Any, **__: Any) -> None:
        self._proc = self._process

    def send_signal(self, signal: int) -> None:
        """Send a signal to the program, also where a process of ours waits for it."""
        self._check_proc()
        self._process.send_signal(signal)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the loop notice the end of the program."""
        try:
            pidfd = os.pidfd_open(self._process.pid)
        except (AttributeError, OSError):  # built without it, or Linux before 5.3
            threading.Thread(target=self._wait_for_end, args=(loop,), daemon=True).start()
            return
        close = weakref.finalize(self, os.close, pidfd)  # if the loop is closed before that

        def ended() -> None:
            loop.remove_reader(pidfd)
            close()
            self._process_exited(self._process.wait())

        loop.add_reader(pidfd, ended)

    def _wait_for_end(self, loop: asyncio.AbstractEventLoop) -> None:
        status = self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(self._process_exited, status)


async def create_subprocess_exec(
    program: Any, *args: Any, limit: int = DEFAULT_LIMIT, **keywords: Any
) -> Process:
    """Start a program in new namespaces: asyncio.create_subprocess_exec() with our options.

    Raises what Popen raises. Where this is cancelled, the launch is given up, or the program
    killed.
    """
    for keyword in ("bufsize", "shell", "text", "encoding", "errors", "universal_newlines"):
        if keywords.pop(keyword, None):
            raise ValueError(f"{keyword} is not supported: the streams are of bytes")
    race = Race()  # of the start of the program
    process = Popen.__new__(Popen)

    def start() -> None:
        process.__init__([program, *args], bufsize=0, **keywords)  # type: ignore[misc]
        if not race.is_won_by(THREAD):
            process._kill_and_reap()  # not left to the loop, which may be closed by now

    loop = asyncio.get_running_loop()
    # Not the loop's own executor, whose threads may all wait for this program, or which may be shut
    executor = ThreadPoolExecutor(1)
    starting = loop.run_in_executor(executor, start)
    executor.shutdown(wait=False)
    transport = None
    try:
        await asyncio.shield(starting)
        protocol = SubprocessStreamProtocol(limit=limit, loop=loop)
        transport = Transport(process, protocol)
        transport.watch(loop)
        await asyncio.shield(transport.connected)
    except BaseException as error:
        starting.add_done_callback(lambda future: future.cancelled() or future.exception())
        if isinstance(error, GeneratorExit) and transport:  # nobody awaits this any more
            transport.close()
            process.wait()
        elif transport:
            try:
                await transport.connected
            finally:
                transport.close()  # which kills the program
                await transport._wait()  # until the loop has let go of the pipes
        elif race.is_won_by(CALLER):
            process._cancel_start()
            if not isinstance(error, GeneratorExit):
                await asyncio.wait([starting])
        else:
            process._kill_and_reap()
        raise
    finally:
        if starting.done():
            executor.shutdown()  # until its thread is gone
    return Process(transport, protocol, loop)


create_subprocess_exec.__module__ = "pyunshare"
