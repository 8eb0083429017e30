"""Programs in new namespaces for asyncio, as asyncio.create_subprocess_exec() starts others."""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.streams import FlowControlMixin
from functools import partial
from typing import Any

from .interface import Popen

DEFAULT_LIMIT = 1 << 16  # bytes that a stream reads ahead, as in asyncio


class Process:
    """A running program: what asyncio.subprocess.Process is, for a Popen of ours."""

    def __init__(self, process: Popen) -> None:
        self._process = process
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None

    async def connect(self, limit: int) -> None:
        """Make streams of the pipes."""
        loop = asyncio.get_running_loop()
        if self._process.stdin:
            transport, protocol = await loop.connect_write_pipe(
                FlowControlMixin, self._process.stdin
            )
            self.stdin = asyncio.StreamWriter(transport, protocol, None, loop)
        self.stdout, self.stderr = [
            await _stream_of(pipe, limit) for pipe in (self._process.stdout, self._process.stderr)
        ]

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
    start = partial(Popen, [program, *args], bufsize=0, **keywords)
    starting = asyncio.get_running_loop().run_in_executor(None, start)
    try:
        process = Process(await asyncio.shield(starting))
    except asyncio.CancelledError:
        starting.add_done_callback(_end)
        raise
    try:
        await process.connect(limit)
    except BaseException:
        _end(starting)
        raise
    return process


def _end(starting: asyncio.Future[Popen]) -> None:
    """Kill a program that nobody will have."""
    if not starting.cancelled() and starting.exception() is None:
        process = starting.result()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


async def _stream_of(pipe: Any, limit: int) -> asyncio.StreamReader | None:
    if pipe is None:
        return None
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit, loop)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader, loop=loop), pipe)
    return reader


async def _read(stream: asyncio.StreamReader | None) -> bytes | None:
    return None if stream is None else await stream.read()
