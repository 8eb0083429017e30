"""A check-up: what this machine allows, tried for real, and what mends the rest.

``python3 -m pyunshare.doctor [--json]`` launches ``true`` with each option, in child processes
that leave nothing behind, as root and as an ordinary user. What fails is told with the hint that
the command itself gives.
"""

from __future__ import annotations

import ctypes
import os
import posix
import pwd
import shutil
import signal
import sys
from typing import Callable, NoReturn

# Most are for the launches to find loaded: as another user, a child may not reach their files.
from .. import capabilities, translation  # noqa: F401
from ..command import main
from ..diagnostics import advice, hints, probes  # noqa: F401
from ..diagnostics.system import NAMESPACES, Machine, Namespace
from ..launch import binfmt, helpers, startup  # noqa: F401
from ..messages import STANDARD_ERROR
from ..options import accounts, values  # noqa: F401
from ..options.option import BY_NAME
from ..syscalls import load_c_library
from .report import NAME, Finding, Outcome, Report, Trial

PATIENCE = 20  # seconds for a launch
NOBODY = 65534
PR_SET_DUMPABLE = 4  # <linux/prctl.h>


def _attempted(options: list[str], become: Callable[[], None]) -> Outcome:
    """Launch ``true`` in a child process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - its end is not seen, see measured.py
        _be_launch(options, become, writing)
    os.close(writing)
    with open(reading, errors="replace") as output:
        lines = output.read().splitlines()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return _outcome(status, lines)


def _be_launch(
    options: list[str], become: Callable[[], None], output: int
) -> NoReturn:  # pragma: no cover - as above
    """Be the command, with no input, and all that it says in ``output``."""
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        for descriptor, source in enumerate((null, output, output)):
            os.dup2(source, descriptor)
        signal.alarm(PATIENCE)
        become()
        posix.environ[b"PYUNSHARE_HINTS"] = b"always"
        sys.argv = [NAME, *options, shutil.which("true") or "/bin/true"]
        main(NAME)
    except BaseException as error:
        os.write(STANDARD_ERROR, f"{NAME}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(1)


def _outcome(status: int, lines: list[str]) -> Outcome:
    hinted = [line.partition(": hint: ")[2] for line in lines if ": hint: " in line]
    said = [line.partition(": ")[2] for line in lines if ": hint: " not in line]
    if status == -signal.SIGALRM:
        said.append(f"did not end in {PATIENCE} seconds")
    elif status < 0:
        said.append(f"killed by {signal.Signals(-status).name}")
    commands = hinted[1].partition("type: ")[2].split(advice.OR) if len(hinted) > 1 else []
    return Outcome(status == 0, "; ".join(said), hinted[0] if hinted else "", commands)


def _becoming(user: pwd.struct_passwd) -> Callable[[], None]:
    """Return what makes a child process run as a user."""

    def become() -> None:  # pragma: no cover - in a child process, as above
        if os.geteuid() != user.pw_uid:
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            # Its own files in /proc would be root's otherwise: PR_SET_DUMPABLE(2const)
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)

    return become


def ordinary_user() -> pwd.struct_passwd:
    """Return who is to be tried: who runs this, or who became root by sudo, or nobody."""
    user = os.getuid()
    if user == 0:
        given = os.environ.get("SUDO_UID", "")
        user = int(given) if given.isdigit() and int(given) else NOBODY
    try:
        return pwd.getpwuid(user)
    except KeyError:
        return pwd.struct_passwd((str(user), "", user, user, "", "/", ""))


def check(machine: Machine | None = None) -> Report:
    """Try everything, and return what was found."""
    machine = machine or Machine()
    user = ordinary_user()
    load_c_library()
    become = _becoming(user)
    can_become = probes.outcome(become) == 0  # in a user namespace there may be no other user

    def tried(trial: Trial) -> Finding:
        as_root = _attempted(trial.options, lambda: None) if os.geteuid() == 0 else None
        as_user = None
        if can_become and trial.ordinary_options is not None:
            as_user = _attempted(trial.ordinary_options, become)
        return Finding(trial, as_root, as_user)

    return Report(
        user,
        machine,
        [tried(_namespace_trial(namespace, machine)) for namespace in NAMESPACES],
        [tried(trial) for trial in _option_trials(machine, user)],
    )


def _namespace_trial(namespace: Namespace, machine: Machine) -> Trial:
    option = BY_NAME[namespace.option]
    words = [f"--{option.name}"]
    is_known = machine.has_namespace(namespace) is not False
    return Trial(f"-{option.short} --{option.name}", words, ["-r", *words], is_known)


def _option_trials(machine: Machine, user: pwd.struct_passwd) -> list[Trial]:
    has_ids = all(machine.blocks_of(kind, user.pw_uid) for kind in ("uid", "gid"))
    map_root = ["-r"]
    own_proc = ["-pf", "--mount-proc"]
    map_auto = ["--map-auto"]
    # Nobody, who stands for all ordinary users, is not to be given ids.
    may_want_ids = has_ids or user.pw_uid != NOBODY
    return [
        Trial("-r", map_root, map_root),
        Trial("-pf --mount-proc", own_proc, ["-r", *own_proc]),
        Trial("--map-auto", map_auto, map_auto if may_want_ids else None, has_ids),
        Trial("--mount-binfmt", ["-rpf", "--mount-binfmt"], ["-rpf", "--mount-binfmt"], False),
    ]
