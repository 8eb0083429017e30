"""The command lines of the comparisons once more, through the Python interface.

One program starts the reference as a child, and does the same through the interface; what the
two probes saw is compared field by field. See ``api_driver.py``.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests import test_comparison as tables
from tests.helpers import comparing, machine, support
from tests.helpers.api_driver import INTEGERS
from tests.helpers.comparing import Observation, differences
from tests.helpers.machine import needs
from tests.helpers.support import ROOT, WITH_SUBORDINATE_IDS, Program, User, Word

pytestmark = [
    pytest.mark.thorough,
    needs("root", "compiler", "reference", "subordinate id files"),
]

# What waits for the program after --fork: a process of its own, or the caller of the interface
WAITING = ("parent",)

BACKENDS = ("copy", "interpreter", "launcher")


def driver(user: User, *words: str) -> Program:
    """The driver as a program that this user can execute."""
    package = support.copied_package() if user.uid else support.CHECKOUT
    script = support.new_directory() / "api_driver.py"
    script.write_text((support.HELPERS / "api_driver.py").read_text())
    script.chmod(0o644)
    arguments = ("-I", "-X", "utf8", str(script), str(package), *words)
    for interpreter in dict.fromkeys(
        [os.path.realpath(support.sys.executable), "/usr/bin/python3"]
    ):
        version = Program(interpreter, interpreter)
        if not user.uid or support.start(version, ["--version"], user=user).status == 0:
            return Program(interpreter, interpreter, arguments)
    raise AssertionError(f"{user.name} cannot run Python")


def both_ways(
    options: Sequence[Word],
    *,
    program: Sequence[Word] = comparing.PROBE,
    user: User = ROOT,
    conditions: Sequence[Word] = (),
    values: Mapping[str, str] | None = None,
    backend: str = "",
    **given: Any,
) -> Iterator[Observation]:
    """What the interface and the reference show for the same options.

    Without a backend, it is one of them in turn, the same for the same options.
    """
    line = b"\0".join(map(os.fsencode, options))
    backend = backend or BACKENDS[zlib.crc32(line) % len(BACKENDS)]
    machine.check_options(options)
    reference = support.reference(user)
    assert not reference.environment
    placed = [*support.database_conditions(), *conditions] if user.uid == 0 else conditions
    given["conditions"] = comparing.substituted(placed, values or {})
    words = comparing.substituted([*options, *program], values or {})
    for way in (
        driver(user, backend),
        driver(user, "command", reference.file, reference.argument0, *reference.arguments),
    ):
        yield comparing.observe(way, words, user=user, **given)


def assert_same(options: Sequence[Word], **arguments: Any) -> Observation:
    ours, theirs = both_ways(options, **arguments)
    is_forked = any(name in {"fork", "kill-child", "forward-signals"} for name in names(options))
    if is_forked:
        ours, theirs = (
            each._replace(report={k: v for k, v in each.report.items() if k not in WAITING})
            for each in (ours, theirs)
        )
    found = differences(ours, theirs)
    line = " ".join(os.fsdecode(word) for word in options)
    assert not found, "\n".join([line, *found])
    return ours


def names(options: Sequence[Word]) -> list[str]:
    """The names of the options."""
    return [name for name, _ in support.parse([os.fsdecode(word) for word in options])[0]]


def applicable(rows: Mapping[str, Any]) -> dict[str, Any]:
    """The rows that can be said in keywords: what is given is correct in its grammar and type."""
    kept = {}
    for name, row in rows.items():
        options, arguments = row if isinstance(row, tuple) else (row, {})
        given, rest, error = support.parse([os.fsdecode(word) for word in options])
        if error or rest or not set(arguments) <= {"program", "environment"}:
            continue
        if not arguments.get("program", ("@PROBE",))[:1] or "program" in arguments:
            continue
        if any(name in {"help", "version"} for name, _ in given):
            continue
        numbers = [value for name, value in given if name in INTEGERS]
        if not all(number == as_python_has_it(number) for number in numbers):
            continue
        kept[name] = (options, arguments)
    return kept


def as_python_has_it(text: str | None) -> str | None:
    """The number in the digits that Python gives it, or None."""
    try:
        return str(int(text or ""))
    except ValueError:
        return None


def table(section: str, rows: Mapping[str, Any]) -> pytest.MarkDecorator:
    """A test for each row that can be said in keywords."""
    return tables.table(f"api-{section}", applicable(rows))


@table("1", tables.COMMAND_LINE)
def test_command_line(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **arguments)


@table("2", tables.OPTIONS)
def test_options(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **{**tables.placed(options), **arguments})


@table("2-shared", tables.SHARED_START)
def test_from_a_shared_root(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **tables.placed(options), conditions=["propagation=shared"])


@table("3", tables.VALUES)
def test_values(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **arguments)


@table("6", {**{line: line.split() for line in tables.MAPS}, **tables.MORE_MAPS})
def test_maps(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    assert_same(options, **arguments)


@table("ordinary", tables.AS_ORDINARY_USER)
@needs("user namespaces", "newuidmap", "newgidmap")
def test_as_ordinary_user(options: Sequence[Word], arguments: Mapping[str, Any]) -> None:
    arguments = {**tables.placed(options), **arguments}
    assert_same(options, user=WITH_SUBORDINATE_IDS, **arguments)


LAUNCHES = {
    "plain": ["-u"],
    "fork": ["-uf"],
    "pid": ["-p"],
    "mount": ["-m"],
    "user": ["-r"],
    "user-pid-fork": ["-rpf", "--mount-proc"],
    "kill-child": ["--kill-child"],
    "ranges": ["--map-users=0:0:10", "--map-groups=0:0:10", "-f"],
}
BY_THREAD = ("plain", "fork", "mount")
each_backend = pytest.mark.parametrize(
    ("launch", "backend"),
    [
        pytest.param(launch, backend, id=f"api-9-{launch}-{backend}")
        for launch in LAUNCHES
        for backend in (BACKENDS if launch not in BY_THREAD else ["copy"])
    ],
)


@each_backend
@pytest.mark.parametrize("row", tables.INHERITED)
def test_inherited(row: str, launch: str, backend: str) -> None:
    assert_same(LAUNCHES[launch], backend=backend, conditions=tables.INHERITED[row])


@each_backend
@pytest.mark.parametrize("closed", tables.DESCRIPTORS, ids=lambda closed: "".join(map(str, closed)))
def test_closed_descriptors(closed: Sequence[int], launch: str, backend: str) -> None:
    assert_same(
        LAUNCHES[launch], backend=backend, conditions=[f"close={number}" for number in closed]
    )


@each_backend
@pytest.mark.parametrize("row", tables.ENVIRONMENTS)
def test_environment(row: str, launch: str, backend: str) -> None:
    assert_same(
        LAUNCHES[launch], backend=backend, conditions=["emptyenv", *tables.ENVIRONMENTS[row]]
    )


@each_backend
@pytest.mark.parametrize("name", tables.PROGRAMS, ids=lambda name: f"api-8-{name}")
def test_programs(name: str, launch: str, backend: str) -> None:
    assert_same(
        LAUNCHES[launch], backend=backend, program=tables.PROGRAMS[name], values=tables._programs()
    )


@pytest.mark.parametrize("launch", ["plain", "user"])
@pytest.mark.parametrize("name", ["script", "sh", "not-executable", "missing-interpreter", "none"])
@pytest.mark.parametrize("path", tables.PATHS, ids=lambda path: f"api-8-path-{path}")
def test_path_search(path: str, name: str, launch: str) -> None:
    values = tables._programs()
    directory = "/" if path == "long" else values["@DIR"]
    conditions = ["emptyenv", *tables.PATHS[path], f"directory={directory}"]
    program = (name, "-c", "echo shell")
    assert_same(LAUNCHES[launch], program=program, conditions=conditions, values=values)


@each_backend
@pytest.mark.parametrize("number", ["HUP", "INT", "QUIT", "KILL", "TERM", "SEGV", "PIPE", "USR1"])
def test_deaths_by_signal(number: str, launch: str, backend: str) -> None:
    program = ("/bin/sh", "-c", f"kill -{number} $$")
    assert_same(LAUNCHES[launch], backend=backend, program=program, conditions=["limit=4:0:0"])
