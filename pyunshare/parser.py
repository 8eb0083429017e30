"""The grammar of getopt_long(3) for options that stop at the first other word.

Nothing is checked here but the grammar, and nothing happens: what the options mean is for
:mod:`pyunshare.request` to say.
"""

from .errors import UsageError
from .options import OPTIONS, Option
from .syscalls import fsdecode, fsencode

_BY_LETTER = {option.letter: option for option in OPTIONS if option.letter}
_BY_NAME = {option.name: option for option in OPTIONS}


def parse(
    words: "list[str]",
) -> "tuple[list[tuple[Option, str | None]], list[str], UsageError | None]":
    """Split a command line into its options, with their values, and the program's words.

    The third part is what the grammar has against the line. Options act from left to right, so
    those before the fault are returned all the same, and have their say first.
    """
    found: list[tuple[Option, str | None]] = []
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
    except UsageError as error:
        return found, rest[::-1], error
    return found, rest[::-1], None


def _short_options(word: str, rest: "list[str]", found: "list[tuple[Option, str | None]]") -> None:
    """Read a word like -ipf, -S0 or -pS 0; optional values are for long options only."""
    for position, letter in enumerate(word[1:], 2):
        option = _BY_LETTER.get(letter)
        if option is None:
            first_byte = fsdecode(fsencode(letter)[:1])  # all that getopt(3) looks at
            raise UsageError(("invalid option -- '%c'", first_byte), see_help=True)
        if option.requires_value:
            value = word[position:]
            if not value:
                if not rest:
                    wording = "option requires an argument -- '%c'", letter
                    raise UsageError(wording, see_help=True)
                value = rest.pop()
            found.append((option, value))
            return
        found.append((option, None))


def _long_option(word: str, rest: "list[str]") -> "tuple[Option, str | None]":
    name, equals, attached = word[2:].partition("=")
    option = _option_named(name, word)
    if equals:
        if option.value is None:
            wording = "option '%s%s' doesn't allow an argument", "--", option.name
            raise UsageError(wording, see_help=True)
        return option, attached
    if option.requires_value:
        if not rest:
            wording = "option '%s%s' requires an argument", "--", option.name
            raise UsageError(wording, see_help=True)
        return option, rest.pop()
    return option, None


def _option_named(name: str, word: str) -> Option:
    """Return the option of that name, or the only one whose name begins with it."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    candidates = [option for option in OPTIONS if option.name.startswith(name)]
    if not candidates:
        raise UsageError(("unrecognized option '%s%s'", "--", word[2:]), see_help=True)
    if len(candidates) > 1:
        ambiguous = "option '%s%s' is ambiguous; possibilities:", "--", word[2:]
        listed = "".join(f" '--{option.name}'" for option in candidates)
        raise UsageError(("%s%s", ambiguous, listed), see_help=True)
    return candidates[0]
