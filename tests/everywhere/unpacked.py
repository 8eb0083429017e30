"""Directories with packages of Debian in them, unpacked and not installed.

They are for what debootstrap cannot make: of other architectures, or of a few packages only. apt
gets the packages from the mirror of this machine's configuration, and the directories are kept in
the cache for a day.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable

from tests import debian_roots
from tests.debian_roots import KEPT_FOR
from tests.everywhere.environment import CannotBeMade

CACHE = debian_roots.CACHE / "unpacked"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
MERGED = ("bin", "sbin", "lib", "lib64")  # links into /usr, before anything is unpacked
LEFT_OUT = ("doc", "info", "locale", "man", "perl")  # of /usr/share

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
GROUP = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"


class Archive:
    """The packages of a suite for an architecture, as apt would get them on an empty machine."""

    def __init__(self, suite: str, arch: str, directory: Path):
        """Get the lists of packages, into a directory. Raises CannotBeMade."""
        self.name = f"{suite} for {arch}"
        self._directory = directory
        for name in ("lists/partial", "cache/archives/partial"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "status").touch()
        sources = f"deb [signed-by={KEYS}] {debian_roots.mirror()} {suite} main\n"
        (directory / "sources.list").write_text(sources)
        self._settings = {
            "Dir::Etc::SourceList": directory / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": directory / "lists",
            "Dir::State::status": directory / "status",
            "Dir::Cache": directory / "cache",
            "APT::Architecture": arch,
            "APT::Architectures": "",
            "APT::Architectures::": arch,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
        }
        self._apt("update")

    def fetch(self, *packages: str, only: str = "") -> list[Path]:
        """Return the files of packages and of what they depend on. Raises CannotBeMade.

        Of these, they can be only those whose name matches a pattern.
        """
        words = ["--no-install-recommends", "--yes", "install", *packages]
        needed = re.findall(r" (([^ _]+)_\S+\.deb) ", self._apt("--print-uris", *words))
        wanted = [name for _, name in needed if re.fullmatch(only or ".*", name)]
        if not wanted:
            raise CannotBeMade(f"{self.name} has none of the packages of {' '.join(packages)}")
        archives = self._directory / "cache" / "archives"
        for old in archives.glob("*.deb"):
            old.unlink()
        self._apt("--download-only", *words) if not only else self._download(archives, wanted)
        return sorted(archives.glob("*.deb"))

    def _download(self, directory: Path, packages: Sequence[str]) -> None:
        self._apt("download", *packages, directory=directory)

    def _apt(self, *words: str, directory: Path | None = None) -> str:
        if not shutil.which("apt-get"):
            raise CannotBeMade("apt-get is missing")
        settings = [f"{name}={value}" for name, value in self._settings.items()]
        options = [word for setting in settings for word in ("-o", setting)]
        return _output(["apt-get", "-qq", *options, *words], f"cannot get {self.name}: ", directory)


def unpack(packages: Sequence[Path], root: Path) -> None:
    """Unpack the files of packages into a directory. Raises CannotBeMade."""
    left_out = [f"--exclude=./usr/share/{name}" for name in LEFT_OUT]
    tar = ["tar", "-x", "--keep-directory-symlink", *left_out, "-C", str(root)]
    for package in packages:
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE
        ) as content:
            unpacked = subprocess.run(tar, stdin=content.stdout, check=False)
        if unpacked.returncode or content.returncode:
            raise CannotBeMade(f"cannot unpack {package.name}")


def system(suite: str, arch: str, packages: Sequence[str], root: Path) -> None:
    """Make a root directory in which programs of packages can run. Raises CannotBeMade."""
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    with tempfile.TemporaryDirectory(prefix="pyunshare-apt-") as directory:
        archive = Archive(suite, arch, Path(directory))
        unpack(archive.fetch("usr-is-merged", *packages), root)
    (root / "etc" / "passwd").write_text(PASSWD)
    (root / "etc" / "group").write_text(GROUP)
    for name in ("subuid", "subgid"):
        (root / "etc" / name).touch()
    for name in ("pts", "shm"):
        (root / "dev" / name).mkdir(parents=True)
    for name, numbers in DEVICES.items():
        os.mknod(root / "dev" / name, stat.S_IFCHR, os.makedev(*numbers))
        (root / "dev" / name).chmod(0o666)
    (root / "dev" / "ptmx").symlink_to("pts/ptmx")
    if not (root / "bin" / "sh").exists():
        (root / "bin" / "sh").symlink_to("dash")


_made: set[str] = set()


@contextlib.contextmanager
def kept(name: str, make: Callable[[Path], None], anew: bool) -> Iterator[Path]:
    """Give a directory that is kept for a day, made if there is none, and not changed meanwhile.

    Anew, it is made once by this process.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / name
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_old = path.exists() and time.time() - path.stat().st_mtime > KEPT_FOR
        if not path.exists() or (name not in _made and (anew or is_old)):
            working = CACHE / f"{name}.working"
            for old in (working, path):
                shutil.rmtree(old, ignore_errors=True)
            working.mkdir()
            make(working)
            os.utime(working)
            working.rename(path)
            _made.add(name)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield path


def _output(line: Sequence[str | Path], trouble: str, directory: Path | None = None) -> str:
    """Return what a program prints. Raises CannotBeMade with its last word if it fails."""
    done = subprocess.run(
        line,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    if done.returncode != 0:
        errors = [line[3:] for line in done.stderr.splitlines() if line.startswith("E: ")]
        raise CannotBeMade(trouble + (errors or [debian_roots.last_line(done.stderr)])[0])
    return done.stdout
