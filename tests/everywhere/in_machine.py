"""What is tried in a virtual machine: some launches, and again with each setting of the kernel.

A setting is one of the whole machine: none of this runs on a machine that is not for that.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pyunshare.diagnostics.system import NAMESPACES, Namespace
from tests.helpers import support
from tests.helpers.comparing import assert_same
from tests.helpers.hinting import Told, tell
from tests.helpers.machine import needs
from tests.helpers.support import NAME, ROOT, WITHOUT_SUBORDINATE_IDS, User, Word
from tests.test_comparison import INHERITED, WAYS, each, placed, table

pytestmark = [
    needs("root", "reference"),
    pytest.mark.skipif(
        "PYUNSHARE_MACHINE" not in os.environ, reason="this machine is not for trying settings"
    ),
]

# What changes nothing outside of a machine either, but depends on its kernel
MORE = {
    **each("--uts=@FILE", "--ipc=@FILE", "--net=@FILE", "-f --pid=@FILE", "--cgroup=@FILE"),
    **each("--mount=@FILE", "--user=@FILE", "-f --time=@FILE", "--pid=@FILE", "-r --uts=@FILE"),
    **each("-rpf --mount-binfmt", "-rpf -l :t:E::pyu::/bin/cat:", "-rpf -l x", "-pfR @ROOT"),
    **each("-rpf -l :t:E::pyu::/bin/cat:F -R @ROOT", "-muinpCUTf --mount-proc=@DIR"),
    "340-ranges": [f"--map-users={2 * i}:{2 * i}:1" for i in range(340)],
    "341-ranges": [f"--map-users={2 * i}:{2 * i}:1" for i in range(341)],
}
# What of a launch the kernel keeps, and has kept in other ways once
KEPT = ("ambient", "bounding", "no-new-privs", "personality", "scheduler", "securebits", "timer")

# As ordinary users and as root
LINES = ("-U", "-r", "-m", "-rm", "-rpf --mount-proc", "-c --keep-caps", "-rC")
LINES_OF_ROOT = ("-U", "-rm")


@table("more", MORE)
def test_more_launches(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **{**placed(options), **arguments})


@pytest.mark.parametrize("row", KEPT)
@pytest.mark.parametrize("way", ["kill-child", "user-pid-fork"])
def test_inherited(row: str, way: str) -> None:
    assert_same(WAYS[way], conditions=INHERITED[row])


# ---- settings of the kernel ----------------------------------------------------------------------


@contextlib.contextmanager
def setting(name: str, value: int) -> Iterator[None]:
    """Have a sysctl of the machine have a value, or skip where there is none of the name."""
    path = Path("/proc/sys", name.replace(".", "/"))
    if not path.exists():
        pytest.skip(f"this kernel has no {name}")
    before = path.read_text()
    path.write_text(str(value))
    try:
        yield
    finally:
        path.write_text(before)


class Caller(NamedTuple):
    """Somebody who launches, without a mount namespace of the tests' own before."""

    user: User
    conditions: Sequence[Word] = ()

    @property
    def given(self) -> dict[str, Any]:
        """How launches are made by this one."""
        return {"conditions": self.conditions}

    def launch(self, *words: str) -> None:
        """Launch something, which has to work."""
        result = support.pyunshare(*words, "true", **self.given)
        assert (result.status, result.stderr) == (0, b""), (words, result)


BY_ROOT = Caller(ROOT)
BY_USER = Caller(WITHOUT_SUBORDINATE_IDS, [support.user_condition(WITHOUT_SUBORDINATE_IDS)])


def check(words: Sequence[str], caller: Caller, name: str, value: int) -> Told | None:
    """Compare a launch with a sysctl of the machine, and if it fails, type what the hint says."""
    with setting(name, value):
        found = assert_same(words, prepared=False, **caller.given)
        if found.status == 0:
            return None
        told = tell(*words, "true", **caller.given)
    for command, typed in zip(told.commands, told.typed):
        with setting(name, value):
            line = shlex.split(typed)
            if line[0] != NAME:
                subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
                caller.launch(*words)
            elif command.split()[0] in ("su", "sudo", "doas"):
                BY_ROOT.launch(*line[1:-1])
            else:
                caller.launch(*line[1:-1])
    return told


CALLERS = pytest.mark.parametrize("caller", [BY_ROOT, BY_USER], ids=["root", "user"])


@CALLERS
@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda namespace: namespace.kind)
def test_no_namespaces_of_a_kind(namespace: Namespace, caller: Caller) -> None:
    words = [f"--{namespace.option}", *([] if caller is BY_ROOT else ["-r"])]
    told = check(words, caller, namespace.limit_name, 0)
    assert told
    assert told.messages == [f"{NAME}: unshare failed: No space left on device"]
    assert told.cause.startswith(f"{namespace.limit_name} is 0: ")
    assert [each.partition("=")[0] for each in told.typed] == [f"sysctl -w {namespace.limit_name}"]


@pytest.mark.parametrize(
    ("line", "caller"),
    [(line, BY_USER) for line in LINES] + [(line, BY_ROOT) for line in LINES_OF_ROOT],
)
def test_no_user_namespaces(line: str, caller: Caller) -> None:
    told = check(line.split(), caller, "user.max_user_namespaces", 0)
    if line == "-m":  # that needs no user namespace, but power
        assert (told is None) == (caller is BY_ROOT)
        return
    assert told
    assert told.cause.startswith("user.max_user_namespaces is 0: ")


@pytest.mark.parametrize(
    ("line", "caller"),
    [(line, BY_USER) for line in LINES] + [(line, BY_ROOT) for line in LINES_OF_ROOT],
)
def test_user_namespaces_for_root_only(line: str, caller: Caller) -> None:
    told = check(line.split(), caller, "kernel.unprivileged_userns_clone", 0)
    assert (told is None) == (caller is BY_ROOT)
    if told and line != "-m":
        assert told.messages == [f"{NAME}: unshare failed: Operation not permitted"]
        assert told.cause.startswith("kernel.unprivileged_userns_clone is 0: ")
        assert len(told.commands) == 2


# ---- AppArmor ------------------------------------------------------------------------------------

PROFILE = """
profile confined /{usr/local/bin/pyunshare,opt/reference/unshare} {
  capability,
  file,
  network,
  ptrace,
  signal,
  umount,
}
"""


def test_apparmor_is_on() -> None:
    assert Path("/sys/module/apparmor/parameters/enabled").read_text() == "Y\n"


def test_a_profile_that_allows_no_mounts(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.write_text(PROFILE)
    parser = ["apparmor_parser", "--skip-cache"]
    subprocess.run([*parser, "--add", profile], check=True)
    try:
        found = assert_same(["-m"], prepared=False)
        assert found.stderr.endswith(": Permission denied\n")
        told = tell("-m", "true")
        assert told.cause.startswith("AppArmor's profile confined, which confines this process, ")
        assert_same(["-u"], prepared=False)
    finally:
        subprocess.run([*parser, "--remove", profile], check=True)


# ---- control groups ------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["-C", "-rC", "-Cpf --mount-proc", "-m"])
@pytest.mark.parametrize("kind", ["cgroup2", "cgroup", "none"])
def test_control_groups(kind: str, line: str, tmp_path: Path) -> None:
    """In a control group of the one version, of the other, and where none is mounted."""
    options = {"cgroup2": [], "cgroup": ["-o", "none,name=pyunshare"]}
    mounted = Path("/sys/fs/cgroup")
    subprocess.run(["umount", mounted], check=True)
    try:
        if kind == "none":
            assert_same(line.split())
            return
        subprocess.run(["mount", "-t", kind, *options[kind], "none", mounted], check=True)
        group = mounted / "group"
        group.mkdir()
        try:
            (group / "cgroup.procs").write_text(str(os.getpid()))
            found = assert_same(line.split())
            assert "/group" in Path("/proc/self/cgroup").read_text()
            assert ("group" in found.field("cgroup")) == ("C" not in line)
        finally:
            (mounted / "cgroup.procs").write_text(str(os.getpid()))
            group.rmdir()
            subprocess.run(["umount", mounted], check=True)
    finally:
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", mounted], check=True)
