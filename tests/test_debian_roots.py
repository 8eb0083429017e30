"""Clean roots of Debian: what is made, what is left, and what is said where none can be made.

The debootstrap here is our own: the real one fetches 50 MB. CI makes real roots.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import debian_roots
from tests.helpers import support
from tests.helpers.machine import needs

ON_CLEAN_DEBIAN = support.TESTS / "on_clean_debian"
MIRROR = "http://localhost:1/debian/"

# Like the real one it is called with options, a suite, a directory and a mirror. What it mounts
# and what it starts is not to stay.
DEBOOTSTRAP = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
mkdir -p "$2/proc" "$2/etc/apt/apt.conf.d"
mount -t proc proc "$2/proc"
sleep 1234 &
"""
NO_ROOM = 'dd if=/dev/zero of="$2/file" bs=64k 2>&1; exit 1'
NO_SUCH_KERNEL = """
echo "W: Failure trying to run: chroot "$2" /bin/true"
echo "W: See $2/debootstrap/debootstrap.log for details"
exit 1
"""
OTHER_FAILURE = 'echo "I: Retrieving Release"; echo "E: Failed getting release file $3"; exit 1'
UNFINISHED = "touch $2/started; sleep 1234"


def programs(**texts: str) -> Path:
    """A directory with programs, which goes before the others in PATH."""
    directory = support.new_directory()
    for name, text in {"apt_get": f"#!/bin/sh\necho {MIRROR}\n", **texts}.items():
        path = directory / name.replace("_", "-")
        path.write_text(text)
        path.chmod(0o755)
    return directory


def on_clean_debian(
    *words: str, path: Path, cache: Path, before: Sequence[str] = ()
) -> support.Result:
    """Run the command with other programs and another cache."""
    environment = {
        **support.ENVIRONMENT,
        "PATH": f"{path}:{support.STANDARD_PATH}",
        "XDG_CACHE_HOME": str(cache),
    }
    return support.run(
        [*before, sys.executable, str(ON_CLEAN_DEBIAN), *words], environment=environment
    )


def complaint(result: support.Result) -> str:
    """The one line that a command complains with."""
    assert result.status == 1
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("on_clean_debian: ")
    return line


def assert_nothing_is_left(cache: Path) -> None:
    """No directory. conftest.py looks for mounts and processes."""
    assert not list(cache.glob("*/working.*"))


@needs("root")
@pytest.mark.parametrize("words", [["../sid"], [""], ["sid", "--arch="], ["sid", "--arch=../x"]])
def test_what_is_no_name_is_not_used(words: list[str]) -> None:
    cache = support.new_directory()
    said = complaint(on_clean_debian(*words, path=programs(), cache=cache))
    assert "no name of a suite or an architecture: '" in said
    assert not list(cache.iterdir())


@needs("root")
@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (NO_SUCH_KERNEL, "cannot make sid-alpha: this kernel cannot run programs of this "),
        (OTHER_FAILURE, f"cannot make sid-alpha: Failed getting release file {MIRROR}"),
    ],
)
def test_a_root_that_cannot_be_made(ending: str, reason: str) -> None:
    cache = support.new_directory()
    path = programs(debootstrap=DEBOOTSTRAP + ending)
    words = ["sid", "--arch", "alpha", "--", "true", "--anew"]
    said = complaint(on_clean_debian(*words, path=path, cache=cache))
    assert reason in said
    assert_nothing_is_left(cache)


@needs("root", "mount")
def test_no_room() -> None:
    cache = support.new_directory()
    tmpfs = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    pyunshare = [sys.executable, "-IS", str(support.CHECKOUT / "bin" / "pyunshare")]
    before = [*pyunshare, "-m", "sh", "-c", tmpfs, str(cache)]
    path = programs(debootstrap=DEBOOTSTRAP + NO_ROOM)
    said = complaint(on_clean_debian("sid", path=path, cache=cache, before=before))
    assert f"cannot make sid: no room in {cache}" in said
    assert_nothing_is_left(cache)


@needs("root")
def test_no_mirror() -> None:
    path = programs(debootstrap=DEBOOTSTRAP, apt_get="#!/bin/sh\necho http://localhost/ubuntu/\n")
    said = complaint(on_clean_debian("sid", path=path, cache=support.new_directory()))
    assert "apt's configuration names no mirror of Debian" in said


@needs("root")
@pytest.mark.parametrize("missing", ["debootstrap", "apt-get"])
def test_a_missing_tool_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = programs(debootstrap=DEBOOTSTRAP)
    (path / missing).unlink()
    monkeypatch.setenv("PATH", str(path))
    with (
        pytest.raises(debian_roots.RootError, match=f"^{missing} is missing$"),
        debian_roots.fresh("sid"),
    ):
        pytest.fail("there was a root")


@needs("root")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ended_while_a_root_is_made(number: int) -> None:
    cache = support.new_directory()
    environment = {
        **support.ENVIRONMENT,
        "PATH": f"{programs(debootstrap=DEBOOTSTRAP + UNFINISHED)}:{support.STANDARD_PATH}",
        "XDG_CACHE_HOME": str(cache),
    }
    command = [sys.executable, str(ON_CLEAN_DEBIAN), "sid"]
    with support.popen(command, environment=environment) as process:
        support.wait_for(lambda: list(cache.glob("*/working.*/made/started")), "debootstrap")
        os.kill(process.pid, number)
        _, stderr = process.communicate(timeout=support.PATIENCE)
    assert process.returncode == 128 + number
    assert stderr == b""
    assert_nothing_is_left(cache)


def test_roots_made_at_once_do_not_remove_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian_roots, "CACHE", support.new_directory())

    def work(_: int) -> bool:
        with debian_roots._working_directory() as path:
            return path.is_dir()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(400)))
    assert not list(debian_roots.CACHE.glob("working.*"))


# ---- in a root ----------------------------------------------------------------------------------


@pytest.fixture
def root() -> debian_roots.Root:
    """A root with nothing but busybox."""
    path = support.new_directory()
    for name in ("bin", "dev/pts", "dev/shm", "proc", "sys", "tmp"):
        (path / name).mkdir(parents=True)
    busybox = subprocess.run(["busybox", "which", "busybox"], stdout=subprocess.PIPE, check=True)
    (path / "bin" / "busybox").write_bytes(Path(os.fsdecode(busybox.stdout.strip())).read_bytes())
    (path / "bin" / "busybox").chmod(0o755)
    for name in ("sh", "env", "mount", "umount", "sleep", "hostname", "ps", "cat"):
        (path / "bin" / name).symlink_to("busybox")
    return debian_roots.Root(path)


@needs("root", "busybox")
def test_a_program_in_a_root_leaves_nothing_running(root: debian_roots.Root) -> None:
    hostname = os.uname().nodename
    program = "sleep 1234 & hostname elsewhere; mount -t tmpfs none /tmp; hostname; exit 7"
    done = root.run(["sh", "-c", program])
    assert (done.returncode, done.stdout) == (7, "elsewhere\n")
    assert os.uname().nodename == hostname
    assert not list((root.path / "proc").iterdir())


@needs("root", "busybox")
def test_a_root_has_processes_and_mounts_of_its_own(root: debian_roots.Root) -> None:
    processes = root.run(["ps", "-o", "pid,comm"]).stdout.splitlines()[1:]
    assert [line.split()[1] for line in processes] == ["sh", "ps"]
    assert processes[0].split()[0] == "1"
    mounts = [line.split()[1] for line in root.run(["cat", "/proc/mounts"]).stdout.splitlines()]
    assert {"/", "/proc", "/sys", "/dev/pts"} <= set(mounts)
    assert not any(str(root.path) in mount for mount in mounts)


@needs("root", "busybox")
def test_only_variables_about_the_network_are_passed_on(
    root: debian_roots.Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    monkeypatch.setenv("PYTHONPATH", "/decoys")
    seen = root.run(["env"], {"ONE_MORE": "1"}).stdout.splitlines()
    assert {"https_proxy=http://proxy.example", "ONE_MORE=1", "HOME=/root"} <= set(seen)
    assert not any(line.startswith("PYTHONPATH") for line in seen)
