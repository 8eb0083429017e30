"""Archives that depend on what is in them, and not on who packed them, where and when.

File modes come from the umask under which a clone was made, owners and times from the machine.
https://reproducible-builds.org/docs/archives says what to write instead.
"""

import gzip
import io
import os
import shutil
import tarfile
from pathlib import Path

from setuptools.command.sdist import sdist

LATEST_FORMAT = tarfile.PAX_FORMAT


def plain_mode(mode: int) -> int:
    """Return the mode for everybody of a file, or directory, that its owner has with this one."""
    return 0o755 if mode & 0o100 else 0o644


def make_readable(directory: Path) -> None:
    """Give everything in a directory the mode that everybody can use it with."""
    for path in directory.rglob("*"):
        path.chmod(plain_mode(path.stat().st_mode))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return an entry without what is the machine's."""
    entry.mode = plain_mode(entry.mode)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = int(os.environ.get("SOURCE_DATE_EPOCH", entry.mtime))
    return entry


def write_tar_gz(archive: Path, directory: Path) -> None:
    """Pack a directory under its own name."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=LATEST_FORMAT) as tar:
        tar.add(directory, directory.name, filter=_plain)  # in the order of names
    with archive.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
        compressed.write(content.getvalue())


class SourceDistribution(sdist):
    """Make the source archive, by default the same from every clone."""

    def make_archive(  # type: ignore[override]
        self, base_name: str, format: str, *arguments: object, **options: object
    ) -> str:
        """Pack the files that setuptools has gathered; return the name of the archive."""
        if format != "gztar":
            raise SystemExit(f"pyunshare's sdist is a .tar.gz, and no {format}")
        directory = Path(str(options["base_dir"]))
        for made in directory.glob("*.egg-info"):  # of which PKG-INFO is what others read
            shutil.rmtree(made)
        archive = Path(f"{base_name}.tar.gz").absolute()
        archive.parent.mkdir(parents=True, exist_ok=True)
        write_tar_gz(archive, directory)
        return str(archive)
