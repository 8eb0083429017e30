"""Programs in new namespaces for asyncio, as asyncio.create_subprocess_exec() starts others."""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.streams import FlowControlMixin
from typing import Any

from .popen import Popen
from .threads import CALLER, THREAD, Race

DEFAULT_LIMIT = 1 << 16  # bytes that a stream reads ahead, as in asyncio


class Process:
    """A running program: what asyncio.subprocess.Process is, for a Popen of ours."""

    def __init__(self, process: Popen) -> None:
        self._process = process
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._transports: list[asyncio.BaseTransport] = []

    async def connect(self, limit: int) -> None:
        """Make streams of the pipes."""
        loop = asyncio.get_running_loop()
        if self._process.stdin:
            transport, protocol = await loop.connect_write_pipe(
                FlowControlMixin, self._process.stdin
            )
            self._transports.append(transport)
            self.stdin = asyncio.StreamWriter(transport, protocol, None, loop)
        self.stdout = await self._reader(self._process.stdout, limit)
        self.stderr = await self._reader(self._process.stderr, limit)

    async def _reader(self, pipe: Any, limit: int) -> asyncio.StreamReader | None:
        if pipe is None:
            return None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit, loop)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader, loop=loop), pipe
        )
        self._transports.append(transport)
        return reader

    def disconnect(self) -> None:
        """Have the loop forget the pipes, before others get the numbers of their descriptors."""
        for transport in self._transports:
            transport.close()

    @property
    def pid(self) -> int:
        """The process that ends with the program's status."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The status, None while the program runs."""
        return self._process.poll()

    async def wait(self) -> int:
        """Wait for the program's end and return its status."""
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(self._process.pid)
        except ProcessLookupError:  # it has been waited for
            return self._process.wait()
        except OSError:  # Linux before 5.3
            return await loop.run_in_executor(None, self._process.wait)
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return self._process.wait()

    async def communicate(self, input: bytes | None = None) -> tuple[bytes | None, bytes | None]:
        """Write the input, read what there is to the end, wait; return both outputs."""
        _, output, errors = await asyncio.gather(
            self._feed(input), _read(self.stdout), _read(self.stderr)
        )
        await self.wait()
        return output, errors

    async def _feed(self, input: bytes | None) -> None:
        if self.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if input is not None:
                self.stdin.write(input)
                await self.stdin.drain()
        self.stdin.close()

    def send_signal(self, signal: int) -> None:
        """Send the program a signal."""
        self._process.send_signal(signal)

    def terminate(self) -> None:
        """Send the program SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send the program SIGKILL."""
        self._process.kill()


async def create_subprocess_exec(
    program: Any, *args: Any, limit: int = DEFAULT_LIMIT, **keywords: Any
) -> Process:
    """Start a program in new namespaces: asyncio.create_subprocess_exec() with our options.

    Raises what Popen raises. Where this is cancelled, the program is killed.
    """
    for keyword in ("bufsize", "shell", "text", "encoding", "errors", "universal_newlines"):
        if keywords.pop(keyword, None):
            raise ValueError(f"{keyword} is not supported: the streams are of bytes")
    race = Race()  # of the start of the program
    started: list[Popen] = []

    def start() -> None:
        started.append(Popen([program, *args], bufsize=0, **keywords))
        if not race.is_won_by(THREAD):
            started[0].abandon()  # not left to the loop, which may be closed by now

    starting = asyncio.get_running_loop().run_in_executor(None, start)
    process = None
    try:
        await asyncio.shield(starting)
        process = Process(started[0])
        await process.connect(limit)
    except BaseException:
        if process:
            process.disconnect()
        if not race.is_won_by(CALLER):
            started[0].abandon()
        raise
    return process


async def _read(stream: asyncio.StreamReader | None) -> bytes | None:
    return None if stream is None else await stream.read()
