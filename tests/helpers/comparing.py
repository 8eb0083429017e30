"""The same command line through the command under test and through the reference.

Both start in the same conditions (``start.c``), with the probe (``probe.c``) as the program, and
what the two probes saw is compared field by field. Only what has to differ from run to run is
made alike first: process ids become relations, namespaces become "the caller's" or "new".
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.helpers import support
from tests.helpers.support import ROOT, Launch, Program, User, Word

REPEATED = ("argument", "environment", "mount")
PIDS = ("pid", "parent", "session", "process_group", "terminal/foreground_group")
# Ids inside a young pid namespace are small and mean something; those outside are chance.
HIGHEST_TELLING_PID = 20

Report = Mapping[str, tuple[str, ...]]

PROBE = ("@PROBE", "@REPORT")


class Observation(NamedTuple):
    """What one run showed, made comparable."""

    status: int | None
    stdout: str
    stderr: str
    report: Report

    def field(self, key: str) -> str:
        """A field that occurs once."""
        (value,) = self.report[key]
        return value

    def map(self, name: str = "uid_map") -> str:
        """A map as the contract writes it: ``0 0 1 · 1 100000 65535``."""
        lines = self.field(name).replace("\\012", "\n").splitlines()
        return " · ".join(" ".join(line.split()) for line in lines)


def made_root() -> Path:
    """A small root file system: the probe, busybox, a user database and some traps."""
    root = support.new_directory()
    root.chmod(0o755)
    for directory in ("bin", "etc", "proc", "tmp", "inner"):
        (root / directory).mkdir()
    shutil.copy(support.compiled("probe"), root / "probe")
    shutil.copy(support.compiled("probe"), root / "bin" / "loginshell")
    busybox = shutil.which("busybox")
    if busybox is not None:
        shutil.copy(busybox, root / "bin" / "busybox")
        (root / "bin" / "sh").symlink_to("busybox")
    (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/loginshell\nx:x:7:7::/:/bin/no\n")
    (root / "script").write_text("echo script in the root\n")
    (root / "script").chmod(0o755)
    return root


def substituted(words: Sequence[Word], values: Mapping[str, str]) -> list[Word]:
    """Words with the names that begin with ``@`` replaced."""
    replaced: list[Word] = []
    for word in words:
        for name, value in values.items():
            if isinstance(word, bytes):
                word = word.replace(os.fsencode(name), os.fsencode(value))
            else:
                word = word.replace(name, value)
        replaced.append(word)
    return replaced


def observe(program: Program, argv: Sequence[Word], **given: Any) -> Observation:
    """One run of one implementation; what is given are fields of ``Launch``."""
    launch = Launch(argv, program, **given)
    # A file in memory: it needs no name in the new root and holds a report of any length.
    descriptor = os.memfd_create("report", 0)
    try:
        os.set_inheritable(descriptor, True)
        values = {"@PROBE": str(support.compiled("probe")), "@REPORT": f"--report={descriptor}"}
        conditions = substituted(launch.conditions, values)
        result = launch._replace(
            argv=substituted(argv, values),
            conditions=[*conditions, f"report={descriptor}"],
            descriptors=(descriptor,),
        ).run()
        size = os.fstat(descriptor).st_size
        content = os.pread(descriptor, size, 0)
    finally:
        os.close(descriptor)
    assert result.status != 97, f"the test could not start: {os.fsdecode(result.stderr)}"
    output = result.stdout
    if b"end=of report" in output:  # a probe that nobody could hand the option
        content, output = content + output, b""
    return Observation(
        result.status,
        normalised(os.fsdecode(output)),
        normalised(os.fsdecode(result.stderr)),
        comparable(parsed(content), result.pid),
    )


def parsed(content: bytes) -> dict[str, list[str]]:
    """The fields of a report, each with all its values."""
    fields: dict[str, list[str]] = {}
    for line in os.fsdecode(content).splitlines():
        key, _, value = line.partition("=")
        fields.setdefault(key, []).append(value)
    return fields


def normalised(text: str) -> str:
    """Text without the numbers that are new each time."""
    text = re.sub(r"/proc/\d+/", "/proc/PID/", text)
    text = re.sub(r"(newuidmap: .* target) \d+", r"\1 PID", text)
    return re.sub(r"\b(pipe|socket|anon_inode|[a-z]+):\[\d+\]", r"\1:[N]", text)


def comparable(fields: Mapping[str, Sequence[str]], launcher: int) -> Report:
    """A report that two runs can share."""
    told: dict[str, tuple[str, ...]] = {}
    for key, values in fields.items():
        kind, _, name = key.partition("/")
        if kind == "caller":
            continue
        if kind == "ns":
            callers = fields.get(f"caller/{name.replace('_for_children', '')}")
            told[key] = tuple(_whose(value, callers) for value in values)
        elif key in PIDS:
            told[key] = tuple(_relation(value, launcher) for value in values)
        else:
            told[key] = tuple(map(normalised, values))
    return told


def _whose(link: str, callers: Sequence[str] | None) -> str:
    if link == "?" or callers is None:
        return link
    return "the caller's" if [link] == list(callers) else "new"


def _relation(value: str, launcher: int) -> str:
    if value == "?" or int(value) <= HIGHEST_TELLING_PID:
        return value
    return {launcher: "launcher", os.getpid(): "caller"}.get(int(value), "another")


def differences(
    command: Observation, reference: Observation, bound: Iterable[str] = ()
) -> list[str]:
    """What differs, one line for each field.

    The reference lets the program begin while it still binds a namespace to a file: it may not see
    that of these files.
    """
    found = [
        f"{name}: reference {theirs!r}, command {ours!r}"
        for name, ours, theirs in (
            ("status", command.status, reference.status),
            ("stdout", command.stdout, reference.stdout),
            ("stderr", command.stderr, reference.stderr),
        )
        if ours != theirs
    ]
    if bool(reference.report) != bool(command.report):
        started = "reference" if reference.report else "command"
        return [*found, f"only the {started} started the program"]
    for key in dict.fromkeys([*reference.report, *command.report]):
        ours, theirs = command.report.get(key, ()), reference.report.get(key, ())
        if ours == theirs:
            continue
        if key not in REPEATED:
            found.append(f"{key}: reference {theirs}, command {ours}")
            continue
        found += [
            f"{key}: only the reference has {value!r}" for value in theirs if value not in ours
        ]
        late = [value for path in bound for value in ours if f" {path} rw - nsfs " in value]
        found += [
            f"{key}: only the command has {value!r}"
            for value in ours
            if value not in (*theirs, *late)
        ]
        if sorted(ours) == sorted(theirs):
            found.append(f"{key}: another order: reference {theirs}, command {ours}")
        elif set(ours) == set(theirs):
            found.append(f"{key}: another number: reference {theirs}, command {ours}")
    return found


def both(
    options: Sequence[Word],
    *,
    program: Sequence[Word] = PROBE,
    user: User = ROOT,
    conditions: Sequence[Word] = (),
    prepared: bool = True,
    subuid: str | None = None,
    values: Mapping[str, str] | None = None,
    **given: Any,
) -> tuple[Observation, Observation]:
    """What the command and the reference show for the same command line.

    ``prepared`` puts both in a mount namespace of their own, with the user databases of the tests,
    or with another content of both /etc/subuid and /etc/subgid.
    """
    from tests.helpers import machine  # needs pytest, which is not wherever launches.py runs

    machine.check_options(options)
    ours, theirs = support.command(user), support.reference(user)
    before: list[Word] = []
    if prepared and user.uid == 0 and os.geteuid() == 0:
        replaced = {} if subuid is None else {"subuid": subuid, "subgid": subuid}
        before += support.database_conditions(**replaced)
    # What one implementation needs of the environment, the other gets too.
    needed = [f"env={name}={value}" for name, value in ours.environment]
    values = values or {}
    argv = substituted([*options, *program], values)
    given["conditions"] = substituted([*before, *conditions, *needed], values)
    return (
        observe(ours._replace(environment=()), argv, user=user, **given),
        observe(theirs._replace(environment=()), argv, user=user, **given),
    )


def assert_same(options: Sequence[Word], **given: Any) -> Observation:
    """Assert that both show the same; return it. What is given goes to ``both``."""
    command, reference = both(options, **given)
    found = differences(command, reference, (given.get("values") or {}).values())
    line = " ".join(os.fsdecode(word) for word in options)
    assert not found, "\n".join([f"{support.NAME} {line}", *found])
    return command
