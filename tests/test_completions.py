"""The completions, in bash, zsh and fish themselves: what each offers at the end of a line."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from building import completions
from pyunshare.options.option import OPTIONS
from pyunshare.options.request import PROPAGATION
from pyunshare.options.signals import signal_number
from tests.helpers import interactive, support
from tests.helpers.machine import needs

DIRECTORY = support.CHECKOUT / "completions"

INSTALLED = {
    "bash": "bash-completion/completions/pyunshare",
    "zsh": "zsh/site-functions/_pyunshare",
    "fish": "fish/vendor_completions.d/pyunshare.fish",
}

in_every_shell = pytest.mark.parametrize(
    "shell",
    [
        pytest.param("bash", marks=needs("bash", "bash-completion")),
        pytest.param("zsh", marks=needs("zsh")),
        pytest.param("fish", marks=needs("fish")),
    ],
)


# ---- the files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", completions.FILES)
def test_file_agrees_with_table_and_template(shell: str) -> None:
    written = (DIRECTORY / completions.FILES[shell]).read_text()
    assert completions.completion(shell) == written, "run: tox -e generate"
    assert not re.search("@[A-Z_]+@", written)


def test_bash_knows_each_kind_of_value() -> None:
    """For zsh and fish, one that is missing does not get past the generator."""
    text = (DIRECTORY / completions.FILES["bash"]).read_text()
    handled = re.findall(r"^        '?([a-z:|]+(?: \| [a-z]+)*)'?\)", text, re.MULTILINE)
    known = {kind for alternatives in handled for kind in alternatives.split(" | ")}
    free = {"seconds", "string"}
    assert {completions.kind(option) for option in OPTIONS if option.metavar} == known | free


def test_fish_need_not_be_new() -> None:
    """Debian 11 has 3.1, and Ubuntu 22.04 has 3.3: a command is put into quotes from 3.4 on."""
    assert "$(" not in (DIRECTORY / completions.FILES["fish"]).read_text()


@needs("installation")
@pytest.mark.parametrize("shell", completions.FILES)
def test_installed_file(shell: str) -> None:
    installed = Path(sys.prefix, "share", INSTALLED[shell])
    assert installed.read_text() == (DIRECTORY / completions.FILES[shell]).read_text()


# ---- the shells ---------------------------------------------------------------------------------


@pytest.fixture
def directory() -> Path:
    """A directory with a file and a directory in it, and one of programs."""
    directory = support.new_directory()
    (directory / "apple.txt").touch()
    (directory / "anchor").mkdir()
    (directory / "programs").mkdir()
    for name in ("pyunshare", "zebra"):
        program = directory / "programs" / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    return directory


def environment(directory: Path) -> Mapping[str, str]:
    """Return the environment of the shells."""
    programs = directory / "programs"
    return {
        "PATH": f"{programs}:{support.STANDARD_PATH}",
        "LC_ALL": "C.UTF-8",
        "XDG_DATA_HOME": str(programs / "share"),
        "XDG_DATA_DIRS": f"{programs / 'share'}:/usr/share",  # where fish before 3.5 looks only
        "ZEBRA_ONE": "1",
        "ZEBRA_TWO": "2",
    }


def put(name: str, directory: Path, place: str) -> None:
    """Link one of the files where a shell looks for a user's own."""
    link = directory / "programs" / "share" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(DIRECTORY / name)


# How the completions get where each shell finds them, and a completion of zebra's own
SETTINGS = {
    "bash": f"source {support.BASH_COMPLETION}\ncomplete -W 'stripes stars' zebra\n",
    "zsh": f"fpath=({DIRECTORY} $fpath)\n",
    "fish": "complete -c zebra -x -a 'stripes stars'\n",
}
AFTER = {"zsh": "_zebra() { compadd stripes stars }\ncompdef _zebra zebra\n"}


@contextlib.contextmanager
def shell_on_terminal(shell: str, directory: Path, more: str = "") -> Iterator[interactive.Shell]:
    """Start bash or zsh with the completion where an installed one would be."""
    if shell == "bash":
        put("pyunshare.bash", directory, "bash-completion/completions/pyunshare")
    with interactive.Shell(
        shell, SETTINGS[shell], environment(directory), directory, AFTER.get(shell, "") + more
    ) as started:
        yield started


def offered(shell: str, line: str, directory: Path, more: str = "") -> set[str]:
    """Return what a shell offers for the last word: values only, without what stands before."""
    if shell == "fish":
        place = (
            directory / "programs" / "share" / "fish" / "vendor_completions.d" / "pyunshare.fish"
        )
        place.parent.mkdir(parents=True)
        place.symlink_to(DIRECTORY / "pyunshare.fish")
        settings = [SETTINGS["fish"], more]
        words = interactive.fish_completions(line, settings, environment(directory), directory)
    else:
        with shell_on_terminal(shell, directory, more) as started:
            completed = started.line_after(line + interactive.ALL_MATCHES)
        if completed == line:
            return set()
        start = line.rpartition(" ")[0]
        assert completed.startswith(f"{start} ")
        words = completed[len(start) :].split()
    before_value = r"^(--[a-z-]+=|-R(?=.))?([0-9]+:|.*,)?"
    return {re.sub(before_value, "", word.rstrip("=/:,")) for word in words}


SIGNALS_WITH_T = {"TERM", "TRAP", "TSTP", "TTIN", "TTOU"}

EXACTLY = {
    "--prop": {"--propagation"},
    "-f --map-u": {"--map-user", "--map-users"},
    "--propagation ": set(PROPAGATION),
    "--propagation=": set(PROPAGATION),
    "--propagation=s": {"shared", "slave"},
    "--setgroups ": {"allow", "deny"},
    "--kill-child=T": SIGNALS_WITH_T,
    "--kill-child=SIGT": {f"SIG{name}" for name in SIGNALS_WITH_T},
    "--map-users ": {"auto", "subids", "all"},
    "--map-users 0:1:2 --map-users=s": {"subids"},
    "--map-groups a": {"auto", "all"},
    "--mount=a": {"apple.txt", "anchor"},
    "--uts=": {"apple.txt", "anchor", "programs"},
    "--root a": {"anchor"},
    "--root=a": {"anchor"},
    "-R a": {"anchor"},
    "-Ra": {"anchor"},
    "-pfR a": {"anchor"},
    "--mount-proc=a": {"anchor"},
    "--whitelist-env ZE": {"ZEBRA_ONE", "ZEBRA_TWO"},
    "--whitelist-env=PATH,ZE": {"ZEBRA_ONE", "ZEBRA_TWO"},
    "--monotonic ": set(),
    "--fork=": set(),
    # the program, which an optional value is not
    "zeb": {"zebra"},
    "--mount zeb": {"zebra"},
    "-- zeb": {"zebra"},
    "-f programs/zeb": {"programs/zebra"},
    "-ipf --mount-proc=/x --owner 1:2 -w anchor --map-users=0:1:2 zeb": {"zebra"},
    # its own completion, however the options before it are written
    "zebra st": {"stripes", "stars"},
    "-f zebra st": {"stripes", "stars"},
    "-S0 zebra st": {"stripes", "stars"},
    "-fS 0 zebra st": {"stripes", "stars"},
    "--map-user root zebra st": {"stripes", "stars"},
    "--map-user=root zebra st": {"stripes", "stars"},
    "--mount=a zebra st": {"stripes", "stars"},
    "-R anchor -- zebra one st": {"stripes", "stars"},
    "-f zebra --prop": set(),
    "-f pyunshare --prop": {"--propagation"},
    "-f pyunshare --owner 1:2 zebra st": {"stripes", "stars"},
}


@pytest.mark.thorough
@in_every_shell
@pytest.mark.parametrize("line", EXACTLY)
def test_offers_exactly(shell: str, line: str, directory: Path) -> None:
    assert offered(shell, f"pyunshare {line}", directory) == EXACTLY[line]


AMONG_OTHERS = {
    "--map-user r": "root",
    "--map-group=r": "root",
    "--setuid ": "0",
    "-G ": "0",
    "--setgid=": "0",
    "--owner ": "0",
    "--owner 0:": "0",
    "--owner=0:": "0",
}


@pytest.mark.thorough
@in_every_shell
@pytest.mark.parametrize("line", AMONG_OTHERS)
def test_offers_among_others(shell: str, line: str, directory: Path) -> None:
    assert AMONG_OTHERS[line] in offered(shell, f"pyunshare {line}", directory)


@in_every_shell
def test_offers_every_option_of_the_table(shell: str, directory: Path) -> None:
    assert offered(shell, "pyunshare --", directory) == {f"--{option.name}" for option in OPTIONS}


@in_every_shell
def test_a_single_sign_has_short_options_too(shell: str, directory: Path) -> None:
    found = offered(shell, "pyunshare -", directory)
    letters = {f"-{option.short}" for option in OPTIONS if option.short}
    found.discard("-")  # what was typed, which zsh leaves there
    assert letters <= found <= letters | {f"--{option.name}" for option in OPTIONS}


@in_every_shell
def test_every_signal_that_is_offered_is_known(shell: str, directory: Path) -> None:
    names = offered(shell, "pyunshare --kill-child=", directory)
    assert len(names) > 25
    for name in names:
        signal_number(name)


ABBREVIATED = {
    "--propag=s": {"shared", "slave"},
    "--map-user root --own 1:2 zebra st": {"stripes", "stars"},
}


@needs("bash", "bash-completion")
@pytest.mark.parametrize("line", ABBREVIATED)
def test_bash_understands_shortened_options(line: str, directory: Path) -> None:
    assert offered("bash", f"pyunshare {line}", directory) == ABBREVIATED[line]


@needs("fish")
def test_fish_understands_shortened_options(directory: Path) -> None:
    line = "pyunshare --map-user root --own 1:2 zebra st"
    assert offered("fish", line, directory) == {"stripes", "stars"}


@needs("fish")
@pytest.mark.parametrize("line", ["--", "--mount-p", "--kill-child", "--map-users "])
def test_fish_offers_nothing_twice(line: str, directory: Path) -> None:
    place = [f"source {DIRECTORY}/pyunshare.fish"]
    found = interactive.fish_completions(
        f"pyunshare {line}", place, environment(directory), directory
    )
    assert found
    assert not {word for word in found if word.endswith("=")}
    assert len(found) == len(set(found))


@needs("fish")
@pytest.mark.parametrize(
    "line", ["--propagation ", "--map-users=", "--kill-child=", "--setgroups "]
)
def test_fish_repeats_no_description(line: str, directory: Path) -> None:
    """A value has a description of its own, or none."""
    script = f"source {DIRECTORY}/pyunshare.fish; complete --do-complete='pyunshare {line}'"
    result = support.run(["fish", "-c", script], environment=environment(directory))
    shown = [text.partition("\t")[2] for text in result.lines]
    described = [text for text in shown if text]
    assert shown and len(described) == len(set(described)), shown


# What one key makes of a line where there is one match
COMPLETED = {
    "bash": {
        "--prop": "--propagation ",
        "--propagation=sl": "--propagation=slave ",
        "--root=anc": "--root=anchor/",
        "--mount=app": "--mount=apple.txt ",
        "--owner 0:65533": "--owner 0:65533",
        "-ipf": "-ipf ",
    },
    "zsh": {
        "--prop": "--propagation=",
        "--propagation=sl": "--propagation=slave ",
        "--root=anc": "--root=anchor/",
        "--mount=app": "--mount=apple.txt ",
        "--setg": "--setg",
    },
}


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        pytest.param(
            shell, line, marks=needs(shell, *(["bash-completion"] if shell == "bash" else []))
        )
        for shell, lines in COMPLETED.items()
        for line in lines
    ],
)
def test_completes_in_place(shell: str, line: str, directory: Path) -> None:
    with shell_on_terminal(shell, directory) as started:
        completed = started.line_after(f"pyunshare {line}{interactive.COMPLETE}")
    assert completed == f"pyunshare {COMPLETED[shell][line]}"


@needs("bash", "bash-completion")
@pytest.mark.parametrize("line", ["--propagation=s", "--root=a", "--mount=a", "--owner 0:"])
def test_bash_that_does_not_divide_words_at_signs(line: str, directory: Path) -> None:
    """As where somebody's completion, npm's for one, has changed COMP_WORDBREAKS for all."""
    setting = "COMP_WORDBREAKS=${COMP_WORDBREAKS//[=:]/}\n"
    expected = EXACTLY.get(line) or {AMONG_OTHERS[line]}
    assert expected <= offered("bash", f"pyunshare {line}", directory, setting)


@needs("bash", "bash-completion")
@pytest.mark.parametrize("line", ["FOO=1 pyunshare --propagation=", "true; pyunshare --setgroups "])
def test_bash_in_the_middle_of_a_line(line: str, directory: Path) -> None:
    expected = EXACTLY[line.partition("pyunshare ")[2]]
    assert offered("bash", line, directory) == expected


@needs("bash")
@pytest.mark.parametrize("line", ["--propagation=s", "--root=a", "--mount zeb", "--map-u"])
def test_bash_without_bash_completion(line: str, directory: Path) -> None:
    settings = f"source {DIRECTORY}/pyunshare.bash\n"
    expected = EXACTLY.get(line) or {"--map-user", "--map-users"}
    with interactive.Shell("bash", settings, environment(directory), directory) as started:
        completed = started.line_after(f"pyunshare {line}{interactive.ALL_MATCHES}")
    words = completed.removeprefix("pyunshare ").replace("--mount ", "").split()
    assert {re.sub("^--[a-z-]+=", "", word.rstrip("/")) for word in words} == expected


# ---- under the name of unshare ------------------------------------------------------------------


@needs("bash", "bash-completion")
def test_bash_with_a_link_named_unshare(directory: Path) -> None:
    put("pyunshare.bash", directory, "bash-completion/completions/unshare")
    settings = SETTINGS["bash"]
    with interactive.Shell("bash", settings, environment(directory), directory) as started:
        completed = started.line_after(f"unshare --forw{interactive.COMPLETE}")
    assert completed == "unshare --forward-signals "


@needs("zsh")
def test_zsh_with_compdef_for_unshare(directory: Path) -> None:
    found = offered("zsh", "unshare --forw", directory, "compdef _pyunshare unshare\n")
    assert found == {"--forward-signals"}


@needs("fish")
def test_fish_with_a_file_for_unshare(directory: Path) -> None:
    wrap = "complete -c unshare -w pyunshare"
    assert offered("fish", "unshare --forw", directory, wrap) == {"--forward-signals"}
    for shell_file, said in {"fish": wrap, "zsh": "compdef _pyunshare unshare"}.items():
        assert f'"{said}"' in (DIRECTORY / completions.FILES[shell_file]).read_text()
