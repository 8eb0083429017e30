"""The grammar of getopt_long(3) for options that stop at the first other word.

Nothing is checked here but the grammar, and nothing happens: what the options mean is for
:mod:`pyunshare.request` to say.
"""

from ..errors import Failure
from ..syscalls import fsdecode, fsencode
from .table import ROWS, is_required

_NAME_OF_LETTER = {letter: name for name, letter, _, _, _, _ in ROWS if letter}
_VALUES = {name: value for name, _, value, _, _, _ in ROWS}


def parse(
    words: "list[str]",
) -> "tuple[list[tuple[str, str | None]], list[str], Failure | None]":
    """Split a command line into its options, by name, with their values, and the program's words.

    The third part is what the grammar has against the line. Options act from left to right, so
    those before the fault are returned all the same, and have their say first.
    """
    found: list[tuple[str, str | None]] = []
    rest = list(reversed(words))  # the next word is the last one
    try:
        while rest and rest[-1].startswith("-") and rest[-1] != "-":
            word = rest.pop()
            if word == "--":
                break
            if word.startswith("--"):
                found.append(_long_option(word, rest))
            else:
                _short_options(word, rest, found)
    except Failure as error:
        return found, rest[::-1], error
    return found, rest[::-1], None


def _short_options(word: str, rest: "list[str]", found: "list[tuple[str, str | None]]") -> None:
    """Read a word like -ipf, -S0 or -pS 0; optional values are for long options only."""
    for position, letter in enumerate(word[1:], 2):
        name = _NAME_OF_LETTER.get(letter)
        if name is None:
            first_byte = fsdecode(fsencode(letter)[:1])  # all that getopt(3) looks at
            raise Failure(("invalid option -- '%c'", first_byte), see_help=True)
        if is_required(_VALUES[name]):
            value = word[position:]
            if not value:
                if not rest:
                    wording = "option requires an argument -- '%c'", letter
                    raise Failure(wording, see_help=True)
                value = rest.pop()
            found.append((name, value))
            return
        found.append((name, None))


def _long_option(word: str, rest: "list[str]") -> "tuple[str, str | None]":
    beginning, equals, attached = word[2:].partition("=")
    name = _whole_name(beginning, word)
    if equals:
        if _VALUES[name] is None:
            wording = "option '%s%s' doesn't allow an argument", "--", name
            raise Failure(wording, see_help=True)
        return name, attached
    if is_required(_VALUES[name]):
        if not rest:
            wording = "option '%s%s' requires an argument", "--", name
            raise Failure(wording, see_help=True)
        return name, rest.pop()
    return name, None


def _whole_name(beginning: str, word: str) -> str:
    """Return the name if it is one, or the only one that begins with it."""
    if beginning in _VALUES:
        return beginning
    candidates = [name for name in _VALUES if name.startswith(beginning)]
    if not candidates:
        raise Failure(("unrecognized option '%s%s'", "--", word[2:]), see_help=True)
    if len(candidates) > 1:
        ambiguous = "option '%s%s' is ambiguous; possibilities:", "--", word[2:]
        listed = "".join(f" '--{name}'" for name in candidates)
        raise Failure(("%s%s", ambiguous, listed), see_help=True)
    return candidates[0]
