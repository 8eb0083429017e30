"""The manual page: it agrees with the table, is well formed, and its examples are true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from building.addresses import addresses
from pyunshare import __version__
from pyunshare.options.help import COMPATIBLE_WITH
from pyunshare.options.option import OPTIONS, Option
from pyunshare.options.table import GENERAL
from tests.helpers import support
from tests.helpers.machine import needs

MAN = support.CHECKOUT / "man"
PAGE = MAN / "pyunshare.1"
SOURCE = PAGE.read_text()
INSTALLED = Path(sys.prefix, "share", "man", "man1", "pyunshare.1")

# The order of man-pages(7)
SECTIONS = [
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "EXIT STATUS",
    "ENVIRONMENT",
    "FILES",
    "NOTES",
    "DIFFERENCES FROM UTIL-LINUX",
    "EXAMPLES",
    "REPORTING BUGS",
    "SEE ALSO",
]


def plain(source: str) -> str:
    """Return man(7) source without fonts and escapes."""
    source = re.sub(r"\\f[BIRP]|\\&", "", source)
    return source.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\")


def section(heading: str) -> str:
    """Return the source of one section."""
    return SOURCE.partition(f".SH {heading}\n")[2].partition("\n.SH ")[0]


def rendered(width: int = 80) -> str:
    """Return the page as a person sees it."""
    environment = {**support.ENVIRONMENT, "MANWIDTH": str(width), "LC_ALL": "C.UTF-8"}
    result = support.run(["man", "-l", str(PAGE)], environment=environment)
    assert result.status == 0, result
    return re.sub("(.)\b\\1|_\b", r"\1", result.stdout.decode())


# ---- page and table -----------------------------------------------------------------------------


@needs("argparse-manpage")
def test_page_agrees_with_table_and_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from building import manual

    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert manual.manual_page() == SOURCE, "run: tox -e generate"


@needs("argparse-manpage")
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_date_is_that_of_source_date_epoch(zone: str) -> None:
    """The page is the same everywhere, and on terminals of all widths."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "951782400", "TZ": zone, "COLUMNS": "40"}
    program = "from building import manual; print(manual.manual_page(), end='')"
    line = [sys.executable, "-c", program]
    made = subprocess.run(
        line, env=environment, cwd=support.CHECKOUT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    dated = re.sub(r'(?m)^(\.TH .*)"\d{4}-\d\d-\d\d"', r'\1"2000-02-29"', SOURCE)
    assert made == dated


@needs("argparse-manpage")
def test_without_source_date_epoch_the_newest_release_dates_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from building import manual

    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("## Unreleased\n\n## 0.2.0 - 2027-03-04\n\n## 0.1.0 - 2026-12-01\n")
    monkeypatch.setattr(manual, "CHANGELOG", changelog)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert manual.date() == "2027-03-04"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_option_has_its_entry_and_more_than_one_sentence(option: Option) -> None:
    names = f"-{option.short}, --{option.name}" if option.short else f"--{option.name}"
    if option.metavar is not None:
        names += f" {option.metavar}" if option.requires_value else f"[={option.metavar[1:]}]"
    parts = re.split(r"^\.TP\n(?=\\fB\\-)", section("OPTIONS"), flags=re.MULTILINE)
    entries = [plain(part) for part in parts]
    (entry,) = [entry for entry in entries if entry.startswith(f"{names}\n")]
    words = " ".join(entry.partition("\n")[2].split())
    sentence = f"{option.help[0].upper()}{option.help[1:]}."
    assert words.startswith(sentence)
    assert len(words) > len(sentence) + 20


def test_parts_have_every_option_in_the_order_of_the_table() -> None:
    headings = re.findall(r"^\[(.+)\]$", (MAN / "options.roff").read_text(), re.MULTILINE)
    groups = dict.fromkeys(option.group for option in OPTIONS)
    assert sorted(headings) == sorted(option.name for option in OPTIONS)
    for group in groups:
        names = [option.name for option in OPTIONS if option.group == group]
        assert [heading for heading in headings if heading in names] == names


def test_groups_are_those_of_the_table() -> None:
    titles = list(dict.fromkeys(option.group for option in OPTIONS))
    titles.remove(GENERAL)
    assert re.findall(r"^\.SS (.*)", SOURCE, re.MULTILINE) == [*titles, GENERAL]


def test_emphasis_of_values() -> None:
    assert "\n\\fB\\-m\\fR, \\fB\\-\\-mount\\fR[=\\fIfile\\fR]\n" in SOURCE
    assert "\n\\fB\\-S\\fR, \\fB\\-\\-setuid\\fR \\fIuid\\fR\n" in SOURCE
    assert "\n\\fB\\-\\-owner\\fR \\fIuid\\fR:\\fIgid\\fR\n" in SOURCE
    assert "\n\\fB\\-\\-setgroups\\fR \\fBallow\\fR|\\fBdeny\\fR\n" in SOURCE


@needs("argparse-manpage")
@pytest.mark.parametrize("epoch", ["yesterday", "9" * 30])
def test_a_date_that_is_none_is_told_in_a_line(epoch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from building import manual

    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(SystemExit, match=f"^SOURCE_DATE_EPOCH is no time in seconds: '{epoch}'$"):
        manual.date()


@needs("argparse-manpage")
@pytest.mark.parametrize("text", ["a \\ b", ".so a file", "words 'quoted'"])
def test_text_that_roff_would_misread_is_refused(text: str) -> None:
    from building import manual

    with pytest.raises(ValueError, match=re.escape(text)):
        manual.roff(text)


# ---- the page as a page -------------------------------------------------------------------------


def test_sections_are_those_of_a_manual_page_in_their_order() -> None:
    assert re.findall(r'^\.SH "?([^"\n]*)', SOURCE, re.MULTILINE) == SECTIONS


def test_header_names_version_and_manual() -> None:
    title = re.findall(r"^\.TH .*", SOURCE, re.MULTILINE)
    assert len(title) == 1
    form = rf'\.TH PYUNSHARE "1" "\d{{4}}-\d\d-\d\d" "pyunshare {__version__}" "User Commands"'
    assert re.fullmatch(form, title[0])


def test_the_page_says_where_to_report_bugs() -> None:
    assert f"of {COMPATIBLE_WITH}:" in " ".join(plain(section("DESCRIPTION")).split())
    assert addresses()["issues"] in section("REPORTING BUGS")


def test_each_kind_of_namespace_has_its_paragraph() -> None:
    kinds = re.findall(r"^\.TP\n\.B (\w+) namespace\n", section("DESCRIPTION"), re.MULTILINE)
    names = [option.name for option in OPTIONS if option.group == "Namespaces"]
    assert sorted(kind.lower().replace("network", "net") for kind in kinds) == sorted(names)


@pytest.mark.parametrize("name", ["unshare", "setns", "namespaces", "nsenter", "subuid"])
def test_see_also(name: str) -> None:
    assert f".BR {name} (" in section("SEE ALSO")


def test_every_option_that_the_page_names_exists() -> None:
    foreign = {"--bind", "--make-private", "--variant"}  # of mount(8) and debootstrap(8)
    named = set(re.findall(r"--[a-z][a-z-]+", plain(SOURCE))) - foreign
    assert named == {f"--{option.name}" for option in OPTIONS}


@needs("mandoc")
def test_mandoc_has_nothing_to_say() -> None:
    result = support.run(["mandoc", "-T", "lint", str(PAGE)])
    assert (result.status, result.stdout, result.stderr) == (0, b"", b"")


@needs("man")
@pytest.mark.parametrize("width", [80, 200])
def test_man_has_no_warnings(width: int) -> None:
    words = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(PAGE)]
    environment = {"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": str(width)}
    result = support.run(words, environment={**support.ENVIRONMENT, **environment})
    assert (result.status, result.stderr) == (0, b"")


@needs("lexgrog")
def test_whatis_finds_the_name_line() -> None:
    result = support.run(["lexgrog", str(PAGE)])
    assert result.stdout.endswith(b'"pyunshare - run a program in new namespaces"\n'), result


@needs("man")
def test_nothing_of_argparse_shows() -> None:
    text = rendered()
    for entry in ("-m, --mount[=file]", "--setgroups allow|deny"):
        assert re.search(rf"^ +{re.escape(entry)}$", text, re.MULTILINE), entry
    for artefact in ["usage:", "FILE]", "{", "%", "Generated", "AUTHOR", "COMMENTS", "positional"]:
        assert artefact not in text, artefact
    assert len(re.findall("^OPTIONS$", text, re.MULTILINE)) == 1
    assert not re.search(r"\\[a-z&(-]", text), "an escape that roff did not take"


# ---- examples -----------------------------------------------------------------------------------

EXAMPLES = [
    plain(block) for block in re.findall(r"^\.EX\n(.*?)^\.EE", SOURCE, re.MULTILINE | re.DOTALL)
]
# What depends on the machine, or takes a network
NOT_COMPARED = ("uptime", "debootstrap")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 8


@needs("root", "compiler", "user namespaces", "newuidmap", "subordinate id files")
@needs("nsenter", "findmnt", "ip", "hostname", "mount", "ps")
@pytest.mark.parametrize(
    "example",
    [example for example in EXAMPLES if not any(word in example for word in NOT_COMPARED)],
    ids=lambda example: example.partition("\n")[0],
)
def test_example_prints_what_the_page_says(example: str) -> None:
    """Each is typed in as it stands; ids and directories are those of the tests."""
    user = support.ROOT if example.startswith("#") else support.WITH_SUBORDINATE_IDS
    if user.uid:
        start = str(support.SUBORDINATE_START[user.uid])
        example = re.sub(r"\b100000\b", start, re.sub(r"\b1000\b", str(user.uid), example))
    example = example.replace("/run/", f"{support.new_directory()}/")
    typed = [line[2:] for line in example.splitlines() if line[:2] in ("# ", "$ ")]
    shown = [line.split() for line in example.splitlines() if line[:2] not in ("# ", "$ ")]
    command = support.command(user)
    function = " ".join(f"'{word}'" for word in (command.file, *command.arguments))
    script = "\n".join([f'pyunshare() {{ {function} "$@"; }}', *typed])
    shell = support.Program("/bin/sh", "sh", ("-ec", script), command.environment)
    # One processor, because binding a mount namespace made on another can fail: recent kernels.
    result = support.start(shell, [], user=user, conditions=["processor=0", "mounts"])
    assert result.status == 0, result
    assert [line.split() for line in result.lines] == shown


# ---- installed ----------------------------------------------------------------------------------


@needs("installation")
def test_installed_page() -> None:
    assert INSTALLED.read_text() == SOURCE
