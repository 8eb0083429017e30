"""What a program prints, over a serial line on which others write too, such as the kernel.

Each piece is a line of its own that has a number and a checksum: what is lost, damaged or
somebody else's does not pass for what the program printed.

    python3 -m tests.everywhere.frames PORT PROGRAM [ARGUMENT...]

runs a program, and sends what it prints and its status.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

FRAME = re.compile(rb"@pyunshare ((\d+) (printed|status) (\S*)) ([0-9a-f]{8})\s*$")
PIECE = 700  # bytes; a line of a terminal has at most 4095


class Damage(Exception):
    """What was sent has not arrived as it was."""


class Frame(NamedTuple):
    """A piece of what a program printed, or its status."""

    number: int
    kind: str
    content: bytes

    def line(self) -> bytes:
        """Return the line that is sent; whatever stood before it on the line ends there."""
        said = b"%d %s %s" % (self.number, self.kind.encode(), base64.b64encode(self.content))
        return b"\n@pyunshare %s %08x\n" % (said, binascii.crc32(said))


def received(lines: Iterable[bytes]) -> Iterator[Frame]:
    """Give the frames among lines, up to the one with the status. Raises Damage."""
    expected = 0
    for line in lines:
        found = FRAME.search(line)
        if not found:
            if b"@pyunshare " in line:
                raise Damage(f"piece {expected} is damaged")
            continue
        said, number, kind, content, checksum = found.groups()
        if binascii.crc32(said) != int(checksum, 16):
            raise Damage(f"piece {expected} is damaged")
        if int(number) != expected:
            raise Damage(f"piece {expected} is missing")
        expected += 1
        yield Frame(int(number), kind.decode(), base64.b64decode(content))
        if kind == b"status":
            return
    raise Damage(f"it ended after {expected} pieces, without a status")


def main() -> None:
    """Run a program, and send what it prints, and its status, to a serial port."""
    port = os.open(sys.argv[1], os.O_WRONLY | os.O_NOCTTY)
    number = 0

    def send(kind: str, content: bytes) -> None:
        nonlocal number
        line = Frame(number, kind, content).line()
        while line:
            line = line[os.write(port, line) :]
        number += 1

    reader, writer = os.pipe()
    with subprocess.Popen(sys.argv[2:], stdout=writer, stderr=writer) as program:
        os.close(writer)
        while piece := os.read(reader, PIECE):
            send("printed", piece)
    send("status", str(program.returncode).encode())


if __name__ == "__main__":
    main()
