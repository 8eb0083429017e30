"""The deliberate differences, each a named rule (section 11 of the behaviour contract)."""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """One way in which pyunshare is safer or kinder than the reference."""

    number: int
    name: str
    line: str
    reference: str
    pyunshare: str


RULES: tuple[Rule, ...] = (
    Rule(
        1,
        "numbers do not wrap",
        "-S 4294967296 id -u",
        "prints 0",
        "failed to parse uid: '4294967296': Numerical result out of range",
    ),
    Rule(
        2,
        "the death signal stays armed",
        "--kill-child -S 61001 sleep 1000, and the launcher is killed",
        "leaves an orphan",
        "leaves no process",
    ),
    Rule(
        3,
        "a fulfilled wish is no error",
        "-r --setgroups deny true",
        "write failed /proc/self/setgroups: Operation not permitted",
        "runs the program",
    ),
    Rule(
        4,
        "only your own subordinate ids",
        "--map-auto cat /proc/self/uid_map, as root",
        "maps the block of the first user who is named in /etc/subuid",
        "maps the block of root, or says: no line matching user",
    ),
    Rule(
        5,
        "no program from a half-done launch",
        "-f --uts=/no/such/file echo started",
        "prints started, status 1",
        "prints nothing, status 1",
    ),
    Rule(
        6,
        "no helper outlives a failure",
        "--map-users 0:0:1 true, where unshare(2) fails",
        "leaves a helper with standard output and error open",
        "ends at once",
    ),
    Rule(
        7,
        "a killed helper is a failure",
        "--map-users 0:61002:1 true, with a newuidmap that is killed",
        "runs the program without a map",
        "newuidmap was killed by signal 9",
    ),
    Rule(
        8,
        "--whitelist-env always clears",
        "--whitelist-env NOT_SET env",
        "passes the whole environment on",
        "passes nothing on",
    ),
    Rule(
        9,
        "a relative --wd is inside the new root",
        "--root DIR --wd inner pwd",
        "looks for inner outside of the new root",
        "changes to DIR/inner",
    ),
    Rule(
        10,
        "ignored signals stay ignored",
        "--forward-signals grep SigIgn /proc/self/status, with SIGINT ignored",
        "the program has the default",
        "the program ignores SIGINT",
    ),
    Rule(
        11,
        "a range of count 0 maps nothing",
        "--map-user 5 --map-users 0:0:0 true",
        "failed to write /proc/PID/uid_map: Invalid argument",
        "runs the program",
    ),
    Rule(
        12,
        "messages name the program by its base name",
        "--foo, started as /some/where/unshare",
        "/some/where/unshare: unrecognized option '--foo'",
        "unshare: unrecognized option '--foo'",
    ),
    Rule(
        13,
        "help and version are our own",
        "--version",
        "NAME from util-linux 2.42.4",
        "NAME from pyunshare X.Y.Z, compatible with util-linux 2.43",
    ),
    Rule(
        14,
        "an ignored SIGPIPE or SIGXFSZ becomes default",
        "grep SigIgn /proc/self/status, with SIGPIPE ignored",
        "the program ignores SIGPIPE",
        "the program has the default",
    ),
)


def rule(number: int) -> Rule:
    """The rule with this number."""
    return RULES[number - 1]
