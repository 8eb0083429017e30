"""The command that tries every environment: which, what it tells, and what it writes.

The environments here are made up, and made of nothing. Before a release the real ones are made.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path

import pytest

from tests import debian_roots
from tests.debian_roots import Root
from tests.everywhere import command, launches, table
from tests.everywhere.environment import CannotBeMade, Environment, Part, Visit
from tests.everywhere.kit import kit
from tests.helpers import summaries, support
from tests.helpers.machine import needs

PRINTED = """\
platform linux -- Python 3.15.2, pytest-9.2.0, pluggy-1.7.0
SKIPPED [2] tests/helpers/machine.py:180: missing tool: fish
SKIPPED [1] tests/helpers/machine.py:180: missing tool: a|b
==== 4 passed, 3 skipped in 1.25s ====
"""


def printing(text: str, visit: Visit, status: int = 0) -> None:
    """Run a program that prints a text."""
    program = f"import sys; sys.stdout.write({text!r}); sys.exit({status})"
    visit.run("tests", [sys.executable, "-c", program])


def missing(visit: Visit) -> None:
    """Need what is not there."""
    raise CannotBeMade("debootstrap is missing")


def broken(visit: Visit) -> None:
    """Have a fault."""
    raise ZeroDivisionError("division by zero")


def made_up(name: str, run: object, is_quick: bool = False) -> Environment:
    """Return an environment for the tests."""
    return Environment(name, "none", "of nothing", run, is_quick)  # type: ignore[arg-type]


PASSING = made_up("passing", functools.partial(printing, PRINTED), is_quick=True)
FAILING = made_up(
    "failing", functools.partial(printing, "==== 1 failed, 1 error in 1s ====\n", status=1)
)
MISSING = made_up("missing", missing, is_quick=True)
BROKEN = made_up("broken", broken)
KINDS = {"first": [PASSING, MISSING], "second": [BROKEN, FAILING]}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A page to write into, and environments that are made up."""
    monkeypatch.setattr(command, "KINDS", tuple(KINDS))
    monkeypatch.setattr(command, "environments", lambda kind: KINDS[kind])
    monkeypatch.setattr(debian_roots, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(debian_roots, "end_in_order", lambda: None)
    monkeypatch.setenv("PYUNSHARE_REFERENCE", "unshare")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}{table.END}after\n")
    monkeypatch.setattr(command, "PAGE", page)
    return page


def names(*wanted: str, only_quick: bool = False) -> list[str]:
    """The names of what is chosen."""
    return [each.name for each in command.chosen(wanted, only_quick)]


def test_environments_are_chosen_by_name_or_kind(page: Path) -> None:
    assert names() == ["passing", "missing", "broken", "failing"]
    assert names("failing", "first") == ["passing", "missing", "failing"]
    assert names(only_quick=True) == ["passing", "missing"]
    assert names("second", only_quick=True) == []


def test_an_unknown_environment_runs_none(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["passing", "fourth"]) == 2
    assert capsys.readouterr() == ("", "run: no such environment: fourth\n")


@needs("root")
def test_no_environment_stops_the_others(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--write"]) == 1
    shown = capsys.readouterr().out
    for told in (
        "passing                      4       0       3     0.0  tests, Python 3.15.2\n",
        "missing                      0       0       0     0.0  cannot be made: debootstrap is m",
        "broken                       0       0       0     0.0  cannot be made: ZeroDivisionErro",
        "failing                      0       2       0     0.0  tests\n",
        "     2  missing tool: fish\n",
        "\nfailed: missing, broken, failing\n",
    ):
        assert told in shown
    assert "\n==== 4 passed, 2 failed, 3 skipped in " in shown
    assert page.read_text().count("\n| `") == 4


@needs("root")
def test_the_status_is_that_of_what_ran(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = page.read_text()
    assert command.main(["passing"]) == 0
    assert "\neverything passed\n==== 4 passed, 0 failed, 3 skipped in " in capsys.readouterr().out
    assert page.read_text() == before


def test_only_the_rows_of_what_ran_are_written(page: Path) -> None:
    everything = [PASSING, MISSING, FAILING]
    parts = [Part("tests", 4, 0, 1, {"missing tool: a|b": 1}, 1.25), Part("launches", 7)]
    table.write(page, everything, {"failing": [Part("tests", 1, 2)]}, "2026-01-01")
    table.write(page, everything, {"passing": parts}, "2026-02-02")
    table.write(page, everything, {"failing": [Part("tests", 3)]}, "2026-03-03")
    rows = (
        "| `passing` | tests | 4 | 0 | 1: 1 missing tool: a\\|b | 1.2 | 2026-02-02 |\n"
        "| `passing` | launches | 7 | 0 | 0 | 0.0 | 2026-02-02 |\n"
        "| `failing` | tests | 3 | 0 | 0 | 0.0 | 2026-03-03 |\n"
    )
    assert page.read_text() == f"before\n{table.BEGIN}{table.HEAD}{rows}{table.END}after\n"
    table.write(page, [FAILING], {}, "2026-04-04")
    assert "passing" not in page.read_text()


def test_a_page_without_markers_is_not_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(ValueError, match="no markers"):
        table.write(page, [PASSING], {}, "2026-01-01")
    assert page.read_text() == "text\n"


def visited(tmp_path: Path, *words: str, patience: float = 1) -> Part:
    """What is told of a program."""
    with (tmp_path / "log").open("w") as log:
        visit = Visit("name", tmp_path, log, anew=False)
        visit.run("tests", [sys.executable, "-c", *words], patience=patience)
    return visit.parts[0]


def test_a_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    started = time.monotonic()
    part = visited(tmp_path, "import time; time.sleep(1000)", patience=0.005)
    assert part.trouble == "not ended after 0.005 minutes"
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("statements", "trouble"),
    [
        ("print('first'); print('last')", "last"),
        ("pass", "it printed nothing"),
        ("print('=== 1 passed in 1s ==='); raise SystemExit(5)", "status 5"),
    ],
)
def test_an_end_without_a_summary_is_trouble(statements: str, trouble: str, tmp_path: Path) -> None:
    part = visited(tmp_path, statements)
    assert part.trouble == trouble
    assert not part.is_good


# ---- launches without pytest --------------------------------------------------------------------


def compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *lines: str
) -> tuple[int, str]:
    """The status and the output of a comparison of some launches."""
    wanted = [launches.Launch(line.split(), user=user) for user in USERS for line in lines]
    monkeypatch.setattr(launches, "launches", lambda options: wanted)
    status = launches.main([])
    return status, capsys.readouterr().out


USERS = (support.ROOT, launches.ORDINARY)


@needs("root", "compiler", "reference")
def test_launches_are_compared_without_pytest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, printed = compared(monkeypatch, capsys, "-u", "-r -p -f --mount-proc", "-x", "-S 0")
    assert status == 0, printed
    assert "\n==== 8 passed, 0 failed, 0 skipped in " in printed
    found = summaries.summary(printed.splitlines()[-1])
    assert found == (8, 0, 0)


@needs("root", "compiler", "reference")
def test_a_launch_that_differs_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = support.command

    def with_more(user: support.User) -> support.Program:
        return command(user)._replace(arguments=(*command(user).arguments, "-w", "/proc"))

    monkeypatch.setattr(support, "command", with_more)
    status, printed = compared(monkeypatch, capsys, "-w /", "-x", "")
    assert status == 1
    assert "\nFAILED root: pyunshare probe\n  " in printed
    assert "working_directory/path: reference ('/',), command ('/proc',)\n" in printed
    assert "\n==== 4 passed, 2 failed, 0 skipped in " in printed


@needs("root", "reference")
def test_launches_are_compared_without_a_compiler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(support, "compiler", lambda: None)
    status, printed = compared(monkeypatch, capsys, "-u", "-r")
    assert status == 0, printed
    assert "SKIPPED [1] launches.py: missing tool: compiler\n" in printed
    assert "\n==== 2 passed, 0 failed, 2 skipped in " in printed


# ---- what environments are made with ------------------------------------------------------------


@needs("root", "compiler")
@pytest.mark.parametrize(
    ("condition", "status", "said"),
    [
        ("refuse_call=38:unshare", 1, b"pyunshare: unshare failed: Function not implemented\n"),
        ("refuse_call=1:unshare:0x08000000", 0, b""),
        ("kill_at=unshare", -31, b""),
        ("refuse_call=1:unshar", 97, b"start: unknown call unshar\n"),
    ],
)
def test_calls_are_refused(condition: str, status: int, said: bytes) -> None:
    result = support.pyunshare("-u", "true", conditions=[condition])
    assert (result.status, result.stderr.replace(support.NAME.encode(), b"pyunshare")) == (
        status,
        said,
    )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was made of roots, which are directories with a file here."""
    made: list[str] = []

    def make(suite: str, path: Path, arch: str | None = None) -> Root:
        made.append(debian_roots.name_of(suite, arch))
        path.mkdir()
        (path / "suite").write_text(suite)
        return Root(path)

    monkeypatch.setattr(debian_roots, "CACHE", tmp_path)
    monkeypatch.setattr(debian_roots, "make", make)
    monkeypatch.setattr(debian_roots, "_check", lambda suite, arch: None)
    return made


def test_a_prepared_root_is_kept(made: list[str], tmp_path: Path) -> None:
    def prepare(root: Root) -> None:
        made.append("more")
        (root.path / "more").write_text("more")

    for anew, expected in (
        (False, ["sid", "more"]),
        (False, ["sid", "more"]),
        (True, ["sid", "more", "sid", "more"]),
    ):
        with debian_roots.prepared("sid-more", "sid", prepare, anew=anew) as root:
            assert sorted(os.listdir(root.path)) == ["more", "suite"]
            (root.path / "more").unlink()  # of a copy
        assert made == expected
    assert sorted(os.listdir(tmp_path)) == ["lock", "lock-working", "sid", "sid-more"]


def test_a_root_that_cannot_be_prepared_is_not_kept(made: list[str], tmp_path: Path) -> None:
    def prepare(root: Root) -> None:
        raise CannotBeMade("no such package")

    with (
        pytest.raises(CannotBeMade, match="no such package"),
        debian_roots.prepared("sid-more", "sid", prepare),
    ):
        pass
    assert sorted(os.listdir(tmp_path)) == ["lock", "lock-working", "sid"]


def test_the_command_needs_no_pytest() -> None:
    """Nor anything else that a Python does not bring."""
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from tests.everywhere.command import main; sys.exit(main(['--list']))"
    )
    result = support.run(
        [sys.executable, "-S", "-c", code], environment={"PYTHONPATH": str(support.CHECKOUT)}
    )
    assert (result.status, result.stderr) == (0, b"")
    assert b"\narmhf" in result.stdout


@needs("root", "compiler", "reference", "patchelf")
def test_the_kit_is_for_everybody_under_any_name() -> None:
    directory = support.new_directory()
    variables = kit(directory / "kit", seen_as=str(directory / "seen"))
    (directory / "kit").rename(directory / "seen")
    start = f"{variables['PYUNSHARE_COMPILED']}/start"
    for program in ("PYUNSHARE_COMMAND", "PYUNSHARE_REFERENCE"):
        words = variables[program].split()
        line = [start, "user=61002:61002:", "--", words[0], *words, "-r", "id", "-u"]
        result = support.run(line)
        assert (result.status, result.stdout, result.stderr) == (0, b"0\n", b""), program


def test_the_environments_there_are() -> None:
    everything = command.chosen([])
    names = [*command.KINDS, *(each.name for each in everything)]
    assert sorted(names) == sorted({*names})
    for each in everything:
        assert each.purpose and each.made
    page = (support.CHECKOUT / "docs" / "compatibility.md").read_text()
    assert page.count(table.BEGIN) == page.count(table.END) == 1
    written = page.partition(table.BEGIN)[2].partition(table.END)[0]
    assert written == "" or written.startswith(table.HEAD)
