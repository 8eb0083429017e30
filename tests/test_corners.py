"""Launches in corners: without /proc, with a PATH beyond all measure, as process 1."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from tests.helpers import support
from tests.helpers.faults import tracing
from tests.helpers.machine import needs

pytestmark = needs("root", "compiler")

ENVIRONMENT = {"A": "1", "PATH": support.STANDARD_PATH}
NO_PROC = ["mounts", "tmpfs=/proc"]


def environment_of_the_program(given: Mapping[str, str], *options: str) -> list[str]:
    """What a program is given where there is no /proc."""
    result = support.pyunshare(*options, "env", conditions=NO_PROC, environment=given)
    assert (result.status, result.stderr) == (0, b"")
    needed = [f"{name}={value}" for name, value in support.command().environment]
    return [line for line in result.lines if line not in needed]


@pytest.mark.parametrize("options", [[], ["-f"]], ids=str)
@pytest.mark.parametrize("locale", [{}, {"LANG": "C"}, {"LC_CTYPE": "C.UTF-8"}], ids=str)
def test_the_environment_is_the_callers_without_proc(
    locale: Mapping[str, str], options: list[str]
) -> None:
    """In the C locale Python adds a variable, and what the caller gave cannot be looked up."""
    given = {**locale, **ENVIRONMENT}
    expected = [f"{name}={value}" for name, value in given.items()]
    assert environment_of_the_program(given, *options) == expected


@needs("reference")
@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/bin:" + "x" * 4096, True),
        ("x" * 4096 + ":/bin", True),
        ("/nonexistent:" + "x" * 4096, False),
    ],
    ids=["found before", "found behind", "not found"],
)
def test_an_element_of_path_that_is_too_long(path: str, found: bool) -> None:
    environment = {"PATH": path}
    results = [
        support.start(program, ["true"], environment=environment)
        for program in (support.command(), support.reference())
    ]
    assert [result.status for result in results] == [0 if found else 127] * 2


@needs("user namespaces")
@pytest.mark.parametrize("number", [9, 15])
def test_process_1_that_cannot_die_as_its_child_did(number: int) -> None:
    """The kernel keeps the first process of a PID namespace from its own signals."""
    program = support.command()
    inner = [program.file, *program.arguments, "-f", "sh", "-c", f"kill -{number} $$"]
    result = support.start(program, ["-p", "-f", "--mount-proc", *inner])
    assert (result.status, result.stdout) == (1, b"")
    assert re.fullmatch(rb"\S+: child exit failed\n", result.stderr)


@needs("strace")
def test_a_child_that_may_not_be_signalled_is_waited_for() -> None:
    """As a program of another user's may be, by its set-user-ID bit."""
    trace = support.new_directory() / "trace"
    options = ["-e", "trace=kill", "-e", "inject=kill:error=EPERM"]
    launcher = tracing(support.command(), options, trace, follow=False)
    script = "kill -TERM $PPID; sleep 0.2; exit 3"
    result = support.start(launcher, ["--forward-signals", "sh", "-c", script])
    assert (result.status, result.stdout) == (3, b"")
    assert "EPERM" in trace.read_text()
