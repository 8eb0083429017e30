"""The completions for bash, zsh and fish: ``python3 -m building.completions`` writes them anew.

Each is made of a template in shells/ and the table of options. The word that the table has for a
value, such as "directory", tells what completes it. (shtab makes such files of an argparse parser,
but none for fish, and no ``[=value]``, and does not know that options end where the program is.)
"""

from collections.abc import Iterator
from pathlib import Path

from pyunshare.options.option import OPTIONS, Option
from pyunshare.options.request import PROPAGATION
from pyunshare.options.signals import signal_numbers

TEMPLATES = Path(__file__).parent / "shells"
DIRECTORY = Path(__file__).parent.parent / "completions"
FILES = {"bash": "pyunshare.bash", "zsh": "_pyunshare", "fish": "pyunshare.fish"}

ALIASES = ("CLD", "IOT", "POLL")  # second names of CHLD, ABRT and IO

# Values that are words to type as they are
WORDS = {
    "mode": tuple(PROPAGATION),
    "range": ("auto", "subids", "all"),
    **{
        option.metavar: tuple(option.metavar.split("|"))
        for option in OPTIONS
        if option.metavar and "|" in option.metavar
    },
}

# What else there is to complete, in zsh and fish; for bash see the template. With a space before
# it, an action of zsh's gets no arguments but its own.
ZSH_ACTIONS = {
    "directory": "_directories",
    "file": "_files",
    "gid": " _pyunshare_ids group gid",
    "group": "_groups",
    "names": '_sequence _parameters -g "*export*"',
    "seconds": " ",
    "signal": "_pyunshare_signals",
    "string": " ",
    "uid": " _pyunshare_ids passwd uid",
    "uid:gid": "_pyunshare_owner",
    "user": "_users",
}
FISH_ACTIONS = {
    "directory": "(__fish_complete_directories (__pyunshare_value))",
    "file": None,
    "gid": "(__pyunshare_ids group)",
    "group": "(__fish_complete_groups)",
    "names": "(__pyunshare_names)",
    "seconds": "",
    "signal": "(__pyunshare_signals)",
    "string": "",
    "uid": "(__pyunshare_ids passwd)",
    "uid:gid": "(__pyunshare_owner)",
    "user": "(__fish_complete_users)",
}


def main() -> None:
    """Write the files."""
    for shell, name in FILES.items():
        (DIRECTORY / name).write_text(completion(shell), encoding="utf-8")


def completion(shell: str) -> str:
    """Return the completion for one of the shells in FILES."""
    text = (TEMPLATES / shell).read_text(encoding="utf-8")
    replacements = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()
    for mark, replacement in replacements.items():
        text = text.replace(f"@{mark}@", replacement)
    return text


def kind(option: Option) -> str:
    """Return the word that stands for an option's value, "" if it has none."""
    return (option.metavar or "").lstrip("=")


def signals() -> "list[str]":
    """Return the names of the signals in the order of their numbers."""
    numbers = signal_numbers()
    return sorted(numbers.keys() - set(ALIASES), key=lambda name: numbers[name])


def _bash() -> "dict[str, str]":
    return {
        "SIGNALS": " ".join(signals()),
        "WORDS": "\n".join(
            f"        '{kind}') words=\"{' '.join(words)}\" ;;" for kind, words in WORDS.items()
        ),
        "VALUES": "\n".join(
            f"        ['{name}']='{kind(option)}'"
            for option in OPTIONS
            if option.metavar
            for name in _bash_names(option)
        ),
        "OPTIONS": " ".join(f"--{option.name}" for option in OPTIONS),
        "LETTERS": " ".join(f"-{option.short}" for option in OPTIONS if option.short),
    }


def _bash_names(option: Option) -> "Iterator[str]":
    """Yield what a value follows: the names where the next word is one, ``--name=`` elsewhere."""
    yield f"--{option.name}" if option.requires_value else f"--{option.name}="
    if option.requires_value and option.short:
        yield f"-{option.short}"


def _zsh() -> "dict[str, str]":
    return {
        "SIGNALS": " ".join(signals()),
        "OPTIONS": "\n".join(f"  {line} \\" for option in OPTIONS for line in _zsh_specs(option)),
    }


def _zsh_specs(option: Option) -> "Iterator[str]":
    """Yield the specifications of an option for _arguments."""
    long, short = f"--{option.name}", f"-{option.short}" if option.short else ""
    names = " ".join(name for name in (short, long) if name)
    before = "(- *)" if option.name in ("help", "version") else f"({names})"
    if "may be repeated" in option.help:
        before = "*"
    explanation = f"[{_zsh_quoted(option.help, '[]')}]"
    value = ""
    if option.metavar:
        words = WORDS.get(kind(option))
        action = f"({' '.join(words)})" if words else ZSH_ACTIONS[kind(option)]
        colons = ":" if option.requires_value else "::"
        value = f"{colons}{_zsh_quoted(kind(option), ':')}:{_zsh_quoted(action)}"
    if short:
        letter_value = value if option.requires_value else ""
        letter_sign = "+" if option.requires_value else ""
        yield f"'{before}{short}{letter_sign}{explanation}{letter_value}'"
    sign = "" if not option.metavar else "=" if option.requires_value else "=-"
    yield f"'{before}{long}{sign}{explanation}{value}'"


def _zsh_quoted(text: str, special: str = "") -> str:
    for character in special:
        text = text.replace(character, f"\\{character}")
    return text.replace("'", "'\\''")


def _fish() -> "dict[str, str]":
    with_value = [option for option in OPTIONS if option.requires_value]
    return {
        "SIGNALS": "{" + ",".join(signals()) + "}",
        "LETTERS": "".join(option.short for option in with_value),
        "LONG": " ".join(f"--{option.name}" for option in OPTIONS),
        "LONG_WITH_VALUE": " ".join(f"--{option.name}" for option in with_value),
        "OPTIONS": "\n".join(line for option in OPTIONS for line in _fish_lines(option)),
    }


def _fish_lines(option: Option) -> "Iterator[str]":
    """Yield the lines for an option.

    fish would offer one whose value is optional twice, with and without a sign behind. So the value
    has a line of its own, for when the sign is there.
    """
    name = ["-s", option.short] if option.short else []
    name += ["-l", option.name, "-d", _fish_quoted(option.help)]
    value: list[str] = []
    if option.metavar:
        # A tab, and no description behind: fish would repeat that of the option at each word.
        literal = " ".join(rf"{word}\t" for word in WORDS.get(kind(option), ()))
        action = literal or FISH_ACTIONS[kind(option)]
        value = ["-F"] if action is None else ["-f", "-a", _fish_quoted(action)]
    if option.requires_value:
        yield _fish_line("__pyunshare_in_options", [*name, "-r", *value])
    elif option.metavar:
        yield _fish_line("__pyunshare_in_options", name)
        yield _fish_line(f"__pyunshare_at_value {option.name}", ["-l", option.name, *value])
    else:
        yield _fish_line("__pyunshare_in_options", name)


def _fish_line(condition: str, words: "list[str]") -> str:
    condition = _fish_quoted(condition) if " " in condition else condition
    return " ".join(["complete", "-c", "pyunshare", "-n", condition, *words])


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    main()
