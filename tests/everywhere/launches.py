"""Launches by the command and by a reference, compared where pytest cannot run.

    python3 -IS tests/everywhere/launches.py [-v] [WORD...]

Any Python from 3.9 on will do, also another one than that of the command. WORD... is what goes
before each command line, such as `bwrap --dev-bind / / --`. The programs are those of the tests:
PYUNSHARE_COMMAND and PYUNSHARE_REFERENCE, and in the directory PYUNSHARE_COMPILED `start` and
`probe`; all of them by names that are valid where WORD... leads, for ordinary users, too. Without
`start` and `probe`, and without a compiler, what a shell prints is compared. Of a reference older
than 2.42, options are compared that it has, and effects, not messages. It ends with a summary as
pytest's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.helpers import comparing, support
from tests.helpers.comparing import Observation
from tests.helpers.support import ROOT, Program, User

PATIENCE = 60  # seconds for a launch
NOT_STARTED = 97  # the status of `start`
TODAYS_MESSAGES = (2, 42)
# What older references have under the same name, but with another meaning, or with a fault
SINCE = {
    "map-users": (2, 39),
    "map-groups": (2, 39),
    "kill -KILL $$": (2, 39),
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
--kill-child=SIGRTMIN+1
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


def launches() -> Iterator[Launch]:
    """Yield all launches."""
    for line in EFFECTS.splitlines()[1:]:
        yield Launch(line.split())
    for line in FAULTS.split("\n")[1:-1]:
        yield Launch(line.split())
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
        with subprocess.Popen(
            line,
            env={**support.ENVIRONMENT, **dict(program.environment)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=PATIENCE)
                status: int | None = process.returncode
            except subprocess.TimeoutExpired:
                support.kill_session(process)
                stdout, stderr = process.communicate()
                status = None
        return observation(status, stdout, stderr, process.pid)


def observation(status: int | None, stdout: bytes, stderr: bytes, pid: int) -> Observation:
    """Return what can be compared of what was printed: the report is in the standard output."""
    is_ours = re.compile(rb"^[\w/]+=", re.MULTILINE)
    report = b"".join(line for line in stdout.splitlines(keepends=True) if is_ours.match(line))
    said = b"".join(line for line in stdout.splitlines(keepends=True) if not is_ours.match(line))
    fields = comparing.parsed(report)
    if not any(key.startswith("caller/") for key in fields):  # no `start` has told
        for name in os.listdir("/proc/self/ns") if os.path.exists("/proc/self/ns") else ():
            fields[f"caller/{name}"] = [os.readlink(f"/proc/self/ns/{name}")]
    return Observation(
        status,
        comparing.normalised(os.fsdecode(said)),
        comparing.normalised(os.fsdecode(stderr)),
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


def comparable(seen: Observation) -> Observation:
    """Return what does not depend on the version of the reference."""
    if support.reference_version() >= TODAYS_MESSAGES:
        return seen
    return seen._replace(stderr="something" if seen.stderr else "")


def main(words: Sequence[str]) -> int:
    """Compare all launches, and return 1 if one differs."""
    is_verbose = words[:1] == ["-v"]
    place = setting(words[1:] if is_verbose else words)
    version = ".".join(map(str, support.reference_version()))
    print(f"reference {version}; compared {'by the probe' if place.start else 'as printed'}")
    passed, failed, skipped = 0, 0, 0
    started = time.monotonic()
    for launch in launches():
        word = unlike(launch)
        if word or (launch.user != ROOT and not place.start):
            reason = f"not in reference {version}: {word}" if word else "missing tool: compiler"
            print(f"SKIPPED [1] launches.py: {reason}")
            skipped += 1
            continue
        # By a name that the user may use here; elsewhere all of them are valid for everybody.
        user = ROOT if place.before else launch.user
        command = support.command(user)
        theirs, ours = (
            comparable(place.observe(launch, each._replace(environment=command.environment)))
            for each in (support.reference(user), command)
        )
        found = comparing.differences(ours, theirs)
        if theirs.status in (None, NOT_STARTED):
            found.append(f"the reference has not been started: {theirs.status} {theirs.stderr}")
        passed, failed = (passed, failed + 1) if found else (passed + 1, failed)
        if found:
            print("\n  ".join([f"FAILED {launch}", *found]), flush=True)
        elif is_verbose:
            print(f"{launch}: {ours.status} {ours.stderr.strip()}", flush=True)
    told = f"{passed} passed, {failed} failed, {skipped} skipped"
    print(f"==== {told} in {time.monotonic() - started:.1f}s ====")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        support.remove_workspace()
