"""The grammar of getopt_long(3) for options that stop at the first other word.

Nothing is checked here but the grammar, and nothing happens: what the options mean is for
:mod:`pyunshare.options.request` to say.
"""

from ..errors import UsageFailure
from ..syscalls import fsdecode, fsencode
from .table import ROWS, is_required

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME_OF_SHORT = {short: name for name, short, _, _, _, _ in ROWS if short}
_METAVARS = {name: metavar for name, _, metavar, _, _, _ in ROWS}


class CommandLine:
    """A command line, to be iterated over once for its options: each one's name and value.

    Options act from left to right, so UsageFailure is raised where a fault stands, after all
    that comes before it.
    """

    def __init__(self, argv: "list[str]") -> None:
        self._rest = argv[::-1]  # the next word is the last one

    def __iter__(self) -> "Iterator[tuple[str, str | None]]":
        rest = self._rest
        while rest and rest[-1].startswith("-") and rest[-1] != "-":
            word = rest.pop()
            if word == "--":
                break
            if word.startswith("--"):
                yield _long_option(word, rest)
            else:
                yield from _short_options(word, rest)

    @property
    def program(self) -> "list[str]":
        """The words that have not been read: in the end, the program and its arguments."""
        return self._rest[::-1]


def _short_options(word: str, rest: "list[str]") -> "Iterator[tuple[str, str | None]]":
    """Read a word like -ipf, -S0 or -pS 0; optional values are for long options only."""
    for position, short in enumerate(word[1:], 2):
        name = _NAME_OF_SHORT.get(short)
        if name is None:
            first_byte = fsdecode(fsencode(short)[:1])  # all that getopt(3) looks at
            raise UsageFailure(("invalid option -- '%c'", first_byte), see_help=True)
        if is_required(_METAVARS[name]):
            value = word[position:]
            if not value:
                if not rest:
                    wording = "option requires an argument -- '%c'", short
                    raise UsageFailure(wording, see_help=True)
                value = rest.pop()
            yield name, value
            return
        yield name, None


def _long_option(word: str, rest: "list[str]") -> "tuple[str, str | None]":
    beginning, equals, attached = word[2:].partition("=")
    name = _whole_name(beginning, word)
    if equals:
        if _METAVARS[name] is None:
            wording = "option '%s%s' doesn't allow an argument", "--", name
            raise UsageFailure(wording, see_help=True)
        return name, attached
    if is_required(_METAVARS[name]):
        if not rest:
            wording = "option '%s%s' requires an argument", "--", name
            raise UsageFailure(wording, see_help=True)
        return name, rest.pop()
    return name, None


def _whole_name(beginning: str, word: str) -> str:
    """Return the name if it is one, or the only one that begins with it."""
    if beginning in _METAVARS:
        return beginning
    candidates = [name for name in _METAVARS if name.startswith(beginning)]
    if not candidates:
        raise UsageFailure(("unrecognized option '%s%s'", "--", word[2:]), see_help=True)
    if len(candidates) > 1:
        ambiguous = "option '%s%s' is ambiguous; possibilities:", "--", word[2:]
        listed = "".join(f" '--{name}'" for name in candidates)
        raise UsageFailure(("%s%s", ambiguous, listed), see_help=True)
    return candidates[0]
