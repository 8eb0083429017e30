"""What the kernel's structures and numbers are taken for, against what is known in another way.

They differ between architectures, in the order of bytes and the width of a word:
tests/everywhere/architectures.py has this run by many.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

import pytest

from pyunshare import capabilities, syscalls
from pyunshare.diagnostics import probes
from tests.helpers import support
from tests.helpers.machine import needs


def status(field: str) -> str:
    """A field of proc_pid_status(5)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    raise AssertionError(f"no {field} in /proc/self/status")


def test_effective_capabilities() -> None:
    syscalls.load_c_library()
    assert capabilities.Capabilities().effective == int(status("CapEff"), 16)


@needs("root")
@pytest.mark.parametrize("capability", [0, 21, 38])  # CHOWN, SYS_ADMIN, PERFMON
def test_capabilities_are_kept_one_by_one(capability: int) -> None:
    """In both halves of a set, of which each is a word."""
    if not int(status("CapPrm"), 16) >> capability & 1:
        pytest.skip(f"this root has no capability {capability}")

    def sets() -> str:
        syscalls.load_c_library()
        found = capabilities.Capabilities()
        found.make_permitted_inheritable()
        capabilities.raise_ambient_capability(capability)
        return f"{status('CapInh')} {status('CapAmb')}"

    assert support.in_a_child(sets) == f"{status('CapPrm')} {1 << capability:016x}"


def test_the_place_of_the_inode(tmp_path: Path) -> None:
    inode = (os.stat(tmp_path).st_ino).to_bytes(8, sys.byteorder)
    assert probes._identity(str(tmp_path))[1] == inode


def test_the_place_of_the_mount(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_PATH)
    try:
        text = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    finally:
        os.close(descriptor)
    (number,) = [int(line.split()[1]) for line in text.splitlines() if "mnt_id" in line]
    found = int.from_bytes(probes._identity(str(tmp_path))[0], sys.byteorder)
    if found == 0:
        pytest.skip("this kernel does not tell the mount: statx(2) does since Linux 5.8")
    assert found == number


def test_mount_points(tmp_path: Path) -> None:
    if probes.is_no_mount_point("/proc") is None:
        pytest.skip("this kernel does not tell mount points: statx(2) does since Linux 5.8")
    assert probes.is_no_mount_point("/proc") is False
    assert probes.is_no_mount_point(str(tmp_path)) is True


@pytest.mark.parametrize("name", [name for name in dir(syscalls) if name.startswith("E")])
def test_numbers_of_errors(name: str) -> None:
    assert getattr(syscalls, name) == getattr(errno, name)


# Python 3.12 and newer know those of unshare(2), too.
KNOWN = {**vars(time), **vars(os)}.keys() & vars(syscalls).keys()


@pytest.mark.parametrize("name", sorted(name for name in KNOWN if name.startswith("CLO")))
def test_numbers_that_python_knows(name: str) -> None:
    assert getattr(syscalls, name) == getattr(os, name, getattr(time, name, None))
