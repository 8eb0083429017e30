"""What the tests have compiled, and the reference, for an architecture that is not this machine's.

They are laid out as they are to lie in a root directory.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import debian_roots
from tests.everywhere import unpacked
from tests.everywhere.environment import CannotBeMade
from tests.helpers.support import HELPERS

PROGRAMS = ("probe", "start")
TRIPLETS = {  # by Debian's name of the architecture
    "amd64": "x86_64-linux-gnu",
    "arm64": "aarch64-linux-gnu",
    "armhf": "arm-linux-gnueabihf",
    "ppc64el": "powerpc64le-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
    "s390x": "s390x-linux-gnu",
}
COMPILED = "/opt/compiled"
REFERENCE = "/opt/reference/unshare"
VARIABLES = {
    "PYUNSHARE_COMMAND": "/usr/local/bin/pyunshare",
    "PYUNSHARE_REFERENCE": REFERENCE,
    "PYUNSHARE_COMPILED": COMPILED,
}
LIBRARIES = "opt/reference/lib"
NEEDED = ("util-linux", "libc6", "libmount1", "libblkid1", "libselinux1", "libpcre2-8-0")


@contextlib.contextmanager
def programs(arch: str, anew: bool) -> Iterator[list[Path]]:
    """Give directories, to be copied into a root of an architecture. Raises CannotBeMade."""
    triplet = TRIPLETS[arch]
    make_tools = functools.partial(_tools, arch)
    with (
        unpacked.kept(f"tools-{arch}", make_tools, anew) as tools,
        unpacked.kept(
            f"reference-{arch}", functools.partial(_reference, arch, tools), anew
        ) as reference,
        tempfile.TemporaryDirectory(prefix="pyunshare-compiled-") as directory,
    ):
        there = Path(directory + COMPILED)
        there.mkdir(parents=True)
        for name in PROGRAMS:
            line = [f"{triplet}-gcc", "-static", "-O1", "-o", f"@/{name}", f"@/{name}.c"]
            _make(tools, line, HELPERS / f"{name}.c", there / name)
        yield [Path(directory), reference]


def _tools(arch: str, path: Path) -> None:
    """Unpack a compiler for an architecture, and what changes where a program finds libraries."""
    own = subprocess.run(
        ["dpkg", "--print-architecture"], stdout=subprocess.PIPE, text=True, check=True
    )
    here = own.stdout.strip()
    if arch == here:
        compiler = ["gcc", "libc6-dev"]
    else:
        compiler = [f"gcc-{TRIPLETS[arch].replace('_', '-')}", f"libc6-dev-{arch}-cross"]
    unpacked.system("bookworm", here, [*compiler, "patchelf"], path)


def _reference(arch: str, tools: Path, path: Path) -> None:
    """Unpack the newest util-linux, and have it find the libraries that it was built with."""
    with tempfile.TemporaryDirectory(prefix="pyunshare-reference-") as directory:
        archive = unpacked.Archive("sid", arch, Path(directory, "apt"))
        root = Path(directory, "root")
        root.mkdir()
        unpacked.unpack(archive.fetch(*NEEDED, only="|".join(NEEDED)), root)
        (library,) = root.glob("usr/lib/*/libc.so.6")
        shutil.copytree(
            library.parent,
            path / LIBRARIES,
            ignore=lambda _, names: _folders(library.parent, names),
        )
        (loader,) = (path / LIBRARIES).glob("ld*.so.*")
        line = ["patchelf", "--set-interpreter", f"/{loader.relative_to(path)}"]
        line += ["--force-rpath", "--set-rpath", f"/{LIBRARIES}", "@/unshare"]
        _make(tools, line, root / "usr" / "bin" / "unshare", path / REFERENCE[1:])


def _make(tools: Path, line: Sequence[str], source: Path, target: Path) -> None:
    """Make a file with one of the tools, from a copy of another one. Raises CannotBeMade.

    The directory of both is @ in the command line.
    """
    (tools / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools / "tmp") as work:
        shutil.copy(source, work)
        there = f"/{Path(work).relative_to(tools)}"
        done = debian_roots.run(["chroot", tools, *(word.replace("@", there) for word in line)])
        if done.returncode != 0:
            raise CannotBeMade(f"{line[0]}: {debian_roots.last_line(done.stdout)}")
        shutil.copy(Path(work, target.name), target)


def _folders(directory: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if (directory / name).is_dir()]
