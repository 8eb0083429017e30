"""The documentation keeps its word: each session in it is run, and prints what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import machine
import pytest
import sessions
import support
from machine import needs
from sessions import ORDINARY_USER, Session, Terminal

DOCUMENTS = [support.CHECKOUT / "README.md", *sorted((support.CHECKOUT / "docs").glob("*.md"))]
SESSIONS = [session for path in DOCUMENTS for session in sessions.sessions(path)]
TO_RUN = [session for session in SESSIONS if not session.not_run]
# A session that needs one of these is skipped where it is missing, as any other test is.
TOOLS = [tool for tool in machine.TOOLS if tool not in ("bash", "strace")]

on_a_machine_of_its_own = needs(
    "root", "compiler", "subordinate id files", "hostname", "cgroup namespaces"
)


def name_of(session: Session) -> str:
    """Where a session stands."""
    return f"{session.file}:{session.line}"


def tools_of(session: Session) -> list[str]:
    """What a session needs beside pyunshare."""
    typed = " ".join(step.typed for step in session.steps)
    return [tool for tool in TOOLS if re.search(rf"\b{tool}\b", typed)]


@on_a_machine_of_its_own
@needs("user namespaces", "time namespaces", "newuidmap", "newgidmap")
@pytest.mark.parametrize("session", TO_RUN, ids=name_of)
def test_session(session: Session) -> None:
    machine.check(tools_of(session))
    seen = sessions.transcript(session)
    written = sessions.expected(session)
    assert sessions.matches(written, seen, session.may_differ), f"\n{written}\nbut\n{seen}"


def test_sessions_are_found() -> None:
    """No fence is overlooked, and all that is left out is left out for a reason."""
    for path in DOCUMENTS:
        fences = path.read_text(encoding="utf-8").count("```console")
        assert len(sessions.sessions(path)) == fences, path.name
    assert len(TO_RUN) > 40
    reasons = [session.not_run for session in SESSIONS if session.not_run]
    assert set(reasons) <= {"installs software", "runs the tests"}
    assert len(reasons) < 10


def test_a_remark_says_what_it_is() -> None:
    for path in DOCUMENTS:
        for remark in re.findall(r"<!-- (.*) -->", path.read_text(encoding="utf-8")):
            assert re.match(r"(not run|may differ): \S", remark), f"{path.name}: {remark}"


TEXT = """
<!-- may differ: 09:41 pts/0 -->
```console
$ ps
   09:41  pts/0  b...sh
# for name in a b; do
>     echo $name
> done
a
...
z
```
"""


def write(directory: Path, text: str) -> Path:
    """A document."""
    path = directory / "document.md"
    path.write_text(text)
    return path


def test_reading_a_session(tmp_path: Path) -> None:
    (session,) = sessions.sessions(write(tmp_path, TEXT))
    assert (session.line, session.not_run) == (3, "")
    assert [step.prompt for step in session.steps] == ["$", "#"]
    assert session.steps[1].typed == "for name in a b; do\n    echo $name\ndone"
    assert session.steps[1].output == "a\n...\nz\n"


@pytest.mark.parametrize(
    ("output", "is_match"),
    [
        ("10:59 pts/17 bash\na\nz\n", True),
        ("10:59 pts/17 bash\na\nb\nc\nz\n", True),
        ("10:59 pts/17 bash\na\nb\nc\n", False),
        ("10:59 pts/17 ps\na\nz\n", False),
        ("10:59 pts/17 root bash\na\nz\n", False),
        ("10:59 pts/17 bash\na\nz\nmore\n", False),
    ],
)
def test_matching_output(tmp_path: Path, output: str, is_match: bool) -> None:
    (session,) = sessions.sessions(write(tmp_path, TEXT))
    written = "".join(step.output for step in session.steps)
    assert sessions.matches(written, output, session.may_differ) == is_match


@on_a_machine_of_its_own
def test_a_session_leaves_the_machine_alone() -> None:
    with Terminal(support.ROOT) as terminal:
        assert terminal.prompt == "#"
        terminal.type("hostname changed; touch /run/left-over; mount --bind /run /mnt")
        assert terminal.type("hostname; ls /run/left-over") == "changed\n/run/left-over\n"
    assert not Path("/run/left-over").exists()


@on_a_machine_of_its_own
def test_an_ordinary_user_is_one() -> None:
    with Terminal(ORDINARY_USER) as terminal:
        assert terminal.prompt == "$"
        assert terminal.type("id") == "uid=1000(user) gid=1000(user) groups=1000(user)\n"
        assert terminal.type("cd; pwd; touch file && ls") == "/run/user/1000\nfile\n"
