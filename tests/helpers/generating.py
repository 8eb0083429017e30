"""Whole command lines, and the conditions to start them in, drawn from the table of options.

No line can harm the machine: what is written to lies in the directory ``@DIR`` or in a mount
namespace of the test's own, and no word of a line is the name of a program that does anything.
The words ``@DIR``, ``@ROOT``, ``@PROBE`` and ``@REPORT`` are filled in when a line is run.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from hypothesis import strategies as st

from pyunshare.options.option import BY_NAME, OPTIONS, Option
from tests.helpers import machine, support
from tests.helpers.support import ROOT, User

Drawn = TypeVar("Drawn")

# Options that no released util-linux has yet: neither they nor their beginnings can be compared.
NOT_IN_REFERENCE = ("clear-env", "whitelist-env")
COMPARABLE = [option for option in OPTIONS if option.name not in NOT_IN_REFERENCE]

PROBE = ("@PROBE", "@REPORT")


# ---- a command line -----------------------------------------------------------------------------


class Use(NamedTuple):
    """One option on a command line, and the way in which it is written."""

    name: str  # the long name
    value: str | None
    written: str  # ``--name``, a beginning of it, or ``-x``
    attached: bool = True  # the value is in the same word
    bundled: bool = False  # the letter joins those of the word before, where it can

    @property
    def is_short(self) -> bool:
        """Whether the option is written as a letter."""
        return not self.written.startswith("--")


def words_of(uses: Iterable[Use]) -> list[str]:
    """Write options as the words of a command line."""
    words: list[str] = []
    takes_letters = False
    for use in uses:
        if use.is_short and use.bundled and takes_letters:
            words[-1] += use.written[1:]
        else:
            words.append(use.written)
        takes_letters = use.is_short and use.value is None
        if use.value is None:
            continue
        if not use.attached:
            words.append(use.value)
        elif use.is_short:
            words[-1] += use.value
        else:
            words[-1] += "=" + use.value
    return words


class Line(NamedTuple):
    """A command line; what stands behind a fault of its grammar is dead."""

    uses: tuple[Use, ...]
    program: tuple[str, ...]
    fault: tuple[str, ...] = ()
    behind: tuple[Use, ...] = ()
    separator: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """All words behind the name of the command."""
        live, dead = words_of(self.uses), words_of(self.behind)
        return [*live, *self.fault, *dead, *self.separator, *self.program]

    def __repr__(self) -> str:
        return " ".join(shlex.quote(word) for word in self.words)


class Start(NamedTuple):
    """What a command is started with: conditions of ``start.c`` and the environment."""

    conditions: tuple[str, ...]
    entries: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The conditions as ``start.c`` wants them."""
        return [*self.conditions, "emptyenv", *(f"env={entry}" for entry in self.entries)]

    def __repr__(self) -> str:
        return " ".join(shlex.quote(word) for word in self.words)

    def ignores(self, number: int) -> bool:
        """Whether a signal is ignored at the start."""
        return f"ignore={number}" in self.conditions


# ---- values -------------------------------------------------------------------------------------


def mostly(
    usual: st.SearchStrategy[Drawn], unusual: st.SearchStrategy[Drawn], times: int
) -> st.SearchStrategy[Drawn]:
    """Draw ``times`` times as often from the first one as from the second one."""
    return st.integers(0, times).flatmap(lambda number: unusual if number == times else usual)


BORDERS = sorted(
    {
        (1 << power) + distance
        for power in (16, 31, 32, 33, 63, 64)
        for distance in (-2, -1, 0, 1, 5)
    }
    | {10**30}
)
SIGNS = ("+", "-", "--", "+-", "- ", "+ ")
WHITE = (" ", "\t", "\n", "\v", "\f", "\r", "  \t\n", "\u00a0", "\x1c", "\u2003")
ZEROS = ("0", "00", "0" * 30, "0x", "0o")
REMAINDERS = ("x", " ", "\n", ".0", "e3", "_0", "\u0663", "L", ":", "-", "\udcff")
NO_NUMBERS = ("", "abc", "-", "+", " ", "0x", "\u0665", "auto", "root", "nobody", "\udcfe\udcff")

small_numbers = st.integers(0, 12)
borders = st.sampled_from(BORDERS)


@st.composite
def odd_numbers(draw: st.DrawFn) -> str:
    """Text that is a number to some, with white space, sign, zeros or something behind it."""
    if draw(st.integers(0, 11)) == 0:
        return draw(st.sampled_from(NO_NUMBERS))
    number = str(draw(st.one_of(small_numbers, borders, borders)))
    decorations = draw(st.integers(0, 15))
    if decorations & 3 == 1:
        number = draw(st.sampled_from(ZEROS)) + number
    if decorations & 3 == 2:
        number = draw(st.sampled_from(SIGNS)) + number
    if decorations & 12 == 4:
        number = draw(st.sampled_from(WHITE)) + number
    if decorations & 12 == 8:
        number += draw(st.sampled_from(REMAINDERS))
    return number


def ids_of(user: User) -> st.SearchStrategy[int]:
    """Ids that are something to this user."""
    own = support.SUBORDINATE_START.get(user.uid, 100000)
    telling = [0, 0, 0, user.uid, own, own + 1, own + support.SUBORDINATE_COUNT - 1]
    return st.one_of(
        st.sampled_from(telling), small_numbers, st.sampled_from([1000, 65534, 65535, 4294967294])
    )


@st.composite
def good_ranges(draw: st.DrawFn, user: User) -> str:
    """A range that can be mapped where nothing else is, near enough to others to touch them."""
    start = support.SUBORDINATE_START.get(user.uid)
    outer_starts = [user.uid] if start is None else [start, start, user.uid]
    outer = draw(st.sampled_from(outer_starts))
    if outer == start or user.uid == 0:
        outer += draw(st.integers(0, 20))
        count = draw(st.integers(1, 12))
    else:
        count = 1
    inner = draw(st.one_of(st.integers(0, 24), st.sampled_from([100, 1000, 61001, 100000])))
    if draw(st.integers(0, 4)) == 0:
        return f"{outer},{inner},{count}"
    return f"{inner}:{outer}:{count}"


@st.composite
def odd_ranges(draw: st.DrawFn, user: User) -> str:
    """Three numbers, more or less, any of which may be no number."""
    length = draw(st.sampled_from([3] * 12 + [0, 1, 2, 4]))
    part = st.one_of(small_numbers.map(str), small_numbers.map(str), odd_numbers())
    known = ids_of(user).map(str)
    parts = [draw(st.one_of(part, known)) for _ in range(length)]
    if length == 3 and draw(st.integers(0, 2)) == 0:
        parts[2] = draw(st.sampled_from(["0", "00", "-0", "+0"]))
    return draw(st.sampled_from([":", ":", ":", ",", ";", " "])).join(parts)


RANGE_WORDS = ("auto", "subids", "all")
NEAR_RANGE_WORDS = ("Auto", "auto ", "aut", "subid", "ALL", "al", "all:", "autos", "")
PROPAGATION = ("private", "slave", "shared", "unchanged")
NEAR_PROPAGATION = ("Private", "priv", "slave ", " shared", "rprivate", "unchange", "none", "")
SETGROUPS = ("deny", "allow")
NEAR_SETGROUPS = ("Deny", "den", "allow ", " allow", "allowed", "0", "")
REAL_TIME_SIGNALS = (
    *("RTMIN+0", "RTMIN+3", "SIGRTMIN+30", "RTMAX-0", "RTMAX-7", "RT0", "RT5", "sigrt30"),
    "rtmax-30",
)
SIGNALS = (
    *("KILL", "kill", "SIGKILL", "TERM", "sigterm", "SigHup", "INT", "USR1", "CHLD", "CLD", "IOT"),
    *("POLL", "PWR", "STKFLT", "WINCH"),
    # Each C library keeps some of the first ones for itself
    *(REAL_TIME_SIGNALS if machine.has("glibc") else ()),
)
NEAR_SIGNALS = (
    *("", "SIG", "9", "0", "-9", "RTMIN", "RTMAX", "RTMIN+31", "RTMAX-31", "RTMIN-1", "RTMAX+1"),
    *("RT", "RT31", "RT-1", "RTMIN+", "RTMIN+x", "RTMIN+1x", "RTMIN+ 1", "SIGSIGKILL", "KIL"),
    *("KILLX", " KILL", "KILL ", "EXIT", "UNUSED", "S\u0131GKILL", "RT\u0661", "RTMIN+4294967296"),
)
FORMATS = (
    *(":t:E::pyu::/bin/cat:", ":t:E::pyu::/bin/cat:OC", ":t:E::pyu::@PROBE:F", ""),
    *(":t:E::pyu::/no/such:", ":m:M::PYU\\x7f::/bin/cat:"),
)
ODD_FORMATS = (":t:E::pyu::/no/such:F", "x", " ", "1", "0", ":t:E::p::/c:X", ":F", "F", "\udcff")
NEAR_NAMES = ("Root", "root ", "roo", "no-such-name", "", "0x0", "5 ", "\u0665", "\udcff", "root:")
# Bound by --uts=file and the like; each may be bound more than once.
FILES = ("@DIR/file", "@DIR/other", "@DIR/third")
NO_FILES = ("@DIR/none", "@DIR/none/none", "@DIR/inner", "@DIR/file/x", "")


def texts(*usual: str) -> st.SearchStrategy[str]:
    """One of these words."""
    return st.sampled_from(usual)


def good_values(name: str, user: User) -> st.SearchStrategy[str]:
    """Values of an option that mostly let the program start."""
    names = texts("root", "nobody", support.WITH_SUBORDINATE_IDS.name)
    group_names = texts("root", "nogroup", support.WITH_SUBORDINATE_IDS.name)
    numbers = ids_of(user).map(str)
    range_words = RANGE_WORDS if user.uid in support.SUBORDINATE_START else ("all",)
    ranges = st.one_of(good_ranges(user), good_ranges(user), texts(*range_words))
    values: dict[str, st.SearchStrategy[str]] = {
        "kill-child": texts(*SIGNALS),
        "mount-proc": texts("/proc", "@DIR/mount", "@DIR/inner"),
        "mount-binfmt": texts("@DIR/mount", "@DIR/inner", "/proc/sys/fs/binfmt_misc"),
        "map-user": mostly(numbers, names, 4),
        "map-group": mostly(numbers, group_names, 4),
        "map-users": ranges,
        "map-groups": ranges,
        "owner": st.tuples(numbers, numbers).map(":".join),
        "propagation": texts(*PROPAGATION),
        "setgroups": texts(*SETGROUPS),
        "setuid": numbers,
        "setgid": numbers,
        "root": texts("@ROOT", "@ROOT", "/"),
        "wd": texts("/", "@DIR", "@DIR/inner", ".", "..", "inner"),
        "monotonic": st.integers(-3, 1 << 31).map(str),
        "boottime": st.integers(-3, 1 << 31).map(str),
        "load-interp": texts(*FORMATS),
    }
    return values.get(name, texts(*FILES))


def odd_values(name: str, user: User) -> st.SearchStrategy[str]:
    """Values of an option that mostly are none, or stand for what is not there."""
    numbers = st.one_of(odd_numbers(), odd_numbers(), ids_of(user).map(str))
    owners = st.lists(numbers, min_size=1, max_size=3).map(":".join)
    ranges = st.one_of(odd_ranges(user), odd_ranges(user), texts(*NEAR_RANGE_WORDS))
    values: dict[str, st.SearchStrategy[str]] = {
        "kill-child": texts(*NEAR_SIGNALS),
        "mount-proc": texts(*NO_FILES, "inner", "/"),
        "mount-binfmt": texts(*NO_FILES, "inner", "/"),
        "map-user": st.one_of(texts(*NEAR_NAMES), odd_numbers()),
        "map-group": st.one_of(texts(*NEAR_NAMES), odd_numbers()),
        "map-users": ranges,
        "map-groups": ranges,
        "owner": st.one_of(owners, texts("root:root", "0,0", ":", "0:", ":0", "")),
        "propagation": texts(*NEAR_PROPAGATION),
        "setgroups": texts(*NEAR_SETGROUPS),
        "setuid": numbers,
        "setgid": numbers,
        "root": texts(*NO_FILES, "@DIR", "@DIR/file", "inner"),
        "wd": texts(*NO_FILES, "@DIR/file", "no\udcff\u00e4", "../none"),
        "monotonic": odd_numbers(),
        "boottime": odd_numbers(),
        "load-interp": texts(*ODD_FORMATS),
    }
    return values.get(name, texts(*NO_FILES))


# ---- options ------------------------------------------------------------------------------------


def _candidates(beginning: str) -> list[Option]:
    return [option for option in OPTIONS if option.name.startswith(beginning)]


def is_comparable(word: str) -> bool:
    """Whether the reference can know what a word that may be a long option stands for."""
    if not word.startswith("--") or word == "--":
        return True
    name = word[2:].partition("=")[0]
    return name in BY_NAME.keys() - set(NOT_IN_REFERENCE) or not any(
        later.startswith(name) for later in NOT_IN_REFERENCE
    )


def _beginnings(option: Option) -> list[str]:
    """All that is short for the option and for no other one."""
    name = option.name
    return [
        f"--{name[:end]}"
        for end in range(1, len(name))
        if len(_candidates(name[:end])) == 1 and name[:end] not in BY_NAME
    ]


BEGINNINGS = {option.name: _beginnings(option) for option in COMPARABLE}
# Beginnings of more than one name.
AMBIGUOUS = sorted(
    word
    for word in {f"--{o.name[:end]}" for o in COMPARABLE for end in range(1, len(o.name))}
    if word[2:] not in BY_NAME and len(_candidates(word[2:])) > 1 and is_comparable(word)
)

COMMON = ("mount", "uts", "ipc", "pid", "fork", "map-root-user", "user", "map-current-user", "time")
RARE = ("help", "version", "net", "load-interp", "mount-binfmt", "owner", "setuid", "setgid")
NAMES = [
    option.name
    for option in COMPARABLE
    for _ in range(1 if option.name in RARE else 6 if option.name in COMMON else 3)
]
SILENT = [name for name in NAMES if name not in ("help", "version")]
RANGES = ("map-users", "map-groups", "map-auto", "map-subids")
# What decides about the maps of a user namespace: section 6 of the behaviour contract.
MAPPING = [name for name in SILENT if name.startswith("map-")]
# What can have an odd value, all alike, and the rest as it is
VALUED = [*NAMES, *(option.name for option in COMPARABLE for _ in range(6) if option.metavar)]


@st.composite
def written(draw: st.DrawFn, name: str, value: str | None) -> Use:
    """An option in one of the ways in which it can be written."""
    option = BY_NAME[name]
    letter_takes = value is None or option.requires_value
    if option.short and letter_takes and draw(st.booleans()):
        attached = bool(value) and draw(st.booleans())  # an empty value cannot be attached
        return Use(name, value, f"-{option.short}", attached, draw(st.booleans()))
    long = f"--{name}"
    if BEGINNINGS[name] and draw(st.integers(0, 3)) == 0:
        long = draw(st.sampled_from(BEGINNINGS[name]))
    attached = not option.requires_value or draw(st.booleans())
    return Use(name, value, long, attached)


@st.composite
def used(draw: st.DrawFn, names: Sequence[str], user: User, odd: int) -> Use:
    """An option with a value that is odd with a probability of ``odd`` in 32."""
    name = draw(st.sampled_from(names))
    option = BY_NAME[name]
    value = None
    if option.metavar is not None:
        is_odd = draw(st.integers(0, 31)) >= 32 - odd
        values = odd_values(name, user) if is_odd else good_values(name, user)
        # Only root can make a namespace persistent, and a new one is most of what an option is for.
        often = 1 if not option.short else 3 if user == ROOT else 15
        if option.requires_value or draw(st.integers(0, often)) == 0:
            value = draw(values)
    return draw(written(name, value))


def _sensible(names: Sequence[str], user: User) -> list[str]:
    """The names that are not pointless for a user, and, once, those that are."""
    pointless = {"setgid", "setuid", "owner"} if user != ROOT else set()
    if user.uid not in support.SUBORDINATE_START:
        pointless |= {"map-auto", "map-subids"}
    return [*names, *(name for name in names for _ in range(3) if name not in pointless)]


def _needed(draw: st.DrawFn, names: set[str], user: User) -> Iterator[str]:
    """What options cannot do without."""
    if names & {"monotonic", "boottime"} and "time" not in names:
        yield "time"
    makes_user = any(name.startswith("map-") or name in ("user", "owner") for name in names)
    if user != ROOT and not makes_user:
        yield draw(st.sampled_from(["user", "map-root-user", "map-current-user"]))
    if names & {"mount-proc", "mount-binfmt", "load-interp"} and "pid" not in names:
        yield "pid"
    if names & {"mount-proc", "mount-binfmt", "load-interp", "pid"} and "fork" not in names:
        yield "fork"


@st.composite
def completed(draw: st.DrawFn, drawn: st.SearchStrategy[list[Use]], user: User) -> list[Use]:
    """Options with what they need beside them, and, mostly, no two sources of ranges."""
    uses = draw(drawn)
    ranges = [use for use in uses if use.name in RANGES]
    if len(ranges) > 1 and draw(st.integers(0, 7)) < 7:
        uses = [use for use in uses if use.name not in RANGES or use is ranges[0]]
    for name in _needed(draw, {use.name for use in uses}, user):
        if draw(st.integers(0, 15)) < 15:
            uses.insert(draw(st.integers(0, len(uses))), draw(written(name, None)))
    return uses


def options(user: User) -> st.SearchStrategy[list[Use]]:
    """The options of a line: few or many good ones, a few for the maps, or odd ones."""
    good = used(_sensible(SILENT, user), user, 0)
    few = completed(st.lists(good, max_size=3), user)
    many = completed(st.lists(good, min_size=4, max_size=12), user)
    mapping = st.lists(used(_sensible(MAPPING, user), user, 2), min_size=1, max_size=4)
    odd = completed(st.lists(used(VALUED, user, 10), min_size=1, max_size=5), user)
    return st.one_of(few, few, many, mapping, odd)


# ---- faults of the grammar ----------------------------------------------------------------------

UNKNOWN_LETTERS = "xqzAZ0195?:;=.,'\"\u00e9\udcff \n"
UNKNOWN_NAMES = (
    "foo",
    "MOUNT",
    "mountx",
    "fork1",
    "-fork",
    "map_root_user",
    "fo'o",
    "\udcff",
    "x y",
)


@st.composite
def faults(draw: st.DrawFn) -> tuple[str, ...]:
    """A word that is wrong by itself, whatever follows."""
    value = draw(st.sampled_from(["", "", "=", "=1", "=\udcff", "=a=b"]))
    kind = draw(st.integers(0, 4))
    if kind == 0:
        bundle = draw(st.sampled_from(["", "m", "f", "rU", "ipf"]))
        return (f"-{bundle}{draw(st.sampled_from(UNKNOWN_LETTERS))}",)
    if kind == 1:
        return (f"--{draw(st.sampled_from(UNKNOWN_NAMES))}{value}",)
    if kind == 2:
        return (f"{draw(st.sampled_from(AMBIGUOUS))}{value}",)
    bare = [option for option in COMPARABLE if option.metavar is None]
    name = draw(st.sampled_from(bare)).name
    long = draw(st.sampled_from([f"--{name}", *BEGINNINGS[name]]))
    return (f"{long}{value or '=x'}",)


@st.composite
def missing_values(draw: st.DrawFn) -> tuple[str, ...]:
    """The last word of a line: an option that wants a value and has none."""
    option = draw(st.sampled_from([option for option in COMPARABLE if option.requires_value]))
    if option.short and draw(st.booleans()):
        return (draw(st.sampled_from(["-", "-f", "-mU"])) + option.short,)
    return (draw(st.sampled_from([f"--{option.name}", *BEGINNINGS[option.name]])),)


# ---- programs -----------------------------------------------------------------------------------

ARGUMENTS = ("-f", "--fork", "--", "", " ", "-S", "--map-user=x", "\udcff\udcfe", "a=b", "\n")
OTHER_PROGRAMS = (
    ("no-such-program",),
    ("@DIR/none",),
    ("./none", "x"),
    ("@DIR/not-executable",),
    ("not-executable",),
    ("@DIR/plain-script", "one", "two words"),
    ("plain-script", "-x"),
    ("@DIR/empty",),
    ("@DIR/garbage",),
    ("@DIR/missing-interpreter",),
    ("@DIR",),
    ("@DIR/plain-script/x",),
    ("@DIR/loop",),
    ("inner",),
    ("",),
    (".",),
    ("-",),
    ("x" * 256,),
    ("/no/such/\udcff",),
)

good_programs = st.one_of(
    st.just(PROBE),
    st.just(PROBE),
    st.lists(st.sampled_from(ARGUMENTS), max_size=3).map(lambda words: (*PROBE, *words)),
    st.just(("probe", "@REPORT")),  # searched in PATH
    st.just(()),  # the login shell, mostly the probe
)
programs = mostly(good_programs, st.sampled_from(OTHER_PROGRAMS), 8)


# ---- lines --------------------------------------------------------------------------------------


@st.composite
def lines(draw: st.DrawFn, user: User) -> Line:
    """A whole command line; one in eight has a fault in its grammar."""
    uses = tuple(draw(options(user)))
    program = draw(programs)
    separator = ("--",) if draw(st.integers(0, 5)) == 0 else ()
    trouble = draw(st.integers(0, 15))
    if trouble == 14:
        behind = tuple(draw(st.lists(used(NAMES, user, 8), max_size=2)))
        return Line(uses, program, draw(faults()), behind, separator)
    if trouble == 15:
        return Line(uses, (), draw(missing_values()))
    return Line(uses, program, separator=separator)


LOOSE_WORDS = (
    *("-", "--", "--=", "--=x", "---", "-f-", "-m=", "=", "0", "auto", "deny", "private", "KILL"),
    *("@DIR", "@ROOT", "@PROBE", "no-such-program"),
)
LETTERS = "".join(option.short for option in OPTIONS if option.short not in "hV") + "mufiUfSGwR"


@st.composite
def loose_words(draw: st.DrawFn) -> str:
    """A word that may be an option, its value, a bundle with a value in it, or the program."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(st.sampled_from(LOOSE_WORDS))
    if kind == 1:
        letters = draw(st.text(st.sampled_from(LETTERS), min_size=1, max_size=4))
        return f"-{letters}{draw(st.sampled_from(['', '', '0', '=0', 'x', '/', '@DIR']))}"
    name = draw(st.sampled_from(COMPARABLE)).name
    name = name[: draw(st.integers(0, len(name)))] if draw(st.booleans()) else name
    value = draw(st.sampled_from(["", "", "=", "=0", "=5", "=0:0:1", "=0:0", "=deny", "=@DIR"]))
    return f"--{name}{value}"


# Words without a plan: where a value begins and where the program does is for getopt to say.
loose_lines = st.lists(loose_words().filter(is_comparable), max_size=7)


# ---- conditions ---------------------------------------------------------------------------------

IGNORABLE = (1, 2, 3, 10, 13, 14, 15, 17, 25, 34, 40, 64)
BLOCKABLE = (1, 2, 10, 13, 14, 15, 17, 34, 64)
RARE_CONDITIONS = (
    *("no_new_privs", "nice=5", "death_signal=10", "limit=7:100:200", "oom_score_adj=500"),
    *("pending=10", "pending=15", "timer=1000"),
)
ENTRIES = (
    *("LANG=C", "LANG=C.UTF-8", "LC_ALL=POSIX", "LC_ALL=C", "LC_CTYPE=C", "LC_CTYPE=C.UTF-8"),
    *("LC_CTYPE=xx_YY.UTF-8", "LC_ALL=de_DE.ISO-8859-1", "LC_ALL=", "LC_CTYPE=UTF-8"),
    *(
        "LANGUAGE=de",
        "POSIXLY_CORRECT=1",
        "A=1",
        "A=2",
        "A",
        "=",
        "",
        "B=",
        "=C=1",
        "\udcff=\udcfe",
    ),
    *("HOME=/nowhere", "_=x", "\u00e4=\u20ac\n\t", "A=b=c", "SHELL", "PATH"),
)
USUAL_PATHS = ("@DIR", "@DIR/inner:@DIR")  # in the first one, nothing can be executed
PATHS = ("", "/none:@DIR", "@DIR/not-executable:@DIR:", "@DIR/inner:@DIR/private:@DIR")
SHELLS = ("", "/no/such/shell", "@DIR/plain-script", "@DIR", "probe", "@PROBE/", "/@PROBE")


@st.composite
def environments(draw: st.DrawFn) -> tuple[str, ...]:
    """An environment in any order; it mostly has a PATH, and the probe as the shell."""
    entries = draw(mostly(st.just([]), st.lists(st.sampled_from(ENTRIES), max_size=5), 1))
    path = draw(mostly(st.sampled_from(USUAL_PATHS), st.sampled_from(PATHS), 9))
    shell = draw(mostly(st.just("@PROBE"), st.sampled_from(SHELLS), 9))
    for name, value in (("PATH", path), ("SHELL", shell)):
        if draw(st.integers(0, 15)) < 15:
            entries.insert(draw(st.integers(0, len(entries))), f"{name}={value}")
    return tuple(entries)


def _drawn_conditions(draw: st.DrawFn) -> Iterator[str]:
    for number in draw(st.lists(st.sampled_from(IGNORABLE), max_size=3, unique=True)):
        yield f"ignore={number}"
    for number in draw(st.lists(st.sampled_from(BLOCKABLE), max_size=2, unique=True)):
        yield f"block={number}"
    if draw(st.booleans()):
        yield f"umask={draw(st.sampled_from(['0', '0022', '0077', '0777']))}"
    if draw(st.integers(0, 3)) == 0:
        yield f"propagation={draw(st.sampled_from(['shared', 'slave']))}"
    if draw(st.booleans()):
        yield f"directory={draw(st.sampled_from(['@DIR', '@DIR', '/', '@ROOT']))}"
    if draw(st.integers(0, 3)) == 0:
        yield draw(st.sampled_from(RARE_CONDITIONS))
    if draw(st.integers(0, 2)) == 0:
        for number in draw(st.lists(st.integers(0, 2), max_size=3, unique=True)):
            yield f"close={number}"


@st.composite
def starts(draw: st.DrawFn) -> Start:
    """Conditions to start in, more often than not the ordinary ones."""
    conditions = tuple(_drawn_conditions(draw)) if draw(st.integers(0, 2)) == 0 else ()
    return Start(conditions, draw(environments()))


# ---- maps ---------------------------------------------------------------------------------------

MOST_LINES = 341  # one more than the kernel takes


class Map(NamedTuple):
    """What is asked of one of the two maps: the single id, and the ranges in their order."""

    kind: str  # "user" or "group"
    single: str | None
    ranges: tuple[str, ...]

    @property
    def uses(self) -> list[Use]:
        """The options for it, each in a word of its own."""
        name = f"map-{self.kind}"
        ranges = [Use(f"{name}s", text, f"--{name}s") for text in self.ranges]
        return [*ranges, *([Use(name, self.single, f"--{name}")] if self.single else [])]


@st.composite
def _apart(draw: st.DrawFn, outer: int, length: int) -> list[str]:
    """Ranges that have no id in common, though nothing may lie between them, in any order."""
    gaps = st.sampled_from([(0, 0), (0, 0), (1, 0), (0, 1), (2, 5)])
    counts = st.sampled_from([1, 1, 2, 3, 12])
    # A few steps over and over: drawn one by one, 340 ranges would take longer than the launch.
    steps = draw(st.lists(st.tuples(gaps, counts), min_size=1, max_size=6))
    ranges, inner = [], 0
    for (inner_gap, outer_gap), count in itertools.islice(itertools.cycle(steps), length):
        inner, outer = inner + inner_gap, outer + outer_gap
        ranges.append(f"{inner}:{outer}:{count}")
        inner, outer = inner + count, outer + count
    return draw(st.permutations(ranges)) if length <= 8 else ranges


@st.composite
def _together(draw: st.DrawFn, outer: int, length: int) -> list[str]:
    """Ranges so short and near that they often touch or overlap."""
    near = st.integers(0, 24)
    return [
        f"{draw(near)}:{outer + draw(near)}:{draw(st.integers(0, 12))}"
        for _ in range(min(length, 4))
    ]


@st.composite
def maps(draw: st.DrawFn, user: User) -> Map:
    """A map of one or of very many lines, good or with overlaps, with a single id or without."""
    outer = 0 if user == ROOT and draw(st.booleans()) else support.SUBORDINATE_START[user.uid]
    length = draw(st.one_of(st.integers(1, 6), st.integers(1, 40), st.integers(41, MOST_LINES)))
    ranges = draw(mostly(_apart(outer, length), _together(outer, length), 2))
    inner, _, count = map(int, draw(st.sampled_from(ranges)).split(":"))
    at_an_end = st.sampled_from([inner, inner + count, inner + count - 1, inner + count + 1])
    single = st.one_of(at_an_end, at_an_end, st.integers(0, 30), ids_of(user)).map(str)
    if draw(st.integers(0, 3)) == 0:
        ranges.insert(draw(st.integers(0, len(ranges))), draw(texts(*RANGE_WORDS, "0:0:0")))
    kind = draw(st.sampled_from(["user", "group"]))
    return Map(kind, draw(mostly(single, st.none(), 2)), tuple(ranges))
