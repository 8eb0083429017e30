"""Modules that a command which runs as root is not to import, and variables that lead to them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

# Each of these would be imported by Python itself, by site, or by a launch, if it were found.
MODULES = (
    "_ctypes",
    "codecs",
    "ctypes/__init__",
    "encodings/__init__",
    "errno",
    "io",
    "os",
    "posix",
    "pwd",
    "pyunshare/__init__",
    "pyunshare/amalgamation",
    "pyunshare/command",
    "site",
    "sitecustomize",
    "usercustomize",
)

VARIABLES = (
    "PYTHONBREAKPOINT",
    "PYTHONEXECUTABLE",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
)


@contextlib.contextmanager
def none_run(place: Path, modules: tuple[str, ...] = MODULES) -> Iterator[Path]:
    """Give a directory full of decoys; fail if any of them has been imported at the end."""
    directory, run = place / "decoys", place / "RUN"
    for name in modules:
        module = directory / f"{name}.py"
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(f"open({str(run)!r}, 'a').write({name!r} + ' ')\n")
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for libraries in (f"lib/{python}", f"lib/{python}/site-packages"):
        (directory / libraries).parent.mkdir(parents=True, exist_ok=True)
        (directory / libraries).symlink_to(directory)
    yield directory
    assert not run.exists(), run.read_text()


def environment(directory: Path) -> dict[str, str]:
    """The variables that lead to the decoys."""
    return {name: str(directory) for name in VARIABLES}
