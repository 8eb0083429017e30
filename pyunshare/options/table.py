"""The options of unshare(1), each in one row.

The parser, the help text, the manual page, the shell completions and the Python interface are
all drawn from this table, most of them by way of :mod:`pyunshare.options.option`. Its order is
part of the interface: getopt_long(3) lists the candidates of an ambiguous prefix in it.
"""

from ..syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)

# The headings of the help text and the manual page
GENERAL = "General"
NAMESPACES = "Namespaces"
PROCESS = "The process"
FILE_SYSTEMS = "File systems"
USERS = "Users and groups"
CLOCKS = "Clocks"
ENVIRONMENT = "Environment"

# Name, short option, metavar, CLONE_NEW* bits, heading and help. The metavar is None for an option
# without a value, "=word" for an optional one, and otherwise the word that stands for the value.
# Objects with names for all this would take time at each launch to make: option.py has them.
ROWS: "tuple[tuple[str, str, str | None, int, str, str], ...]" = (
    ("help", "h", None, 0, GENERAL, "print this help and exit"),
    ("version", "V", None, 0, GENERAL, "print the version and exit"),
    ("mount", "m", "=file", CLONE_NEWNS, NAMESPACES, "new mount namespace"),
    ("uts", "u", "=file", CLONE_NEWUTS, NAMESPACES, "new UTS namespace: host name"),
    ("ipc", "i", "=file", CLONE_NEWIPC, NAMESPACES, "new IPC namespace: System V, POSIX queues"),
    ("net", "n", "=file", CLONE_NEWNET, NAMESPACES, "new network namespace"),
    ("pid", "p", "=file", CLONE_NEWPID, NAMESPACES, "new PID namespace for the children"),
    ("user", "U", "=file", CLONE_NEWUSER, NAMESPACES, "new user namespace"),
    ("cgroup", "C", "=file", CLONE_NEWCGROUP, NAMESPACES, "new cgroup namespace"),
    ("time", "T", "=file", CLONE_NEWTIME, NAMESPACES, "new time namespace for the children"),
    ("fork", "f", None, 0, PROCESS, "run the program as a child and wait for it"),
    (
        "kill-child",
        "",
        "=signal",
        0,
        PROCESS,
        "send the child this signal (default KILL) when its parent dies; implies --fork",
    ),
    (
        "forward-signals",
        "",
        None,
        0,
        PROCESS,
        "pass SIGINT and SIGTERM on to the child; implies --fork",
    ),
    (
        "mount-proc",
        "",
        "=directory",
        CLONE_NEWNS,
        FILE_SYSTEMS,
        "mount proc on the directory (default /proc); implies --mount",
    ),
    (
        "mount-binfmt",
        "",
        "=directory",
        CLONE_NEWNS | CLONE_NEWUSER,
        FILE_SYSTEMS,
        "mount binfmt_misc on the directory (default /proc/sys/fs/binfmt_misc, then with "
        "--mount-proc); implies --mount and --user",
    ),
    (
        "map-user",
        "",
        "user",
        CLONE_NEWUSER,
        USERS,
        "be this user (name or number) inside; implies --user",
    ),
    (
        "map-users",
        "",
        "range",
        CLONE_NEWUSER,
        USERS,
        "map users: inner:outer:count, auto, subids or all; may be repeated; implies --user",
    ),
    (
        "map-group",
        "",
        "group",
        CLONE_NEWUSER,
        USERS,
        "have this group (name or number) inside; implies --user",
    ),
    (
        "map-groups",
        "",
        "range",
        CLONE_NEWUSER,
        USERS,
        "map groups: inner:outer:count, auto, subids or all; may be repeated; implies --user",
    ),
    (
        "map-root-user",
        "r",
        None,
        CLONE_NEWUSER,
        USERS,
        "be root inside: --map-user 0 --map-group 0",
    ),
    (
        "map-current-user",
        "c",
        None,
        CLONE_NEWUSER,
        USERS,
        "be the same user and have the same group inside",
    ),
    (
        "map-auto",
        "",
        None,
        CLONE_NEWUSER,
        USERS,
        "map the subordinate ids from 0 on: --map-users auto --map-groups auto",
    ),
    (
        "map-subids",
        "",
        None,
        CLONE_NEWUSER,
        USERS,
        "map the subordinate ids to themselves: --map-users subids --map-groups subids",
    ),
    (
        "owner",
        "",
        "uid:gid",
        CLONE_NEWUSER,
        USERS,
        "the user and group that own the new user namespace; implies --user",
    ),
    (
        "propagation",
        "",
        "mode",
        0,
        FILE_SYSTEMS,
        "propagation of the mounts in a new mount namespace: slave, private (the default), "
        "shared or unchanged",
    ),
    (
        "setgroups",
        "",
        "allow|deny",
        0,
        USERS,
        "whether setgroups(2) is allowed in the new user namespace",
    ),
    (
        "keep-caps",
        "",
        None,
        0,
        USERS,
        "let the program keep the capabilities that the new user namespace gives",
    ),
    ("setuid", "S", "uid", 0, USERS, "run the program as this user, by number"),
    (
        "setgid",
        "G",
        "gid",
        0,
        USERS,
        "run the program with this group, by number, and no supplementary groups",
    ),
    ("root", "R", "directory", 0, FILE_SYSTEMS, "use the directory as root directory"),
    ("wd", "w", "directory", 0, FILE_SYSTEMS, "use the directory as working directory"),
    ("monotonic", "", "seconds", 0, CLOCKS, "offset of CLOCK_MONOTONIC; requires --time"),
    ("boottime", "", "seconds", 0, CLOCKS, "offset of CLOCK_BOOTTIME; requires --time"),
    (
        "load-interp",
        "l",
        "string",
        CLONE_NEWNS | CLONE_NEWUSER,
        FILE_SYSTEMS,
        "register a binary format, :name:type:offset:magic:mask:interpreter:flags, in a "
        "binfmt_misc of its own; implies --mount-binfmt",
    ),
    ("clear-env", "", None, 0, ENVIRONMENT, "clear the environment of the program"),
    (
        "whitelist-env",
        "",
        "names",
        0,
        ENVIRONMENT,
        "clear all variables but these: name,name,...; may be repeated",
    ),
)


def is_required(metavar: "str | None") -> bool:
    """Return whether the next word is the value where none is attached."""
    return metavar is not None and metavar[0] != "="
