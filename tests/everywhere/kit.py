"""What launches need where nothing is, in one directory: package, `start`, `probe`, reference.

Everybody may read and execute it all, and the programs need no library of the root they are in.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.everywhere.environment import CannotBeMade
from tests.helpers import support


def kit(
    directory: Path, seen_as: str | None = None, python: str = "/usr/bin/python3"
) -> dict[str, str]:
    """Put it all into a directory, and return the variables by which launches.py finds it.

    The directory has another name where the launches are made if that is given. Raises
    CannotBeMade.
    """
    if not support.compiler():
        raise CannotBeMade("missing tool: compiler")
    seen = seen_as or str(directory)
    shutil.copytree(support.copied_package(), directory, dirs_exist_ok=True)
    for name in ("start", "probe"):
        shutil.copy(support.compiled(name), directory)
    reference = support.reference_path()
    if reference is None:
        raise CannotBeMade("missing tool: unshare, to compare with")
    copy_program(Path(reference), directory / "reference", seen)
    directory.chmod(0o755)
    return {
        "PYUNSHARE_COMMAND": f"{python} -ISXutf8 {seen}/bin/pyunshare",
        "PYUNSHARE_REFERENCE": f"{seen}/reference/{Path(reference).name}",
        "PYUNSHARE_COMPILED": seen,
    }


def copy_program(program: Path, directory: Path, seen: str) -> None:
    """Copy a program with its loader and its libraries, and have it look for them there."""
    if not shutil.which("patchelf"):
        raise CannotBeMade("missing tool: patchelf")
    directory.mkdir()
    loader = support.interpreter_of(str(program))
    for path in {str(program), loader, *support.libraries_of(str(program))}:
        shutil.copy(path, directory)
    there = f"{seen}/{directory.name}"
    patch = ["patchelf", "--set-interpreter", f"{there}/{Path(loader).name}"]
    patch += ["--force-rpath", "--set-rpath", there, str(directory / program.name)]
    subprocess.run(patch, check=True)
