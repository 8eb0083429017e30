"""Other architectures, each program emulated by itself: big-endian, 32 bits, other system calls.

qemu-user translates the system calls, and this machine's kernel does them: in a user namespace,
where all ids are mapped, and where a binfmt_misc of its own starts the emulator. Its parts are
compared where they do not depend on the machine, and launches with the reference of the same
architecture. What the kernel is asked for through qemu is not always what was asked.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests import debian_roots
from tests.debian_roots import CLONE, Root
from tests.everywhere import compiled, unpacked
from tests.everywhere.environment import CannotBeMade, Environment, Visit
from tests.helpers import machine

PACKAGES = (
    *("bash", "busybox-static", "coreutils", "dash", "grep", "hostname", "libc-bin", "mount"),
    *("passwd", "procps", "python3", "python3-hypothesis", "python3-pytest"),
    *("python3-pytest-timeout", "sed", "uidmap", "util-linux"),
)
PATIENCE = 10.0  # minutes, for one program
ALL_IDS = ("--map-users=all", "--map-groups=all")


class Architecture(NamedTuple):
    """An architecture of Debian that qemu-user emulates."""

    name: str
    suite: str
    emulator: str
    purpose: str
    header: bytes  # e_ident, e_type and e_machine of ELF: elf(5)


def header(bits: int, order: str, number: int) -> bytes:
    """Return how programs of an architecture begin."""
    ident = b"\x7fELF" + bytes((bits // 32, 1 if order == "little" else 2, 1)) + bytes(9)
    return ident + (2).to_bytes(2, order) + number.to_bytes(2, order)


ARCHITECTURES = (
    Architecture("armhf", "bookworm", "qemu-arm-static", "32 bits", header(32, "little", 40)),
    Architecture("s390x", "bookworm", "qemu-s390x-static", "big-endian", header(64, "big", 22)),
    Architecture("ppc64el", "bookworm", "qemu-ppc64le-static", "POWER", header(64, "little", 21)),
    Architecture(
        "riscv64",
        "sid",
        "qemu-riscv64-static",
        "the newest system calls only",
        header(64, "little", 243),
    ),
)


def rule(architecture: Architecture, emulator: str) -> str:
    """Return the line for binfmt_misc that has programs of an architecture emulated.

    An ELF program is of type ET_EXEC or ET_DYN, and bytes 7 to 15 do not matter. It keeps its
    argument 0 (P). The emulator is opened now (F), for it lies outside of the root directory.
    """
    low = 17 if architecture.header[5] == 2 else 16  # e_type, the byte of less weight
    mask = bytearray(b"\xff" * 7 + b"\0" * 9 + b"\xff" * 4)
    mask[low] = 0xFE
    magic, masked = (
        "".join(f"\\x{byte:02x}" for byte in each) for each in (architecture.header, mask)
    )
    return f":{architecture.name}:M::{magic}:{masked}:{emulator}:PF"


def emulate(architecture: Architecture, visit: Visit) -> None:
    """Run tests in a root directory of an architecture."""
    arch = architecture.name
    emulator = shutil.which(architecture.emulator)
    if not emulator:
        raise CannotBeMade(f"no qemu: {architecture.emulator} is missing")
    if not machine.has("binfmt_misc in a user namespace"):
        raise CannotBeMade("this kernel has no binfmt_misc in user namespaces, as Linux 6.7 has")
    visit.say(f"unpacking {architecture.suite} for {arch}")
    make = functools.partial(unpacked.system, architecture.suite, arch, PACKAGES)
    root = Root(visit.directory / "root")
    with (
        unpacked.kept(f"root-{arch}", make, visit.anew) as kept,
        compiled.programs(arch, visit.anew) as programs,
    ):
        for source in (kept, *programs):
            subprocess.run(["cp", "-aT", source, root.path], check=True)
    root.clone()
    outside = [*debian_roots.isolated(), *ALL_IDS]
    outside += ["--load-interp", rule(architecture, emulator)]
    for what, script in (("launches", LAUNCHES), ("parts", PARTS)):
        line = root.line(["/bin/sh", "-euc", script], compiled.VARIABLES)
        visit.run(f"{what}, {Path(emulator).name}", [*outside, *line], patience=PATIENCE)


BEFORE = f"""\
cd {CLONE}
python3 -B building/one_file.py --output /usr/local/bin/pyunshare /usr/bin/python3
export HYPOTHESIS_PROFILE=few
exec """
# A program that is the first of a PID namespace and kills itself does not end with qemu.
LAUNCHES = BEFORE + "python3 -IS tests/everywhere/launches.py --without-programs"
# Of the tests, those of parts that compute, or that are not the same everywhere
PARTS = (
    BEFORE
    + """\
python3 -m pytest -p no:cacheprovider tests/test_structures.py tests/test_system.py \
    tests/test_files.py tests/test_values.py tests/test_options.py tests/test_help.py \
    tests/test_request.py tests/test_idmaps.py tests/test_status.py
"""
)

ENVIRONMENTS = [
    Environment(
        each.name,
        each.purpose,
        f"python3 of {each.suite} for {each.name}, unpacked, by {each.emulator}",
        functools.partial(emulate, each),
    )
    for each in ARCHITECTURES
]
