"""Messages in the user's language: as the reference has them, from the same catalogues."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from pyunshare import translation as language
from pyunshare.errors import Failure, in_english
from pyunshare.messages import Reporter
from tests.helpers import support
from tests.helpers.machine import needs

CATALOGUES = Path("/usr/share/locale")

# Of the C library's own character sets, for the old ones are still about
LOCALES = {
    "de_DE.UTF-8": ("de_DE", "UTF-8"),
    "fr_FR.UTF-8": ("fr_FR", "UTF-8"),
    "ja_JP.UTF-8": ("ja_JP", "UTF-8"),
    "de_DE.ISO-8859-1": ("de_DE", "ISO-8859-1"),
    "ja_JP.EUC-JP": ("ja_JP", "EUC-JP"),
}

LINES: list[list[str | bytes]] = [
    ["-x"],
    ["-S"],
    ["--foo=bar"],
    ["--fork=5"],
    ["--setuid"],
    ["--mo"],
    [b"--\xe4\xff"],
    ["-S", "abc"],
    ["--monotonic", "x"],
    ["--monotonic", "99999999999999999999"],
    ["--boottime", "1"],
    ["--map-users", "1:2"],
    ["--owner", "5"],
    ["--kill-child=FOO"],
    ["--propagation", "x"],
    ["--setgroups", "x"],
    ["--setgroups", "allow", "--map-group", "0"],
    ["-r", "-G", "5", "true"],
    ["-S", "4294967295", "true"],
    ["-R", "/nonexistent"],
    ["-R", b"/\xe4\xff"],
    ["-w", "/nonexistent", "true"],
    ["--mount-proc=/nonexistent", "true"],
    ["--propagation", "slave", "--mount-proc=/nonexistent", "true"],
    ["-m", "nonexistent"],
    ["-f", "/"],
    ["--map-users", "0:0:1", "--map-users", "0:0:1", "true"],
]


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with locales made for the tests, for LOCPATH."""
    for domain in ("util-linux", "libc"):
        if not (CATALOGUES / f"de/LC_MESSAGES/{domain}.mo").exists():
            pytest.skip(
                f"no catalogues of {domain} (Debian's packages util-linux-locales, libc-l10n)"
            )
    directory = tmp_path_factory.mktemp("locales")
    for name, (source, character_set) in LOCALES.items():
        line = ["localedef", "-i", source, "-f", character_set, str(directory / name)]
        try:
            subprocess.run(line, capture_output=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no localedef")
        if not (directory / name).exists():
            pytest.skip("localedef has no sources of locales here (Debian's package locales)")
    directory.chmod(0o755)
    return directory


def told(program: support.Program, words: list[str | bytes], **language: str) -> bytes:
    """Return what a command line prints as it fails."""
    conditions = [f"env={name}={value}" for name, value in {"A": "", **language}.items()]
    environment = {"PATH": support.STANDARD_PATH}
    result = support.start(program, words, conditions=conditions, environment=environment)
    assert result.status
    assert result.stdout == b""
    return re.sub(rb"/proc/\d+/", b"/proc/PID/", result.stderr)


def said_by_both(words: list[str | bytes], **language: str) -> list[bytes]:
    """Return what the command and the reference print."""
    programs = support.command(), support.reference()
    # getopt(3) of the reference names argument 0 as typed, which is the same here.
    return [told(program, words, **language) for program in programs]


@pytest.mark.thorough
@pytest.mark.parametrize("name", LOCALES)
@pytest.mark.parametrize("words", LINES, ids=lambda words: " ".join(map(str, words)))
@needs("root", "reference")
def test_as_the_reference_says_it(words: list[str | bytes], name: str, locales: Path) -> None:
    ours, theirs = said_by_both(words, LOCPATH=str(locales), LC_ALL=name)
    assert ours == theirs


@pytest.mark.parametrize(
    "variables",
    [
        {"LANG": "de_DE.UTF-8"},
        {"LANG": "de_DE.UTF-8", "LC_ALL": ""},
        {"LANG": "de_DE.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8"},
        {"LANG": "de_DE.UTF-8", "LC_MESSAGES": "C"},
        {"LANG": "de_DE.UTF-8", "LC_CTYPE": "C"},
        {"LANG": "de_DE.UTF-8", "LC_CTYPE": "ja_JP.EUC-JP"},
        {"LANG": "fr_FR.UTF-8", "LC_ALL": "C"},
        {"LANG": "fr_FR.UTF-8", "LC_ALL": "POSIX"},
        {"LANG": "fr_FR.UTF-8", "LANGUAGE": "ja:de"},
        {"LANG": "C.UTF-8", "LANGUAGE": "ja:de"},
        {"LANG": "C", "LANGUAGE": "de"},
        {"LANG": "xx_YY.UTF-8", "LANGUAGE": "de"},
        {"LANG": "de_DE.UTF-8", "LC_TIME": "xx_YY"},
        {"LC_CTYPE": "de_DE.UTF-8"},
        {"LC_MESSAGES": "de_DE.UTF-8"},
        {"LANG": "../../etc"},
        {},
    ],
    ids=str,
)
@needs("root", "reference", "glibc")
def test_which_language(variables: dict[str, str], locales: Path) -> None:
    for words in (["-x"], ["-R", "/nonexistent"]):
        ours, theirs = said_by_both([*words], LOCPATH=str(locales), **variables)
        assert ours == theirs


@needs("root")
def test_english_after_the_root_has_changed(locales: Path) -> None:
    """The catalogues would be those of the new root: what is printed needs no file of it."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        language = {"LOCPATH": str(locales), variable: "de_DE.UTF-8"}
        for option in (["-R", "/"], ["-S", "0"], ["-G", "0"]):
            said = told(support.command(), [*option, "nonexistent"], **language)
            assert said.endswith(b": failed to execute nonexistent: No such file or directory\n")


@pytest.mark.parametrize(
    ("locale", "program", "looks"),
    [
        ("de_DE.UTF-8", "/nonexistent", True),
        ("de_DE.UTF-8", "/bin/dash", False),
        ("C", "/nonexistent", False),
        ("C.UTF-8", "/nonexistent", False),
    ],
)
@needs("strace", "glibc")
def test_catalogues_are_looked_for_only_with_something_to_print(
    locale: str, program: str, looks: bool, tmp_path: Path, locales: Path
) -> None:
    trace = tmp_path / "trace"
    command = support.command()
    watch = ["-o", str(trace), "-e", "trace=openat", command.file, *command.arguments]
    environment = {**dict(command.environment), "LOCPATH": str(locales), "LC_ALL": locale}
    strace = support.Program("/usr/bin/strace", "strace")
    support.start(strace, [*watch, program, "-c", ""], environment=environment)
    assert ("LC_MESSAGES" in trace.read_text()) == looks


# ---- how it is done -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "values", "filled"),
    [
        ("%s: %s", ["a", "b"], b"a: b"),
        ("%2$s before %1$s", ["a", "b"], b"b before a"),
        ("%c and %d", ["x", 5], b"x and 5"),
        ("nothing", [], b"nothing"),
        ("%s", ["\udcff%s"], b"\xff%s"),
        ("\u00fc %s", ["\udcff"], b"\xc3\xbc \xff"),
    ],
)
def test_a_format_is_filled_in(
    template: str, values: list[object], filled: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "_encode", lambda text: text.encode())
    assert language._fill(template, values) == filled


def test_a_wording_in_english() -> None:
    assert in_english("50% of nothing") == "50% of nothing"
    assert (
        in_english(("%s: '%s'", ("failed to parse uid",), "50%s")) == "failed to parse uid: '50%s'"
    )
    assert str(Failure(("mount %s failed", "/%d"), 2)).startswith("mount /%d failed: ")
    assert str(Failure(("invalid option -- '%c'", "\udcff"))) == "invalid option -- '\udcff'"


@pytest.mark.parametrize("fault", [LookupError("unknown encoding"), IndexError(), OSError(5, "")])
def test_what_cannot_be_translated_is_in_english(
    fault: Exception, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str, error: Exception) -> bytes:
        raise fault

    monkeypatch.setattr(language, "translated", fail)
    monkeypatch.setitem(os.environ, "LC_ALL", "de_DE.UTF-8")
    monkeypatch.setattr("pyunshare.messages._is_english", lambda: False)
    assert Reporter("unshare", []).report(Failure("unshare failed", 1)) == 1
    assert capfd.readouterr().err == "unshare: unshare failed: Operation not permitted\n"
