"""Launches by the command and by a reference, compared where pytest cannot run.

    python3 -IS tests/everywhere/launches.py [--without-WHAT...] [WORD...]

Any Python from 3.9 on will do, also another one than that of the command. WORD... is what goes
before each command line, such as `bwrap --dev-bind / / --`. The programs are those of the tests:
PYUNSHARE_COMMAND and PYUNSHARE_REFERENCE, and in the directory PYUNSHARE_COMPILED `start` and
`probe`; all of them by names that are valid where WORD... leads, for ordinary users, too. Without
`start` and `probe`, and without a compiler, what a shell prints is compared. Of a reference older
than 2.42, options are compared that it has, and effects, not messages. A command without ctypes has
to say so where that is needed; --without-faults leaves out command lines with faults in them, and
--without-programs other programs than the probe. It ends with a summary as pytest's.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pyunshare.errors import Failure
from pyunshare.options.request import Request
from tests.helpers import comparing, support
from tests.helpers.comparing import Observation
from tests.helpers.support import ROOT, Program, User

PATIENCE = 20  # seconds for a launch
NOT_STARTED = 97  # the status of `start`
TODAYS_MESSAGES = (2, 42)
NO_CTYPES = "pyunshare: this Python cannot call the C library: No module named '_ctypes'\n"
# What older references have under the same name, but with another meaning, or with a fault
SINCE = {
    "map-users": (2, 39),
    "map-groups": (2, 39),
    "kill -KILL $$": (2, 39),
    "kill -TERM $$": (2, 38),  # a child ignored the signals that its parent ignores
}
ORDINARY = support.User("ordinary", 61002, 61002)

# Each line is one launch, of the probe. What the kernel or a sandbox refuses is compared as well.
EFFECTS = """

-u
-i
-n
-m
-p -f
-U
-C
-T
-T -f
-u -i -n -m -p -f -C -T
-f
-m --propagation private
-m --propagation slave
-m --propagation shared
-m --propagation unchanged
-p -f --mount-proc
-p --mount-proc=/proc -f
--mount-proc
-p -f --kill-child
--kill-child=TERM
--kill-child=SIGRTMAX-1
--kill-child=9 -p
--forward-signals
--forward-signals -p
-r
-c
-r -f
-r -p -f --mount-proc
-r -m -u -i -n -C
-r -n
-r -T -f
-r --keep-caps
-c --keep-caps
-U --keep-caps
-c --keep-caps -m -f
-U --map-user=0
-U --map-group=0
--map-user=1000 --map-group=1000
--map-user=1000
--map-group=1000
--map-user=root
--map-users 0:0:10
--map-users 0:0:1 --map-groups 0:0:1
--map-users 0:0:1 --map-users 5:100000:10 -f
--map-users all --map-groups all
--map-root-user --map-users 1:1:10
--map-auto
--map-subids
--map-auto -r -f
-U --setgroups deny
-U --setgroups allow
--owner 0:0
--owner 61002:61002
-T --monotonic 100 -f
-T --boottime 1000 -f
-T --monotonic -1 --boottime 5 -f
-T --boottime -99999999999 -f
-S 0
-S 5
-G 5
-S 5 -G 6
-S 61002 -G 61002 -f
-r -S 0 -G 0
-r -S 5
-r -G 5
-U -S 0
-R /
-R / -w /proc
-w /
-w /proc
-r -R /
-r -m -w /
-p -f -R /
-fp -S 5 -G 5
-m -R / --mount-proc -p -f
--mount-binfmt
-l :name:M::x::/bin/sh:
"""

# What fails before it does anything, and with it the message
FAULTS = """
-x
--foo
--u=1
--fork=1
--m
-S
-S x
-S -1
-S 4294967295
-G x
-R /nonexistent
-w /nonexistent
-R /nonexistent -w /nonexistent
-m --propagation x
--propagation private
--setgroups x
--setgroups allow
-r --setgroups allow
--kill-child=X
--kill-child=99
--monotonic x -T
--monotonic 1
--boottime 1
--mount=/nonexistent/file
--uts=/nonexistent/file
-p=/nonexistent/file
--map-users 0:0
--map-users 0,0,1
--map-users x
--map-groups 0:0:0:0
--mount-proc=/nonexistent -p -f
--owner x
-l x
"""

# Programs, where there is a shell; its name and then the words
PROGRAMS = """
/nonexistent
/
no-such-program
/dev/null
/etc/passwd
sh -c exit\t3
sh -c kill\t-TERM\t$$
sh -c kill\t-KILL\t$$
sh -c echo\t$0
"""
HOW_STARTED = ("", "-f", "-p -f", "-r", "-r -p -f --mount-proc")

# As an ordinary user
UNPRIVILEGED = """
-u
-n
-m
-p -f
-T -f
-U
-r
-c
-r -u -i -n -m -p -f -C
-r -p -f --mount-proc
-r -m --propagation shared
-c --keep-caps
-r --keep-caps
-r -T -f --boottime 100
-r -S 0 -G 0
-r -S 5
-S 61002
-S 0
-G 0
-r -R /
-R /
-w /
--map-user=5 --map-group=6
--map-users 0:61002:1 --map-groups 0:61002:1
--map-users 0:0:1
--map-auto
--map-subids
-U --setgroups deny
-r --kill-child
-r --forward-signals
-r --mount-binfmt
"""

# The probe, as far as a shell goes
SHOW = """
for each in cgroup ipc mnt net pid pid_for_children time time_for_children user uts
do echo "ns/$each=$(readlink /proc/self/ns/$each || echo ?)"; done
for each in uid_map gid_map setgroups timens_offsets
do echo "$each=$(cat /proc/self/$each 2>/dev/null | tr '\\n' ' ')"; done
grep -E '^(Uid|Gid|Groups|Cap|Sig[^Q]|ShdPnd|NoNewPrivs)' /proc/self/status | tr ':\\t' '= '
echo "pid=$$"
echo "parent=$PPID"
echo "working_directory/path=$(pwd)"
echo "umask=$(umask)"
for each in $(ulimit -a | tr ' \\t' '__'); do echo "limit=$each"; done
for each in /proc/self/fd/*; do echo "descriptor=$each"; done
env | sed 's/^/environment=/'
while read -r _ _ _ line; do echo "mount=$line"; done < /proc/self/mountinfo
echo "end=of report"
"""


class Launch(NamedTuple):
    """What both are asked for."""

    options: Sequence[str]
    program: Sequence[str] | None = None  # or else the probe
    user: User = ROOT

    def __str__(self) -> str:
        words = ["pyunshare", *self.options, *(self.program or ["probe"])]
        return f"{self.user.name}: {' '.join(words)}"


def launches(options: Sequence[str] = ()) -> Iterator[Launch]:
    """Yield all launches but those that are to be left out."""
    for line in EFFECTS.splitlines()[1:]:
        yield Launch(line.split())
    if "--without-faults" not in options:
        for line in FAULTS.split("\n")[1:-1]:
            yield Launch(line.split())
    if "--without-programs" not in options:
        for line in PROGRAMS.split("\n")[1:-1]:
            for how in HOW_STARTED:
                yield Launch(how.split(), [word.replace("\t", " ") for word in line.split(" ")])
    for line in UNPRIVILEGED.split("\n")[1:-1]:
        yield Launch(line.split(), user=ORDINARY)


class Setting(NamedTuple):
    """Where launches are made, and by what."""

    before: Sequence[str]
    start: str | None
    probe: Sequence[str]

    def observe(self, launch: Launch, program: Program) -> Observation:
        """Return what a launch by one of the two has shown."""
        line = [*self.before]
        if self.start:
            conditions = [] if launch.user == ROOT else [support.user_condition(launch.user)]
            line += [self.start, *conditions, "report=1", "--", *program.words()]
        else:
            line += [program.file, *program.arguments]
        line += [*launch.options, *(launch.program or self.probe)]
        # Files in memory: a helper that a reference leaves behind would keep pipes open.
        outputs = [os.memfd_create("output"), os.memfd_create("output")]
        try:
            status, pid = ended(line, program, outputs)
            stdout, stderr = (
                support.in_words_of_glibc(os.pread(each, os.fstat(each).st_size, 0))
                for each in outputs
            )
        finally:
            for each in outputs:
                os.close(each)
        seen = observation(status, stdout, stderr, pid)
        if self.before:  # what it mounts is new each time
            for key in {"root", "working_directory"} & {*seen.report}:
                report = {**seen.report, key: (seen.field(key).rpartition(":")[2],)}
                seen = seen._replace(report=report)
        return seen


def ended(line: Sequence[str], program: Program, outputs: Sequence[int]) -> tuple[int | None, int]:
    """Run a command line, and return its status, None if it took too long, and its process id."""
    with subprocess.Popen(
        line,
        env={**support.ENVIRONMENT, **dict(program.environment)},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=outputs[0],
        stderr=outputs[1],
        start_new_session=True,
    ) as process:
        try:
            status: int | None = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            status = None
        support.kill_session(process)
    return status, process.pid


def observation(status: int | None, stdout: bytes, stderr: bytes, pid: int) -> Observation:
    """Return what can be compared of what was printed: the report is in the standard output."""
    is_ours = re.compile(rb"^[\w/]+=", re.MULTILINE)
    report = b"".join(line for line in stdout.splitlines(keepends=True) if is_ours.match(line))
    said = b"".join(line for line in stdout.splitlines(keepends=True) if not is_ours.match(line))
    fields = comparing.parsed(report)
    if not any(key.startswith("caller/") for key in fields):  # no `start` has told
        for name in os.listdir("/proc/self/ns") if os.path.exists("/proc/self/ns") else ():
            fields[f"caller/{name}"] = [os.readlink(f"/proc/self/ns/{name}")]
    # Of process 1 of a PID namespace, which does not die: the reference has whatever errno was left
    without_reason = re.sub(r"(: child exit failed): .*", r"\1", os.fsdecode(stderr))
    return Observation(
        status,
        comparing.normalised(os.fsdecode(said)),
        comparing.normalised(without_reason),
        comparing.comparable(fields, pid),
    )


def setting(before: Sequence[str]) -> Setting:
    """Return where and how launches are made."""
    if os.environ.get("PYUNSHARE_COMPILED") or support.compiler():
        return Setting(before, str(support.compiled("start")), [str(support.compiled("probe"))])
    return Setting(before, None, ["/bin/sh", "-c", SHOW])


def unlike(launch: Launch) -> str | None:
    """Return the word of a launch for which the reference is not as it is today."""
    known, version = support.reference_options(), support.reference_version()
    options = [name for name, _ in support.parse(launch.options)[0]]
    for word in [*options, *(launch.program or ())]:
        if (word in options and f"--{word}" not in known) or version < SINCE.get(word, ()):
            return word
    return None


def needs_ctypes(launch: Launch) -> bool:
    """Return whether a launch calls the C library with any Python."""
    options, _, failure = support.parse(launch.options)
    try:
        return not failure and Request.from_options(options).needs_c_library
    except Failure:
        return False


def comparable(seen: Observation) -> Observation:
    """Return what does not depend on the version of the reference."""
    if support.reference_version() >= TODAYS_MESSAGES:
        return seen
    if support.reference_version() < SINCE["kill -TERM $$"]:
        report = {key: value for key, value in seen.report.items() if key != "signals/ignored"}
        seen = seen._replace(report=report)
    is_known = seen.stderr in ("", NO_CTYPES)
    return seen if is_known else seen._replace(stderr="something")


class Skipped(Exception):
    """Why a launch cannot be compared here."""


def compared(place: Setting, launch: Launch, without_ctypes: bool) -> list[str]:
    """Return how the command differs from the reference in a launch. Raises Skipped."""
    if word := unlike(launch):
        version = ".".join(map(str, support.reference_version()))
        raise Skipped(f"not in reference {version}: {word}")
    if launch.user != ROOT and not place.start:
        raise Skipped("missing tool: compiler")
    # By a name that the user may use here; elsewhere all of them are valid for everybody.
    user = ROOT if place.before else launch.user
    command = support.command(user)
    reference = support.reference(user)._replace(environment=command.environment)
    theirs, ours = (comparable(place.observe(launch, each)) for each in (reference, command))
    if launch.user != ROOT and theirs.status == ours.status == NOT_STARTED:
        raise Skipped("no other user can be had here")
    if without_ctypes and needs_ctypes(launch) and (ours.status, ours.stderr) == (1, NO_CTYPES):
        raise Skipped("needs ctypes, and says so")
    found = comparing.differences(ours, theirs)
    if theirs.status in (None, NOT_STARTED):
        found.append(f"the reference has not ended, or not begun: {theirs.stderr}")
    return found


def main(words: Sequence[str]) -> int:
    """Compare all launches, and return 1 if one differs."""
    options = [*itertools.takewhile(lambda word: word.startswith("--"), words)]
    place = setting(words[len(options) :])
    version = ".".join(map(str, support.reference_version()))
    print(f"reference {version}; compared {'by the probe' if place.start else 'as printed'}")
    number = {"passed": 0, "failed": 0, "skipped": 0}
    started = time.monotonic()
    for launch in launches(options):
        try:
            found = compared(place, launch, "--without-ctypes" in options)
        except Skipped as reason:
            print(f"SKIPPED [1] launches.py: {reason}")
            number["skipped"] += 1
            continue
        number["failed" if found else "passed"] += 1
        if found:
            print("\n  ".join([f"FAILED {launch}", *found]), flush=True)
    told = ", ".join(f"{count} {word}" for word, count in number.items())
    print(f"==== {told} in {time.monotonic() - started:.1f}s ====")
    return 1 if number["failed"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        support.remove_workspace()
