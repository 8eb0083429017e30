"""The documentation keeps its word: each session in it is run, and prints what stands there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pyunshare import syscalls
from pyunshare.options.option import OPTIONS, Option
from tests.helpers import machine, sessions, support
from tests.helpers.machine import needs
from tests.helpers.sessions import ORDINARY_USER, Session, Terminal

DOCUMENTS = [
    support.CHECKOUT / "README.md",
    support.CHECKOUT / "docs" / "demonstration" / "session.md",
    *sorted((support.CHECKOUT / "docs").glob("*.md")),
]
NOT_TYPED = [support.CHECKOUT / "CONTRIBUTING.md", support.CHECKOUT / "benchmarks" / "README.md"]
MANUAL = support.CHECKOUT / "man" / "pyunshare.1"
PICTURE = support.CHECKOUT / "docs" / "demonstration.svg"
TOUR = (support.CHECKOUT / "docs" / "tour.md").read_text(encoding="utf-8")
REPLACING = (support.CHECKOUT / "docs" / "replacing-unshare.md").read_text(encoding="utf-8")
SESSIONS = [session for path in DOCUMENTS for session in sessions.sessions(path)]
TO_RUN = [session for session in SESSIONS if not session.not_run]

on_a_machine_of_its_own = needs(
    "root", "compiler", "subordinate id files", "hostname", "cgroup namespaces"
)


def name_of(session: Session) -> str:
    """Where a session stands."""
    return f"{session.file}:{session.line}"


def tools_of(session: Session) -> list[str]:
    """What a session needs beside pyunshare."""
    typed = " ".join(step.typed for step in session.steps)
    return [tool for tool in machine.TOOLS if re.search(rf"\b{tool}\b", typed)]


@pytest.mark.thorough
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
            assert re.match(r"(not run|may differ|written): \S", remark), f"{path.name}: {remark}"


# ---- reading and matching -----------------------------------------------------------------------


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


# ---- the machine --------------------------------------------------------------------------------


@on_a_machine_of_its_own
def test_a_session_leaves_the_machine_alone() -> None:
    with Terminal(support.ROOT) as terminal:
        assert terminal.prompt == "#"
        terminal.type("hostname changed; touch /run/left-over; mount --bind /run /mnt")
        assert terminal.type("hostname; ls /run/left-over") == "changed\n/run/left-over\n"
        assert "Read-only" in terminal.type("touch /usr/left-over")
    assert not Path("/run/left-over").exists()


@on_a_machine_of_its_own
def test_an_ordinary_user_is_one() -> None:
    with Terminal(ORDINARY_USER) as terminal:
        assert terminal.prompt == "$"
        assert terminal.type("id") == "uid=1000(user) gid=1000(user) groups=1000(user)\n"
        assert terminal.type("cd; pwd; touch file && ls") == "/run/user/1000\nfile\n"


# ---- what stands in them ------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """What can be linked to in a document: its headings, as code-hosting sites name them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [*DOCUMENTS, *NOT_TYPED], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("path", [*DOCUMENTS, *NOT_TYPED], ids=lambda path: path.name)
def test_named_files_exist(path: Path) -> None:
    folders = r"\.ci|benchmarks|bin|building|completions|docs|man|packaging|pyunshare|tests"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", path.read_text(encoding="utf-8")):
        assert (support.CHECKOUT / name).exists(), name


@pytest.mark.parametrize("path", [*DOCUMENTS, MANUAL], ids=lambda path: path.name)
def test_examples_move_clocks_on_all_kernels(path: Path) -> None:
    """Before Linux 6.2, only the child is in the new time namespace."""
    text = path.read_text(encoding="utf-8").replace("\\-", "-")
    for options in re.findall(r"pyunshare (.*?)--boottime \d+ (?:cut|date|uptime) ", text):
        assert "f" in options, options


def test_the_tour_has_each_kind_with_its_bit() -> None:
    rows = re.findall(r"`-(\w)` \|.*`(CLONE_NEW\w+)` (0x\w+)", TOUR)
    kinds = {option.short: option.flags for option in OPTIONS if option.metavar == "=file"}
    assert len(kinds) == 8
    assert {letter: int(bit, 16) for letter, _, bit in rows} == kinds
    assert all(getattr(syscalls, name) == int(bit, 16) for _, name, bit in rows)


def row_of(option: Option) -> tuple[str, str]:
    """The row of an option in the table of all options: its value, and since when it is there."""
    names = f"`-{option.short}`, `--{option.name}`" if option.short else f"`--{option.name}`"
    ((value, since),) = (
        (cells[2].replace("`", ""), cells[4])
        for cells in (re.split(r" *\| *", line) for line in REPLACING.splitlines())
        if len(cells) == 6 and cells[1] == names
    )
    return value, since


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_table_of_options_has_each(option: Option) -> None:
    value, since = row_of(option)
    assert re.fullmatch(r"older|2\.\d+", since)
    if option.metavar is None:
        assert not value
    elif option.requires_value:
        assert value and not value.startswith("[")
    else:
        assert value == f"[{option.metavar}]"


def old_and_new_programs() -> list[str]:
    """The `unshare`s that are at hand."""
    return list(dict.fromkeys(filter(None, [support.reference_path(), shutil.which("unshare")])))


@pytest.mark.parametrize("program", old_and_new_programs())
def test_the_table_of_options_says_since_when(program: str) -> None:
    version = support.run([program, "--version"]).stdout
    found = re.search(rb"util-linux (\d+)\.(\d+)", version)
    if not found:
        pytest.skip(f"{program} is not of util-linux")
    major_minor = int(found[1]), int(found[2])
    for option in OPTIONS:
        _, since = row_of(option)
        known = (2, 31) if since == "older" else tuple(map(int, since.split(".")))
        is_there = support.takes(program, option)
        assert is_there == (major_minor >= known), f"--{option.name} in {version.decode()}"


def test_the_demonstration_shows_its_session() -> None:
    """What was typed is in the picture, and what was printed but for what may differ."""
    source = PICTURE.read_text(encoding="utf-8")
    shown = " ".join(
        "".join(ElementTree.fromstring(source).itertext()).replace("\xa0", " ").split()
    )
    for session in sessions.sessions(support.CHECKOUT / "docs" / "demonstration" / "session.md"):
        for step in session.steps:
            assert step.typed in shown
            for word in step.output.split():
                assert word in (*session.may_differ, "...") or word in shown


def test_the_demonstration_can_be_shown_anywhere() -> None:
    """Code-hosting sites run no scripts in pictures, and fetch nothing for them."""
    source = PICTURE.read_text(encoding="utf-8")
    assert len(source) < 150_000
    assert not re.search(r"<script|<foreignObject|@import|@font-face|url\(|\son\w+=", source)
    assert set(re.findall(r"href=\"(.)", source)) == {"#"}
    assert "prefers-reduced-motion" in source
