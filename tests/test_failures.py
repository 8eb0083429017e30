"""System calls that fail: the same step, message and status in both, and nothing done after it.

strace makes one call of the started program fail. Each row names the call, the error, and the
options; the call is failed wherever it occurs (``when`` narrows that down).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence

import comparing
import pytest
import support
from comparing import PROBE, Observation, differences, made_root, observe, substituted
from machine import needs
from support import ROOT, WITHOUT_SUBORDINATE_IDS, Program, User

pytestmark = needs("root", "compiler", "reference", "subordinate id files", "strace")

MAP = "--map-users=0:0:10 --map-groups=0:0:10"

# The call to fail, its error, the file it is about (or none), the options.
FAULTS: dict[str, tuple[str, str, str, str]] = {
    "unshare": ("unshare", "ENOSPC", "", "-m"),
    "unshare-fork": ("unshare", "EINVAL", "", "-rpf"),
    "unshare-nothing": ("unshare", "EPERM", "", ""),
    "propagation": ("mount", "EACCES", "", "-m"),
    "propagation-shared": ("mount", "EACCES", "", "-mf --propagation=shared"),
    "mount-proc": ("mount", "EBUSY", "", "-pf --mount-proc --propagation=unchanged"),
    "mount-proc-busy": ("mount", "EBUSY", "proc", "-pf --mount-proc"),
    "chroot": ("chroot", "EPERM", "", "-R @ROOT"),
    "chroot-fork": ("chroot", "EPERM", "", "-fR @ROOT"),
    "chdir": ("chdir", "EIO", "", "-w /usr"),
    "setgroups-owner": ("setgroups", "EPERM", "", "--owner=5:5"),
    "setgid-owner": ("setgid", "EAGAIN", "", "--owner=5:5"),
    "setuid-owner": ("setuid", "EAGAIN", "", "--owner=5:5"),
    "setgroups": ("setgroups", "EPERM", "", "-G 5"),
    "setgid": ("setgid", "EAGAIN", "", "-G 5 -S 5"),
    "setuid": ("setuid", "EAGAIN", "", "-S 5"),
    "setuid-fork": ("setuid", "EAGAIN", "", "-f -S 5"),
    "capset": ("capset", "EPERM", "", "-r --keep-caps"),
    "uid-map": ("openat", "EACCES", "/proc/self/uid_map", "-r"),
    "gid-map": ("openat", "EACCES", "/proc/self/gid_map", "-r"),
    "setgroups-file": ("openat", "EACCES", "/proc/self/setgroups", "-r"),
    "setgroups-file-missing": ("openat", "ENOENT", "/proc/self/setgroups", "-r"),
    "setgroups-no-file": ("openat", "ENOENT", "/proc/self/setgroups", "-U --setgroups=deny"),
    "offsets": ("openat", "EACCES", "/proc/self/timens_offsets", "-Tf --boottime=1"),
    "all-uid": ("openat", "EACCES", "/proc/self/uid_map", "--map-users=all"),
    "all-gid": ("openat", "EACCES", "/proc/self/gid_map", "--map-groups=all"),
    "subuid": ("openat", "EIO", "/etc/subuid", "--map-auto"),
    "subgid": ("openat", "EMFILE", "/etc/subgid", "--map-auto"),
    "execve": ("execve", "ENOMEM", "@PROBE", ""),
    "execve-fork": ("execve", "ETXTBSY", "@PROBE", "-f"),
    "execve-too-big": ("execve", "E2BIG", "@PROBE", "-r"),
    "execve-missing": ("execve", "ENOENT", "@PROBE", "-f --kill-child"),
    "execve-io": ("execve", "EIO", "@PROBE", "-pf --mount-proc"),
}


def under_strace(program: Program, call: str, error: str, path: str) -> Program:
    """A program whose calls of this name fail, on this file only when one is given."""
    strace = shutil.which("strace", path=support.STANDARD_PATH) or "strace"
    # Its own output must not mix with that of the program.
    words = ["-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    words += ["-P", path] if path else []
    words += ["-e", f"inject={call}:error={error}"]
    return Program(strace, "strace", (*words, program.file, *program.arguments))


def renamed(found: Observation) -> Observation:
    """Strace starts its program under its path, so the reference has another name here."""
    lines = [line for line in found.stderr.splitlines(True) if not line.startswith("strace: ")]
    stderr = re.sub(r"(?m)^(\S*/)?[\w.-]+: ", "NAME: ", "".join(lines))
    return found._replace(stderr=stderr)


@pytest.mark.parametrize("row", FAULTS)
def test_a_failing_call(row: str) -> None:
    call, error, path, line = FAULTS[row]
    values = {"@PROBE": str(support.compiled("probe"))}
    program: Sequence[str] = PROBE
    if "@ROOT" in line:
        values["@ROOT"] = str(made_root())
        program = ("/probe", "@REPORT")
    path = path.replace("@PROBE", values["@PROBE"])
    needed = dict(support.command().environment)
    found = [
        renamed(
            observe(
                under_strace(implementation, call, error, path),
                substituted([*line.split(), *program], values),
                conditions=support.database_conditions(),
                environment={**support.ENVIRONMENT, **needed},
            )
        )
        for implementation in (support.command(), support.reference())
    ]
    assert not differences(*found), "\n".join([line, *differences(*found)])
    if row != "setgroups-file-missing":
        assert found[0].status != 0 or "no-file" in row, found[0]


EMPTY_ROOT_LINES = (
    "-R @EMPTY",
    "-f -R @EMPTY",
    "-r -R @EMPTY",
    "-R @EMPTY -S 5 -G 6",
    "-U -R @EMPTY --keep-caps",
    "-c -R @EMPTY --keep-caps -f --kill-child",
    "-R @EMPTY -w /none",
    "-pf -R @EMPTY --mount-proc",
    "-R @EMPTY --mount-proc=/none",
    "-f -R @EMPTY --forward-signals",
    "-rpf -R @EMPTY -l :t:E::pyu::/bin/cat:",
    "-Tf --boottime=5 -R @EMPTY",
    "--map-auto -R @EMPTY",
)


@pytest.mark.parametrize("line", EMPTY_ROOT_LINES)
@pytest.mark.parametrize("program", [["none"], ["/none"], ["none/none"], [""], []], ids=str)
@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary-user"])
def test_a_root_with_nothing_in_it(line: str, program: Sequence[str], user: User) -> None:
    """Nothing that Python may still want can be there."""
    empty = support.new_directory()
    comparing.assert_same(line.split(), program=program, user=user, values={"@EMPTY": str(empty)})


@pytest.mark.parametrize("program", [["none"], []], ids=["program", "login-shell"])
@pytest.mark.parametrize("line", ["", "-f", "-r -f", "-S 5 -G 5", "-c --keep-caps", "--kill-child"])
@pytest.mark.skipif(
    [support.reference_path()] == support.COMMAND, reason="the reference loads NSS libraries there"
)
def test_nothing_is_opened_in_the_new_root(line: str, program: Sequence[str]) -> None:
    """After chroot(2) only the user database is read, and only for a login shell."""
    root = made_root()
    shutil.rmtree(root / "bin")
    log = support.new_directory() / "log"
    strace = shutil.which("strace", path=support.STANDARD_PATH) or "strace"
    calls = "trace=chroot,open,openat,openat2,stat,newfstatat,statx,access,execve,readlink"
    ours = support.command()
    words = [strace, "-f", "-qq", "-e", "signal=none", "-o", str(log), "-e", calls, ours.file]
    words += [*ours.arguments, *line.split(), "-R", str(root), *program]
    environment = {**support.ENVIRONMENT, **dict(ours.environment)}
    support.run(words, environment=environment)
    after = re.split(r"chroot\(.*\) += 0\n", log.read_text())[1]
    touched = {os.path.normpath(path) for path in re.findall(r'"([^"]*)"', after)}
    allowed = {"/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups"}
    if not program:
        allowed |= {"/etc/passwd", "/bin/loginshell", "/bin/sh", "-sh", "-loginshell"}
    searched = {f"{directory}/none" for directory in support.STANDARD_PATH.split(":")} | {"none"}
    assert touched <= allowed | searched, after
