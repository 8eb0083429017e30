"""What this machine allows, probed once; every mark of the black-box tests is made here.

A test says what it needs: ``@needs("root", "nsenter")``. What is missing skips it by name. With
``PYUNSHARE_TESTS_MUST_RUN=1`` a missing tool no longer skips: the test fails. Limits of the kernel
and the lack of privilege always skip, and say so.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Callable

from tests.helpers import support

if TYPE_CHECKING:  # it is not where only a question is asked
    import pytest

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_REC_PRIVATE = 0x4000 | 0x40000

MUST_RUN = os.environ.get("PYUNSHARE_TESTS_MUST_RUN") == "1"
ORDINARY_ID = 61002
OLDEST_REFERENCE = (2, 42)

TOOLS = (
    "apparmor_parser",
    "bash",
    "busybox",
    "findmnt",
    "fish",
    "hostname",
    "ip",
    "ipcmk",
    "ipcs",
    "lexgrog",
    "lsns",
    "man",
    "mandoc",
    "mount",
    "newgidmap",
    "newuidmap",
    "nsenter",
    "patchelf",
    "pgrep",
    "ping",
    "ps",
    "rpm2cpio",
    "rpmbuild",
    "script",
    "shellcheck",
    "strace",
    "sysctl",
    "taskset",
    "uptime",
    "zsh",
)

# Of Python, in the environment of the tests
PACKAGES = (
    "build",
    "check-wheel-contents",
    "installer",
    "pipx",
    "pyroma",
    "setuptools",
    "twine",
    "uv",
)
# What twine needs is compiled, and by Rust; there are no wheels of it for 32 bits.
IS_TO_BE_HAD = {"twine": sys.maxsize > 2**32}

PRELUDE = f"""
import ctypes, os
library = ctypes.CDLL(None)

def unshare(flags):
    assert library.unshare(flags) == 0

def become_ordinary():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid({ORDINARY_ID})
        os.setuid({ORDINARY_ID})
"""
# Some kernels hand out user namespaces without capabilities: one has to be used to know.
USER_NAMESPACE = f"become_ordinary(); unshare({CLONE_NEWUSER}); unshare({CLONE_NEWNS})"
BINFMT_MISC = f"""
uid = os.geteuid()
unshare({CLONE_NEWUSER | CLONE_NEWNS})
with open("/proc/self/uid_map", "w") as uid_map:
    uid_map.write(f"0 {{uid}} 1")
assert library.mount(b"none", b"/", None, {MS_REC_PRIVATE}, None) == 0
directory = b"/proc/sys/fs/binfmt_misc"
assert library.mount(b"binfmt_misc", directory, b"binfmt_misc", 0, None) == 0
"""


def _works(statements: str) -> bool:
    """Whether Python statements work, in a process of their own."""
    line = [sys.executable, "-c", PRELUDE + statements]
    return subprocess.run(line, stderr=subprocess.DEVNULL, check=False).returncode == 0


PRIVILEGES: dict[str, Callable[[], bool]] = {
    "root": lambda: os.geteuid() == 0,
}
KERNEL: dict[str, Callable[[], bool]] = {
    "user namespaces": lambda: _works(USER_NAMESPACE),
    "time namespaces": lambda: os.path.exists("/proc/self/ns/time"),
    "cgroup namespaces": lambda: os.path.exists("/proc/self/ns/cgroup"),
    "binfmt_misc in a user namespace": lambda: _works(BINFMT_MISC),
    "setns by a pidfd": lambda: _works(
        f"assert library.setns(os.pidfd_open(os.getpid()), {CLONE_NEWNS}) == 0"
    ),
    "child lists": lambda: os.path.exists(f"/proc/self/task/{os.getpid()}/children"),
}
INSTALLATIONS: dict[str, Callable[[], bool]] = {
    "installation": lambda: support.is_installed(support.SCRIPT),
}
LIBRARIES: dict[str, Callable[[], bool]] = {
    # Not to be compared with: it has another getopt_long(3), and passes on other errors.
    "glibc": lambda: hasattr(ctypes.CDLL(None), "gnu_get_libc_version"),
}
PROGRAMS: dict[str, Callable[[], bool]] = {
    "argparse-manpage": lambda: importlib.util.find_spec("argparse_manpage") is not None,
    "bash-completion": lambda: os.path.exists(support.BASH_COMPLETION),
    "compiler": lambda: support.compiler() is not None,
    "reference": lambda: support.reference_version() >= OLDEST_REFERENCE,
    "subordinate id files": lambda: all(map(os.path.exists, ("/etc/subuid", "/etc/subgid"))),
}
for _package in PACKAGES:
    PROGRAMS[_package] = functools.partial(
        lambda name: any(importlib.metadata.distributions(name=name)), _package
    )
for _tool in TOOLS:
    PROGRAMS[_tool] = functools.partial(
        lambda name: shutil.which(name, path=support.STANDARD_PATH) is not None, _tool
    )


ALL = {**PRIVILEGES, **KERNEL, **INSTALLATIONS, **LIBRARIES, **PROGRAMS}


@functools.cache
def has(name: str) -> bool:
    """Whether the machine has what one word of ``needs`` stands for."""
    return ALL[name]()


def _reason_to_skip(name: str) -> str:
    if name in KERNEL:
        return f"this kernel does not allow it: {name}"
    if name in INSTALLATIONS:
        return "pyunshare is not installed beside this Python, as tox does it"
    if name in LIBRARIES:
        return f"another C library than {name}"
    if name in PRIVILEGES:
        return f"missing privilege: {name}"
    if name == "reference" and support.reference_version():
        return f"the reference is too old: {'.'.join(map(str, support.reference_version()))}"
    return f"missing tool: {name}"


def missing(names: Iterable[str]) -> list[str]:
    """Why a test that needs all this is to be skipped, nothing when it can run."""
    return [_reason_to_skip(name) for name in names if not has(name)]


def needs(*names: str) -> pytest.MarkDecorator:
    """Mark a test with what it needs; ``conftest.py`` acts on it before the test begins."""
    unknown = {*names} - {*ALL}
    assert not unknown, unknown
    import pytest

    return pytest.mark.needs(*names)


def check(names: Iterable[str]) -> None:
    """Skip, or fail where tools have to be there, what cannot run here."""
    import pytest

    for name in names:
        if has(name):
            continue
        if MUST_RUN and name in PROGRAMS and IS_TO_BE_HAD.get(name, True):
            pytest.fail(f"{_reason_to_skip(name)}, and PYUNSHARE_TESTS_MUST_RUN is set")
        pytest.skip(_reason_to_skip(name))


def check_options(words: Iterable[support.Word]) -> None:
    """Skip by name a command line with an option that the reference lacks."""
    import pytest

    for word in words:
        text = os.fsdecode(word)
        option = text.partition("=")[0]
        if (
            option
            in {"--clear-env", "--whitelist-env", "--map-subids", "--owner"}
            | {
                "--forward-signals",
                "--load-interp",
                "--mount-binfmt",
            }
            and option not in support.reference_options()
        ):
            pytest.skip(f"the reference has no {option}")
