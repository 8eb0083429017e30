#!/usr/bin/env python3
"""Clean roots of Debian: made by debootstrap, kept for a day, entered as containers are.

    tests/debian_roots.py make SUITE DIRECTORY [--arch ARCH]
    tests/debian_roots.py run DIRECTORY PROGRAM [ARGUMENT...]

As root. What a root needs to fetch packages is as on this machine: the mirror of apt's
configuration, proxies, certificates. Nothing stays mounted or running, however this ends.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Callable, NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent
# Without a home directory there is only that of the system
HOME = os.path.expanduser("~")
OF_THE_USER = f"{HOME}/.cache" if os.path.isabs(HOME) else "/var/cache"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or OF_THE_USER) / "pyunshare-roots"
CLONE = "/root/pyunshare"  # in a root; a directory that only root may enter
KEPT_FOR = 24 * 60 * 60  # seconds

# Variables and files that say where to fetch from, and whom to trust
PASSED_ON = re.compile(
    r"(?:https?|ftp|no)_proxy|(?:HTTPS?|FTP|NO)_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE"
    r"|PIP_(?:INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|PROXY|CERT|DEFAULT_TIMEOUT)"
    r"|UV_(?:INDEX_URL|DEFAULT_INDEX|INDEX)"
)
COPIED = (
    "etc/resolv.conf",
    "etc/pip.conf",
    "etc/ssl/certs/ca-certificates.crt",
    "usr/local/share/ca-certificates",
)

# The root becomes that of a mount namespace: in one that only chroot(2) gives there are no user
# namespaces. The shell stays as process 1, to reap what others leave.
ENTER = """
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --rbind /sys sys
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
"$2" -ISc "$3"
umount -l .
cd /
shift 3
case $(dpkg --print-architecture 2>/dev/null) in
i386 | armhf | armel) set -- setarch linux32 "$@" ;;
esac
status=0
"$@" || status=$?
exit "$status"
"""
# pivot_root(8) is not on every machine, and the C library has the call.
PIVOT_ROOT = 'import ctypes, sys; sys.exit(ctypes.CDLL(None).pivot_root(b".", b"."))'


class RootError(Exception):
    """Why there can be no such root, in one line."""


class Root(NamedTuple):
    """A directory with a Debian system in it."""

    path: Path

    def line(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> list[str]:
        """Return the command line that runs a program in here, with a small environment.

        It has PID, mount, UTS and IPC namespaces of its own; all processes and mounts end with it.
        """
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            **{name: os.environ[name] for name in os.environ if PASSED_ON.fullmatch(name)},
            **(environment or {}),
        }
        settings = [f"{name}={value}" for name, value in variables.items()]
        program = ["env", "-i", *settings, *words]
        enter = ["/bin/sh", "-euc", ENTER, "enter", str(self.path), sys.executable, PIVOT_ROOT]
        return [*isolated(), *enter, *program]

    def run(
        self, words: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in here, and return what it has printed, stderr included."""
        return run(self.line(words, environment))

    def install(self, *packages: str) -> None:
        """Install Debian packages. Raises RootError with apt's last word if that fails."""
        apt = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
        for words in (["update"], ["install", "--no-install-recommends", *packages]):
            done = self.run([*apt, *words])
            if done.returncode != 0:
                raise RootError(f"cannot install {' '.join(packages)}: {_last_line(done.stdout)}")

    def clone(self) -> str:
        """Clone this repository to CLONE, and return a description of the commit.

        Raises RootError if that cannot be.
        """
        path = Path(f"{self.path}{CLONE}")
        for words in (
            ["git", "clone", "--quiet", "--no-hardlinks", str(CHECKOUT), str(path)],
            ["git", "-C", str(path), "remote", "remove", "origin"],
            ["git", "-C", str(path), "log", "-1", "--format=%h %s"],
        ):
            try:
                done = subprocess.run(words, capture_output=True, text=True, check=False)
            except FileNotFoundError as error:
                raise RootError("git is missing") from error
            if done.returncode != 0:
                raise RootError(f"cannot clone {CHECKOUT}: {_last_line(done.stderr)}")
        return done.stdout.strip()


def isolated() -> list[str]:
    """Return the beginning of a command line that leaves no mount and no process behind."""
    command = [sys.executable, "-IS", str(CHECKOUT / "bin" / "pyunshare")]
    return [*command, "--mount", "--uts", "--ipc", "--pid", "--kill-child", "--mount-proc"]


def make(suite: str, path: Path, arch: str | None = None) -> Root:
    """Make a root of a suite, for this machine's architecture unless told otherwise.

    Raises RootError if that cannot be.
    """
    _check(suite, arch)
    options = ["--variant=minbase", *([f"--arch={arch}"] if arch else [])]
    debootstrap = ["debootstrap", *options, suite, str(path), mirror()]
    done = run([*isolated(), *debootstrap], {**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        raise RootError(f"cannot make {name_of(suite, arch)}: {_reason(done.stdout, path)}")
    for name in COPIED:
        _copy(Path("/", name), path / name)
    (path / "etc" / "apt" / "apt.conf.d" / "99as-on-the-host").write_text(_apt_settings())
    return Root(path)


def _check(suite: str, arch: str | None) -> None:
    """Raise RootError for what is known to be impossible."""
    for name in [suite] if arch is None else [suite, arch]:
        if not re.fullmatch(r"[a-z][a-z0-9.-]*", name):
            raise RootError(f"no name of a suite or an architecture: '{name}'")
    if os.geteuid() != 0:
        raise RootError("debootstrap needs root")
    for tool in ("debootstrap", "apt-get"):
        if not shutil.which(tool):
            raise RootError(f"{tool} is missing")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        shutil.copy(source, target)


def _apt_settings() -> str:
    """Return how this machine's apt gets at mirrors, and how old their lists may be."""
    settings = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True, check=True)
    wanted = r"^Acquire::(?:https?::|Check-|Max-|Retries|ForceIP).*\n"
    return "".join(re.findall(wanted, settings.stdout, re.MULTILINE))


def name_of(suite: str, arch: str | None = None) -> str:
    """Return how a root is called in messages and in the cache."""
    return f"{suite}-{arch}" if arch else suite


def mirror() -> str:
    """Return the address of the Debian mirror that this machine's apt uses, or raise RootError."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    found = subprocess.run(targets, stdout=subprocess.PIPE, text=True, check=False).stdout
    for address in found.split():
        if address.endswith("/debian/"):
            return address
    raise RootError("apt's configuration names no mirror of Debian")


def _reason(output: str, path: Path) -> str:
    """Return why debootstrap failed."""
    log = path / "debootstrap" / "debootstrap.log"
    text = output + (log.read_text(errors="replace") if log.exists() else "")
    if "No space left on device" in text:
        return f"no room in {path.parent}"
    if "Failure trying to run: chroot" in text:
        return "this kernel cannot run programs of this architecture"
    return _last_line(output)


def _last_line(output: str) -> str:
    return re.sub("^[EW]: ", "", last_line(output))


def last_line(output: str) -> str:
    """Return the last line of what a program has printed: mostly why it failed."""
    return (output.strip().splitlines() or ["it printed nothing"])[-1]


def run(
    line: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program, and return what it has printed, stderr included."""
    return subprocess.run(
        line,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


# ---- kept roots ---------------------------------------------------------------------------------


@contextlib.contextmanager
def fresh(suite: str, arch: str | None = None, anew: bool = False) -> Iterator[Root]:
    """Give a root of a suite to do anything in, and remove it. Raises RootError.

    It is a copy of one in the cache, which is made if there is none of today.
    """
    _check(suite, arch)
    made = functools.partial(make, suite, arch=arch)
    with _copy_of_kept(name_of(suite, arch), made, anew) as root:
        yield root


@contextlib.contextmanager
def prepared(
    name: str,
    suite: str,
    prepare: Callable[[Root], None],
    arch: str | None = None,
    anew: bool = False,
) -> Iterator[Root]:
    """Give a root with more in it, which a function has put there, kept in the cache by a name."""

    def made(path: Path) -> None:
        with fresh(suite, arch, anew) as root:
            prepare(root)
            root.path.rename(path)

    with _copy_of_kept(name, made, anew) as root:
        yield root


@contextlib.contextmanager
def _copy_of_kept(name: str, made: Callable[[Path], object], anew: bool) -> Iterator[Root]:
    kept = CACHE / name
    with _working_directory() as working:
        with _cache_locked(fcntl.LOCK_SH):
            is_good = kept.exists() and time.time() - kept.stat().st_mtime <= KEPT_FOR
        if anew or not is_good:
            making = working / "made"
            made(making)
            os.utime(making)
            with _cache_locked(fcntl.LOCK_EX):
                if kept.exists():
                    kept.rename(working / "old")
                making.rename(kept)
        path = working / "root"
        with _cache_locked(fcntl.LOCK_SH):
            copy = ["cp", "-a", "--reflink=auto", str(kept), str(path)]
            copied = subprocess.run(copy, stderr=subprocess.PIPE, text=True, check=False)
        if copied.returncode != 0:
            raise RootError(f"cannot copy {kept}: {_last_line(copied.stderr)}")
        yield Root(path)


@contextlib.contextmanager
def _cache_locked(kind: int, name: str = "lock") -> Iterator[None]:
    with (CACHE / name).open("w") as file:
        fcntl.flock(file, kind)
        yield


@contextlib.contextmanager
def _working_directory() -> Iterator[Path]:
    """Give a directory beside the kept roots, locked; remove those that nobody holds any more."""
    with contextlib.ExitStack() as stack:
        try:
            CACHE.mkdir(parents=True, exist_ok=True)
            # Otherwise the new one could be taken for one that is left, before it is held.
            with _cache_locked(fcntl.LOCK_EX, "lock-working"):
                for left in CACHE.glob("working.*"):
                    with contextlib.suppress(OSError), _held(left):
                        shutil.rmtree(left, ignore_errors=True)
                path = Path(tempfile.mkdtemp(prefix="working.", dir=CACHE))
                stack.enter_context(_held(path))
        except OSError as error:
            raise RootError(f"cannot make a directory in {CACHE}: {error.strerror}") from error
        stack.callback(shutil.rmtree, path, ignore_errors=True)
        yield path


@contextlib.contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Hold a directory, or raise BlockingIOError if another process does."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def end_in_order() -> None:
    """Have SIGTERM and SIGHUP end this program as an exception does, so that it cleans up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


# ---- from the command line ----------------------------------------------------------------------


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Make and enter clean roots of Debian.")
    actions = parser.add_subparsers(dest="action", required=True)
    making = actions.add_parser("make", help="make a root")
    making.add_argument("suite", metavar="SUITE")
    making.add_argument("directory", type=Path, metavar="DIRECTORY")
    making.add_argument("--arch", metavar="ARCH")
    running = actions.add_parser("run", help="run a program in a root")
    running.add_argument("directory", type=Path, metavar="DIRECTORY")
    running.add_argument("program", nargs=argparse.REMAINDER, metavar="PROGRAM")
    arguments = parser.parse_args()
    end_in_order()
    if arguments.action == "run":
        line = Root(arguments.directory.absolute()).line(arguments.program)
        os.execv(line[0], line)
    try:
        make(arguments.suite, arguments.directory.absolute(), arguments.arch)
    except RootError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
