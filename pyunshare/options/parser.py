"""The grammar of getopt_long(3) for options that stop at the first other word.

Nothing is checked here but the grammar, and nothing happens: what the options mean is for
:mod:`pyunshare.options.request` to say.
"""

from ..errors import Failure
from ..syscalls import fsdecode, fsencode
from .table import ROWS, is_required

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME_OF_SHORT = {short: name for name, short, _, _, _, _ in ROWS if short}
_METAVARS = {name: metavar for name, _, metavar, _, _, _ in ROWS}


def take_options(argv: "list[str]") -> "Iterator[tuple[str, str | None]]":
    """Take the options off a command line, one after the other: each one's name and value.

    What is left of ``argv`` in the end is the program and its arguments. Options act from left to
    right, so Failure is raised where a fault stands, after all that comes before it.
    """
    while argv and argv[0].startswith("-") and argv[0] != "-":
        word = argv.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            yield _long_option(word, argv)
        else:
            yield from _short_options(word, argv)


def _short_options(word: str, argv: "list[str]") -> "Iterator[tuple[str, str | None]]":
    """Read a word like -ipf, -S0 or -pS 0; optional values are for long options only."""
    for position, short in enumerate(word[1:], 2):
        name = _NAME_OF_SHORT.get(short)
        if name is None:
            first_byte = fsdecode(fsencode(short)[:1])  # all that getopt(3) looks at
            raise Failure(("invalid option -- '%c'", first_byte), see_help=True)
        if is_required(_METAVARS[name]):
            value = word[position:]
            if not value:
                if not argv:
                    wording = "option requires an argument -- '%c'", short
                    raise Failure(wording, see_help=True)
                value = argv.pop(0)
            yield name, value
            return
        yield name, None


def _long_option(word: str, argv: "list[str]") -> "tuple[str, str | None]":
    beginning, equals, attached = word[2:].partition("=")
    name = _whole_name(beginning, word)
    if equals:
        if _METAVARS[name] is None:
            wording = "option '%s%s' doesn't allow an argument", "--", name
            raise Failure(wording, see_help=True)
        return name, attached
    if is_required(_METAVARS[name]):
        if not argv:
            wording = "option '%s%s' requires an argument", "--", name
            raise Failure(wording, see_help=True)
        return name, argv.pop(0)
    return name, None


def _whole_name(beginning: str, word: str) -> str:
    """Return the name if it is one, or the only one that begins with it."""
    if beginning in _METAVARS:
        return beginning
    candidates = [name for name in _METAVARS if name.startswith(beginning)]
    if not candidates:
        raise Failure(("unrecognized option '%s%s'", "--", word[2:]), see_help=True)
    if len(candidates) > 1:
        ambiguous = "option '%s%s' is ambiguous; possibilities:", "--", word[2:]
        listed = "".join([f" '--{name}'" for name in candidates])
        raise Failure(("%s%s", ambiguous, listed), see_help=True)
    return candidates[0]
