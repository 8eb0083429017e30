"""Generated command lines through the command under test and through the reference.

Where the two are meant to differ (``differences.py``), a rule decides by the command line and the
conditions whether it applies. Most rules then ask the reference for the same in words that it
understands; the others say what differs in what is seen.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Callable, NamedTuple

from hypothesis import assume, event, given, note, settings
from hypothesis import strategies as st

from tests.helpers import c_library, comparing, differences, generating, profiles, support
from tests.helpers.comparing import Observation
from tests.helpers.generating import Line, Map, Start, Use
from tests.helpers.machine import needs
from tests.helpers.support import (
    NAME,
    ROOT,
    WITH_SUBORDINATE_IDS,
    WITHOUT_SUBORDINATE_IDS,
    Program,
    User,
)

pytestmark = [
    needs("root", "compiler", "reference", "subordinate id files"),
    needs("user namespaces", "time namespaces", "cgroup namespaces"),
]

PATIENCE_MS = 20_000
IDS = range(1 << 32)
NUMBER = r"[ \t\n\v\f\r]*[+-]?[0-9]+"


# ---- places -------------------------------------------------------------------------------------


@functools.cache
def places() -> Mapping[str, str]:
    """What the words that begin with ``@`` stand for; no line can change anything there."""
    directory = support.new_directory()
    directory.chmod(0o755)
    _fill(directory)
    root = comparing.made_root()
    probe = support.compiled("probe")
    # Inside, the same names lead to the same kinds of things.
    for place in (root / probe.relative_to("/"), root / directory.relative_to("/") / "x"):
        place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(probe, root / probe.relative_to("/"))
    _fill(root / directory.relative_to("/"))
    return {
        "@PROBE": str(probe),
        "@DIR": str(directory),
        "@ROOT": str(root),
    }


def _fill(directory: Path) -> None:
    """Make files of every kind that a launch may meet."""
    for name in ("inner", "mount", "private", "inner/inner"):
        (directory / name).mkdir()
    (directory / "private").chmod(0o700)
    for name, text, mode in (
        ("file", "", 0o644),
        ("other", "", 0o644),
        ("third", "", 0o644),
        ("plain-script", 'echo plain "$0" $# "$@"\n', 0o755),
        ("empty", "", 0o755),
        ("garbage", "\0\1\2\3 garbage", 0o755),
        ("not-executable", "echo no\n", 0o644),
        ("inner/probe", "", 0o644),
        ("inner/newuidmap", "", 0o644),
        ("missing-interpreter", "#!/no/such/interpreter\n", 0o755),
    ):
        (directory / name).write_text(text)
        (directory / name).chmod(mode)
    shutil.copy(support.compiled("probe"), directory / "probe")
    (directory / "loop").symlink_to("loop")
    for name in ("newuidmap", "newgidmap"):
        path = shutil.which(name, path=support.STANDARD_PATH)
        if path is not None:
            (directory / name).symlink_to(path)


# ---- one run ------------------------------------------------------------------------------------


class Run(NamedTuple):
    """What one run showed, and how many processes it left behind."""

    seen: Observation
    left: int


def run(program: Program, words: Sequence[str], start: Start, user: User) -> Run:
    """Run one of the two; no pipe is waited for, because a helper may hold it open for ever."""
    before: list[support.Word] = []
    if any(word.startswith("--mount=") for word in words):
        # From within a namespace that another processor made, the kernel refuses that at random.
        before.append("processor=0")
    if user == ROOT:
        before += support.database_conditions()
    needed = [f"env={name}={value}" for name, value in support.command(user).environment]
    with contextlib.ExitStack() as stack:
        report, output, errors = (stack.enter_context(_in_memory()) for _ in range(3))
        values = {**places(), "@REPORT": f"--report={report}"}
        line = support.started(
            program._replace(environment=()),
            comparing.substituted(words, values),
            user=user,
            conditions=[
                *before,
                *comparing.substituted([*start.words, *needed], values),
                f"report={report}",
            ],
        )
        with support.popen(line, stdout=output, stderr=errors, descriptors=[report]) as process:
            status = _ended(process)
        left = _end_left_overs()
        told, printed, complaint = (_content(file) for file in (report, output, errors))
    assert status != 97, f"the test could not start: {os.fsdecode(complaint)}"
    if b"end=of report" in printed:  # the probe as a login shell
        told, printed = told + printed, b""
    told_fields = comparing.comparable(comparing.parsed(told), process.pid)
    seen = Observation(status, _normalised(printed), _normalised(complaint), told_fields)
    return Run(seen, left)


@contextlib.contextmanager
def _in_memory() -> Iterator[int]:
    descriptor = os.memfd_create("test", 0)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """The status of a process, None where it had to be killed; waits without looking again."""
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if poll.poll(PATIENCE_MS):
            return process.wait()
    finally:
        os.close(descriptor)
    support.kill_session(process)
    process.wait()
    return None


def _end_left_overs() -> int:
    """End what is left of a run, which we have adopted; return how many processes it was."""
    left = support.left_over_children()
    if left:  # one that is just ending is not left
        with contextlib.suppress(AssertionError):
            support.wait_for(lambda: not support.left_over_children(), "the end", 0.1)
        left = support.left_over_children()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    support.wait_for(lambda: not support.left_over_children(), "killed processes to end")
    return len(left)


def _normalised(text: bytes) -> str:
    return re.sub(r"\bprocess \d+", "process PID", comparing.normalised(os.fsdecode(text)))


# ---- what a line asks for -----------------------------------------------------------------------


def last(uses: Iterable[Use], *names: str) -> Use | None:
    """The last use of any of these options."""
    found = [use for use in uses if use.name in names]
    return found[-1] if found else None


def names_in(uses: Iterable[Use]) -> set[str]:
    """The names of the options that occur."""
    return {use.name for use in uses}


def single(uses: Iterable[Use], kind: str) -> Use | None:
    """The option that decides about the single mapping of a kind, "user" or "group"."""
    return last(uses, f"map-{kind}", "map-root-user", "map-current-user")


def has_ranges(uses: Iterable[Use], kind: str) -> bool:
    """Whether any range is asked for."""
    return bool(names_in(uses) & {f"map-{kind}s", "map-auto", "map-subids"})


def forks(uses: Iterable[Use]) -> bool:
    """Whether the program is to be a child."""
    return bool(names_in(uses) & {"fork", "kill-child", "forward-signals"})


def has_files(uses: Iterable[Use]) -> bool:
    """Whether any namespace is to be made persistent."""
    return any(
        use.value is not None
        for use in uses
        if use.name in ("mount", "uts", "ipc", "net", "pid", "user", "cgroup", "time")
    )


def needs_helper(uses: Sequence[Use]) -> bool:
    """Whether a process has to wait in the old namespaces, for the maps or for the files."""
    owned = "owner" in names_in(uses) and (single(uses, "user") or single(uses, "group"))
    return bool(has_files(uses) or has_ranges(uses, "user") or has_ranges(uses, "group") or owned)


# ---- the deliberate differences -----------------------------------------------------------------


class Asked(NamedTuple):
    """What the reference is asked instead, and texts of its messages with what they stand for."""

    uses: tuple[Use, ...]
    texts: tuple[tuple[str, str], ...] = ()

    def restored(self, message: str) -> str:
        """A message of the reference in the words of the original line."""
        for instead, original in self.texts:
            message = message.replace(instead, original)
        return message


def _wraps(use: Use, part: str) -> bool:
    """Whether a number becomes another one in the reference: it is none of 32 bits.

    Of --setuid and --setgid, it refuses by itself what is negative or has more than 64 bits.
    """
    if not re.fullmatch(NUMBER, part) or int(part) in IDS:
        return False
    return use.name not in ("setuid", "setgid") or int(part) in range(1 << 64)


def _parts(use: Use) -> list[str]:
    """The numbers that a value consists of."""
    text = use.value or ""
    if use.name in ("setuid", "setgid"):
        return [text]
    if use.name == "owner":
        return text.split(":")
    if use.name in ("map-users", "map-groups"):
        return text.split(":" if ":" in text else ",")
    return []


def numbers_do_not_wrap(asked: Asked) -> Asked:
    """1: the reference gets a value that it refuses with the message that is due."""
    uses, texts = list(asked.uses), list(asked.texts)
    for place, use in enumerate(uses):
        if use.name == "kill-child" and re.match(r"(?i)(SIG)?RT\D*\d{9}", use.value or ""):
            uses[place] = use._replace(value="RTMIN+99")
            texts.append(("unknown signal: RTMIN+99", f"unknown signal: {use.value}"))
        if not any(_wraps(use, part) for part in _parts(use)):
            continue
        beyond = str((1 << 64) + place)
        instead = beyond if use.name in ("setuid", "setgid") else f"x{beyond}"
        uses[place] = use._replace(value=instead)
        texts.append((f"'{instead}'", f"'{use.value}'"))
    return Asked(tuple(uses), tuple(texts))


def _numbers(use: Use) -> list[int]:
    """The numbers of a range, none where they do not make one."""
    parts = _parts(use)
    numbers = [int(part) for part in parts if re.fullmatch(NUMBER, part)]
    is_range = use.name in ("map-users", "map-groups") and len(parts) == len(numbers) == 3
    return numbers if is_range and all(number in IDS for number in numbers) else []


def ranges_do_not_wrap(asked: Asked) -> Asked:
    """1: the reference goes on at 0 behind the last id, where there is no single mapping.

    The kernel takes no such range, and none that is there twice either.
    """
    uses: list[Use] = []
    for use in asked.uses:
        numbers = _numbers(use)
        kind = "user" if use.name == "map-users" else "group"
        wraps = numbers and numbers[2] and max(numbers[:2]) + numbers[2] > IDS[-1]
        is_alone = wraps and not single(asked.uses, kind)
        uses += [use._replace(value="0:0:1")] * 2 if is_alone else [use]
    return asked._replace(uses=tuple(uses))


def a_fulfilled_wish_is_no_error(asked: Asked) -> Asked:
    """3: beside a single group mapping, ``--setgroups deny`` says nothing new."""
    uses = asked.uses
    setgroups = last(uses, "setgroups")
    is_single = single(uses, "group") and not has_ranges(uses, "group")
    if not is_single or "owner" in names_in(uses) or not setgroups or setgroups.value != "deny":
        return asked
    said = ("deny", "allow")
    kept = tuple(use for use in uses if use.name != "setgroups" or use.value not in said)
    return asked._replace(uses=kept)


def a_relative_wd_is_inside_the_new_root(asked: Asked) -> Asked:
    """9: the reference gets the absolute path."""
    wd = last(asked.uses, "wd")
    if "root" not in names_in(asked.uses) or not wd or not wd.value or wd.value[0] in "/@":
        return asked
    uses = tuple(use._replace(value=f"/{use.value}") if use is wd else use for use in asked.uses)
    message = "cannot change directory to "
    text = (f"{message}/{wd.value}:", f"{message}{wd.value}:")
    return Asked(uses, (*asked.texts, text))


def _is_empty_range(use: Use) -> bool:
    return _numbers(use)[2:] == [0]


def a_range_of_count_0_maps_nothing(asked: Asked) -> Asked:
    """11: beside a single mapping, the reference gets one that this does not touch."""
    uses = asked.uses
    for kind in ("user", "group"):
        if single(uses, kind):
            uses = tuple(
                use._replace(value="4000000000:4000000000:0")
                if use.name == f"map-{kind}s" and _is_empty_range(use)
                else use
                for use in uses
            )
    return asked._replace(uses=uses)


ASKING: Sequence[tuple[int, Callable[[Asked], Asked]]] = (
    (1, numbers_do_not_wrap),
    (1, ranges_do_not_wrap),
    (11, a_range_of_count_0_maps_nothing),
    (3, a_fulfilled_wish_is_no_error),
    (9, a_relative_wd_is_inside_the_new_root),
)


def asked_of_the_reference(uses: tuple[Use, ...], user: User) -> Asked:
    """The line for the reference, after all rules; what it was made from is counted."""
    asked = Asked(uses)
    for number, rule in ASKING:
        changed = rule(asked)
        if changed != asked:
            event(f"rule {number}: {differences.rule(number).name}")
            # What newuidmap says names the range: that cannot be had from another one.
            assume(user == ROOT or rule is not ranges_do_not_wrap)
        asked = changed
    return asked


class Case(NamedTuple):
    """Both runs of a line."""

    uses: tuple[Use, ...]
    start: Start
    ours: Run
    theirs: Run


def _with_field(run: Run, key: str, value: str) -> Run:
    report = {**run.seen.report, key: (value,)}
    return run._replace(seen=run.seen._replace(report=report))


def _signal_number(name: str) -> int:
    """The number of a signal by one of the names that --kill-child takes."""
    name = name.upper().removeprefix("SIG")
    distance = re.fullmatch(r"(RTMIN\+|RTMAX-|RT)(\d+).*", name)
    if distance is None:
        return 16 if name == "STKFLT" else int(signal.Signals[f"SIG{name}"])
    if distance.group(1) == "RTMAX-":
        return signal.SIGRTMAX - int(distance.group(2))
    return signal.SIGRTMIN + int(distance.group(2))


def the_death_signal_stays_armed(case: Case) -> Case:
    """2: where an id was changed after it had been set, only the command still has it."""
    key = "parent_death_signal"
    asked = last(case.uses, "kill-child")
    changes = names_in(case.uses) & {"setuid", "setgid"}
    if not asked or not changes or case.theirs.seen.report.get(key) != ("0",):
        return case
    number = _signal_number("KILL" if asked.value is None else asked.value)
    return case._replace(theirs=_with_field(case.theirs, key, str(number)))


BINDING_FAILED = re.compile(rf"{re.escape(NAME)}: (mount /proc/PID/ns/\w+ on .* failed): (.*)\n")


def no_program_from_a_half_done_launch(case: Case) -> Case:
    """5: a child of the reference goes on, and prints and reports, without the files."""
    ours, theirs = case.ours.seen, case.theirs.seen
    if not forks(case.uses) or not has_files(case.uses) or theirs.status != 1:
        return case
    message = BINDING_FAILED.fullmatch(ours.stderr)
    # Parent and child of the reference write at the same time, piece by piece.
    is_mixed = message is not None and all(piece in theirs.stderr for piece in message.groups())
    # And one of them may be gone before it has written what it met.
    is_childs = message is not None and not theirs.report and theirs.stderr.startswith(NAME)
    # Without standard error only the missing program tells.
    is_silent = ours == Observation(1, "", "", {}) and "close=2" in case.start.conditions
    if not is_mixed and not is_childs and not is_silent:
        return case
    return case._replace(theirs=Run(Observation(1, "", ours.stderr, {}), 0))


def _without_files(report: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The mounts of a report that are not those of namespaces."""
    return [mount for mount in report.get("mount", ()) if " nsfs nsfs " not in mount]


def _without_the_first_namespace(case: Case) -> Mapping[str, tuple[str, ...]]:
    """The reference's report, where its program may have run before the helper had ended.

    The helper that binds the files is the last process in the first mount namespace. When that
    goes, its mounts go, and what was a slave of theirs is one no more. A new user namespace
    makes slaves of shared mounts too.
    """
    ours, theirs = case.ours.seen.report, case.theirs.seen.report
    mounts = (
        mount if mount in ours["mount"] else mount.replace(" master ", " ")
        for mount in theirs["mount"]
    )
    return {**theirs, "mount": tuple(mounts)}


def no_program_before_the_files(case: Case) -> Case:
    """5: for the same reason a program of the reference may see the files late, or never."""
    ours, theirs = case.ours.seen.report, case.theirs.seen.report
    if not forks(case.uses) or not has_files(case.uses) or not ours or not theirs:
        return case
    theirs = _without_the_first_namespace(case)
    if not {*theirs["mount"]} <= {*ours["mount"]} or _without_files(ours) != _without_files(theirs):
        return case
    seen = case.theirs.seen._replace(report={**theirs, "mount": ours["mount"]})
    return case._replace(theirs=case.theirs._replace(seen=seen))


def no_file_after_the_program(case: Case) -> Case:
    """5: only a child that does not wait can have left the mounts that it shares in time.

    The kernel keeps a mount namespace from being bound where it would see that mount itself.
    """
    if not forks(case.uses) or "propagation=shared" not in case.start.conditions:
        return case
    ours = case.ours.seen
    if not any(use.name == "mount" and use.value is not None for use in case.uses):
        return case
    message = BINDING_FAILED.fullmatch(ours.stderr)
    refused = ("/ns/mnt on ", os.strerror(errno.EINVAL))
    is_refused = message is not None and all(piece in message.group() for piece in refused)
    is_silent = ours == Observation(1, "", "", {}) and "close=2" in case.start.conditions
    if not is_refused and not is_silent:
        return case
    return case._replace(theirs=Run(Observation(1, "", ours.stderr, {}), 0))


def no_helper_outlives_a_failure(case: Case) -> Case:
    """6: what waits for a launch that has failed waits for ever."""
    if not needs_helper(case.uses) or case.theirs.seen.status == 0:
        return case
    return case._replace(theirs=case.theirs._replace(left=0))


def _ignored(run: Run) -> list[int]:
    return [int(word) for value in run.seen.report["signals/ignored"] for word in value.split()]


def _with_ignored(run: Run, numbers: Iterable[int]) -> Run:
    text = "".join(f"{number} " for number in sorted(numbers))
    return _with_field(run, "signals/ignored", text)


def ignored_signals_stay_ignored(case: Case) -> Case:
    """10: the reference gives the program the defaults of those that it forwards."""
    if "forward-signals" not in names_in(case.uses) or not case.theirs.seen.report:
        return case
    ignored = {number for number in (2, 15) if case.start.ignores(number)}
    if not ignored or ignored & set(_ignored(case.theirs)):
        return case
    return case._replace(theirs=_with_ignored(case.theirs, {*_ignored(case.theirs), *ignored}))


def an_ignored_sigpipe_becomes_default(case: Case) -> Case:
    """14: and SIGXFSZ."""
    hidden = {number for number in (13, 25) if case.start.ignores(number)}
    if not hidden or not case.theirs.seen.report:
        return case
    theirs = case.theirs
    return case._replace(theirs=_with_ignored(theirs, set(_ignored(theirs)) - hidden))


def help_and_version_are_our_own(case: Case) -> Case:
    """13: all that has to be alike is whether there is any."""
    theirs, ours = case.theirs.seen, case.ours.seen
    asks = names_in(case.uses) & {"help", "version"}
    if not asks or not theirs.stdout or theirs.status or not ours.stdout:
        return case
    told = theirs.stdout.startswith((f"{NAME} from util-linux", "\nUsage:\n"))
    assert told, theirs.stdout
    return case._replace(theirs=case.theirs._replace(seen=theirs._replace(stdout=ours.stdout)))


def the_end_of_a_message(case: Case) -> Case:
    """What 2.42.4 says of an id that cannot be mapped ends before the reason."""
    theirs = case.theirs.seen
    for use in case.uses:
        kind = {"map-user": "uid", "map-group": "gid"}.get(use.name)
        value = str(comparing.substituted([use.value or ""], places())[0])
        beginning = f"{NAME}: failed to parse {kind} '{value}'"
        if kind and theirs.stderr == f"{beginning}\n":
            seen = theirs._replace(stderr=f"{beginning}: {_reason(value)}\n")
            return case._replace(theirs=case.theirs._replace(seen=seen))
    return case


def _reason(text: str) -> str:
    """Why a text is no id. As in strtoul(3), what is beyond 64 bits needs no look at its end."""
    number = re.match(NUMBER, text)
    if number is None:
        return os.strerror(errno.EINVAL)
    value, is_whole = int(number.group()), number.group() == text
    beyond = value not in range(1 << 64) or (is_whole and value not in IDS)
    return os.strerror(errno.ERANGE if beyond else errno.EINVAL)


SEEING: Sequence[tuple[int, Callable[[Case], Case]]] = (
    (0, the_end_of_a_message),  # no deliberate difference: 2.43 has mended it
    (2, the_death_signal_stays_armed),
    (5, no_program_from_a_half_done_launch),
    (5, no_program_before_the_files),
    (5, no_file_after_the_program),
    (6, no_helper_outlives_a_failure),
    (10, ignored_signals_stay_ignored),
    (13, help_and_version_are_our_own),
    (14, an_ignored_sigpipe_becomes_default),
)

# What no generated line can meet, and why.
NEVER_MET: Mapping[int, str] = {
    4: "the user databases of the tests are the same for all lines, and list root first",
    7: "newuidmap and newgidmap are the real ones, and nobody kills them",
    8: "the reference has no --whitelist-env",
    12: "both are started under the same name, without a directory",
}


def seen_as_due(case: Case) -> Case:
    """The case with the reference showing what is due; what was changed is counted."""
    for number, rule in SEEING:
        changed = rule(case)
        if changed != case:
            name = differences.rule(number).name if number else "the end of a message"
            event(f"rule {number}: {name}")
        case = changed
    return case


# ---- comparing ----------------------------------------------------------------------------------


def both(words: Sequence[str], instead: Sequence[str], start: Start, user: User) -> tuple[Run, Run]:
    """What the command and the reference show while nobody else changes the mounts of the host."""
    while True:
        mounts = support.mount_table()
        ours = run(support.command(user), words, start, user)
        theirs = run(support.reference(user), instead, start, user)
        if support.mount_table() == mounts:
            return ours, theirs


def differences_of(
    uses: tuple[Use, ...],
    words: Sequence[str],
    start: Start,
    user: User,
    written: Callable[[tuple[Use, ...]], list[str] | None],
) -> list[str]:
    """What differs where nothing should.

    ``written`` writes a line with other options for the reference, where that can be done.
    """
    asked = asked_of_the_reference(uses, user)
    instead = words if asked.uses == uses else written(asked.uses)
    assume(instead is not None)
    assert instead is not None
    ours, theirs = both(words, instead, start, user)
    restored = theirs.seen._replace(stderr=asked.restored(theirs.seen.stderr))
    if asked.uses != uses:
        note(f"the reference was asked: {' '.join(instead)}")
    case = seen_as_due(Case(uses, start, ours, theirs._replace(seen=restored)))
    event("the program started" if ours.seen.report else "no program started")
    found = comparing.differences(case.ours.seen, case.theirs.seen)
    if case.ours.left or case.theirs.left:
        found.append(f"left: reference {case.theirs.left}, command {case.ours.left} processes")
    return found


def check(line: Line, start: Start, user: User) -> None:
    """Assert that both do the same with a planned line."""
    found = differences_of(
        line.uses, line.words, start, user, lambda uses: line._replace(uses=uses).words
    )
    assert not found, "\n".join([f"{NAME} {line}", *found])


def examples(divisor: int) -> settings:
    """Settings for one of the properties; a failure prints how to have its example again."""
    return settings(profiles.one_in(divisor), print_blob=True)


def test_every_rule_is_met_or_not() -> None:
    met = {number for number, _ in (*ASKING, *SEEING)}
    assert {*met, *NEVER_MET} == {0, *(rule.number for rule in differences.RULES)}


@examples(8)
@given(generating.lines(ROOT), generating.starts())
def test_lines_as_root(line: Line, start: Start) -> None:
    check(line, start, ROOT)


@needs("newuidmap", "newgidmap")
@examples(25)
@given(generating.lines(WITH_SUBORDINATE_IDS), generating.starts())
def test_lines_with_subordinate_ids(line: Line, start: Start) -> None:
    check(line, start, WITH_SUBORDINATE_IDS)


@examples(40)
@given(generating.lines(WITHOUT_SUBORDINATE_IDS), generating.starts())
def test_lines_without_subordinate_ids(line: Line, start: Start) -> None:
    check(line, start, WITHOUT_SUBORDINATE_IDS)


def planned(words: Sequence[str]) -> Line:
    """Loose words as the C library reads them, up to the first fault of their grammar."""
    read = c_library.getopt_long(NAME, list(words))
    uses = tuple(Use(name, value, f"--{name}") for name, value in read.options)
    return Line(uses, tuple(read.rest), separator=("--",))


@examples(50)
@given(generating.loose_lines, st.booleans(), generating.starts())
def test_loose_words_as_root(words: list[str], ends_in_probe: bool, start: Start) -> None:
    words = [*words, *(generating.PROBE if ends_in_probe else ())]
    has_fault = c_library.getopt_long(NAME, list(words)).complaint is not None
    line = planned(words)
    found = differences_of(
        line.uses,
        words,
        start,
        ROOT,
        lambda uses: None if has_fault else line._replace(uses=uses).words,
    )
    assert not found, "\n".join([f"{NAME} {words}", *found])


# ---- maps: section 6 ----------------------------------------------------------------------------

PLAIN_START = Start((), ("PATH=@DIR",))


def check_map(asked: Map, user: User) -> None:
    """Assert that both write the same map, or refuse it alike."""
    event(f"{min(len(asked.ranges), 341) // 50 * 50} lines or more")
    check(Line(tuple(asked.uses), generating.PROBE), PLAIN_START, user)


@examples(40)
@given(generating.maps(ROOT))
def test_maps_as_root(asked: Map) -> None:
    check_map(asked, ROOT)


@needs("newuidmap", "newgidmap")
@examples(80)
@given(generating.maps(WITH_SUBORDINATE_IDS))
def test_maps_with_subordinate_ids(asked: Map) -> None:
    check_map(asked, WITH_SUBORDINATE_IDS)
