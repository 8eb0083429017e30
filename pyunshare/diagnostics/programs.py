"""Why a program cannot be executed, or soon cannot fork: execve(2), pid_namespaces(7)."""

from __future__ import annotations

import posix
import sys

from ..errors import Failure
from ..files import FILE_TYPE, REGULAR_FILE
from ..options.option import BY_NAME, OPTIONS
from ..options.parser import take_options
from ..options.signals import signal_numbers
from ..syscalls import CLONE_NEWPID, fsdecode
from .commands import Command, path_argument
from .hint import FailureContext, Hint, options_of, refused_option, search_path, tool
from .probes import is_there
from .system import absolute, read_file

SHELL = "/bin/sh"
SHELLS = ("sh", "ash", "bash", "busybox", "dash", "fish", "ksh", "mksh", "tcsh", "zsh")

# Programs that become another one: how many words they have before it, beside options, and which
# of these take the next word
WRAPPERS: dict[str, tuple[int, tuple[str, ...]]] = {
    "chroot": (1, ()),
    "chrt": (1, ("-T", "-P", "-D")),
    "env": (0, ("-u", "-C", "-a")),
    "ionice": (0, ("-c", "-n")),
    "nice": (0, ("-n",)),
    "nohup": (0, ()),
    "setpriv": (0, ("--reuid", "--regid", "--groups", "--inh-caps", "--bounding-set")),
    "setsid": (0, ()),
    "stdbuf": (0, ("-i", "-o", "-e")),
    "taskset": (1, ()),
    "timeout": (1, ("-k", "-s")),
}

# Where a distribution's own Python is found, and what some leave out of the smallest one
DISTRIBUTIONS_PREFIX = "/usr"
INSTALLING_CTYPES = ("apt-get", "install", "libpython3-stdlib")
WITH_SMALLER_PYTHON = ("debian", "ubuntu")

DIRECTORY = 0o040000  # <sys/stat.h>, see inode(7)
EXECUTE_BITS = 0o111
HEAD_SIZE = 1 << 12  # of a program: enough for its first line, or for what an ELF file begins with
LONGEST_CHAIN = 5  # scripts that interpret scripts: execve(2)

# <elf.h>, see elf(5): where the program headers are, and in each of them, for 64 and 32 bits
ELF_MAGIC = b"\x7fELF"
PT_INTERP = 3


# ---- what a file says --------------------------------------------------------------------------


def ctypes_is_missing(context: FailureContext) -> Hint | None:
    """Python has no ctypes: it is Debian's smallest one, or was built without libffi."""
    from importlib.machinery import PathFinder

    if PathFinder.find_spec("_ctypes"):
        return None
    is_debians = any(each in WITH_SMALLER_PYTHON for each in context.system.distributions)
    if is_debians and sys.prefix == DISTRIBUTIONS_PREFIX:
        installing = context.as_root(Command(*INSTALLING_CTYPES))
        return Hint("ctypes, a part of Python, is not installed here", type=(installing,))
    return Hint("this Python has no ctypes: libffi was missing where it was built")


def head_of(path: str) -> bytes:
    """Return what a regular file begins with, nothing where it cannot be read."""
    return read_file(path, HEAD_SIZE) or b""


def script_interpreter(head: bytes) -> bytes:
    """Return the interpreter in the first line of a script, as the kernel reads it: execve(2)."""
    line = head[2:].partition(b"\n")[0].partition(b"\0")[0].replace(b"\t", b" ")
    return line.strip(b" ").partition(b" ")[0]


def elf_interpreter(head: bytes) -> bytes:
    """Return the PT_INTERP of an ELF file, nothing where it has none: elf(5)."""
    is_64_bit = head[4:5] == b"\x02"
    order = "little" if head[5:6] == b"\x01" else "big"

    def number(offset: int, size: int) -> int:
        return int.from_bytes(head[offset : offset + size], order)  # type: ignore[arg-type]

    table = number(0x20, 8) if is_64_bit else number(0x1C, 4)
    size, count = (
        (number(0x36, 2), number(0x38, 2)) if is_64_bit else (number(0x2A, 2), number(0x2C, 2))
    )
    for header in range(table, min(table + size * count, len(head)), size or 1):
        if number(header, 4) == PT_INTERP:
            start = number(header + 8, 8) if is_64_bit else number(header + 4, 4)
            length = number(header + 32, 8) if is_64_bit else number(header + 16, 4)
            return head[start : start + length].rstrip(b"\0")
    return b""


def _interpreter(path: str) -> tuple[str, str]:
    """Return what runs a program, and its path; nothing where that cannot be told."""
    head = head_of(path)
    if head.startswith(b"#!"):
        return "the interpreter in its first line", fsdecode(script_interpreter(head))
    if head.startswith(ELF_MAGIC):
        return "the loader that it names", fsdecode(elf_interpreter(head))
    return "the shell for files without a first line #!", SHELL if head else ""


# ---- before the start --------------------------------------------------------------------------


def shell_without_fork(context: FailureContext) -> Hint | None:
    """A launch that works, of a program that soon cannot fork any more."""
    if not context.asks(CLONE_NEWPID) or context.request.fork or not soon_cannot_fork(context):
        return None
    return Hint(
        "without --fork, the shell is outside of the new PID namespace, and when its first "
        "command has ended it can start no other",
        type=(context.offer(context.line("--fork")),),
    )


def soon_cannot_fork(context: FailureContext) -> bool:
    """Return whether the program, without --fork in a new PID namespace, is a shell.

    Or it becomes one, or is a script of one.
    """
    if not context.asks(CLONE_NEWPID) or context.request.fork:
        return False
    argv = context.program
    for _ in argv:
        name = argv[0].rpartition("/")[2]
        if name not in WRAPPERS:
            break
        argv = _wrapped(argv[1:], *WRAPPERS[name])
        if not argv:
            return False
    if not argv or argv[0].rpartition("/")[2] in SHELLS:
        return True
    if context.request.root is not None:
        return False
    head = head_of(argv[0] if "/" in argv[0] else _in_path(argv[0]))
    interpreter = fsdecode(script_interpreter(head)) if head.startswith(b"#!") else ""
    return interpreter.rpartition("/")[2] in SHELLS


def _wrapped(argv: list[str], positional: int, with_value: tuple[str, ...]) -> list[str]:
    """Return the command line that a wrapper's arguments end with."""
    while argv:
        word, *argv = argv
        if word == "--":
            continue
        if word.startswith("-"):
            argv = argv[1:] if word in with_value else argv
        elif "=" in word and not positional:
            continue  # a variable of env(1)
        elif positional:
            positional -= 1
        else:
            return [word, *argv]
    return []


# ---- it cannot be executed ---------------------------------------------------------------------


def value_taken_for_program(context: FailureContext) -> Hint | None:
    """The value of the option before stands behind a space, and not behind the equals sign."""
    last = context.options[-1:]
    if not context.program or not last or not last[0].startswith("--"):
        return None
    value, *program = context.program
    found = options_of(last)
    if not found or found[0][1] is not None:
        return None
    metavar = BY_NAME[found[0][0]].metavar or ""
    # What could be a program is one, so only what is clearly the option's value is taken for it.
    if metavar == "=signal":
        is_value = value.isdigit() or value.upper().startswith("SIG") or value.isupper()
    else:
        is_value = metavar[:1] == "=" and "/" in value and not head_of(value)
    if not is_value:
        return None
    line = [*context.options[:-1], f"{last[0]}={_signal_name(value, metavar)}", *program]
    command = None if _is_on_shared_mount(context, found[0][0], value) else context.offer(line)
    directory = value.rpartition("/")[0]
    if command and metavar == "=file" and not is_there(value) and is_there(directory or "/"):
        touching = context.changing(absolute(value), Command("touch", path_argument(value)))
        command = touching.then(command)
    return Hint(
        "{} was taken for the program: {} has its " + metavar[1:] + " after an equals sign",
        value,
        last[0],
        type=(command,),
    )


def _is_on_shared_mount(context: FailureContext, option: str, path: str) -> bool:
    """Return whether a mount namespace is to be bound where that does not work."""
    mount = context.system.mount_of(absolute(path)) if option == "mount" else None
    return mount is not None and mount.is_shared


def _signal_name(value: str, metavar: str) -> str:
    """Return a signal as --kill-child takes it: by its name, and not its number."""
    if metavar == "=signal" and value.isdigit():
        for name, number in signal_numbers().items():
            if str(number) == value:
                return name
    return value


def signal_by_number(context: FailureContext) -> Hint | None:
    """A signal is given by its number."""
    if refused_option(context.argv) != "kill-child":
        return None
    for name, value in options_of(context.argv):
        if name == "kill-child" and value is not None and value.isdigit():
            by_name = _signal_name(value, "=signal")
            if by_name == value:
                return None
            line = context.line(f"--kill-child={by_name}", without=("kill-child",))
            return Hint(
                f"--kill-child takes the name of a signal, and not its number: {by_name}",
                type=(context.offer(line),),
            )
    return None


def short_option_with_value(context: FailureContext) -> Hint | None:
    """A value is attached to a short option, which takes none."""
    position, word = _faulty_word(context.argv)
    letters = word[1:].rstrip().partition("=")[0].partition("/")[0]
    value = word[1 + len(letters) :]
    by_short = {option.short: option for option in OPTIONS if option.short}
    option = by_short.get(letters[-1:])
    if word.startswith("--") or not value or not option or (option.metavar or "")[:1] != "=":
        return None
    if not all(letter in by_short for letter in letters):
        return None
    others = [f"-{letters[:-1]}"] if letters[:-1] else []
    long = f"--{option.name}={value[1:] if value.startswith('=') else value}"
    line = [*context.argv[:position], *others, long, *context.argv[position + 1 :]]
    return Hint(
        f"-{option.short} takes no value, and --{option.name} does",
        type=(context.offer(line),),
    )


def _faulty_word(argv: list[str]) -> tuple[int, str]:
    """Return where the grammar of a command line is broken, and the word that is there."""
    rest = [*argv]
    try:
        for _ in take_options(rest):
            pass
    except Failure:
        position = len(argv) - len(rest) - 1
        return position, argv[position]
    return 0, ""


def program_is_missing(context: FailureContext) -> Hint | None:
    """The file that was to be executed, or one that it needs, is not there."""
    name = context.path
    root = context.request.root
    if "/" not in name:
        return _not_in_path(context, name)
    if is_there(name):
        return _interpreter_is_missing(context, name)
    if root is None:
        return None  # the message says it all
    if not context.program and is_there(SHELL):
        return Hint(
            "there is no {} inside {}, and that is your shell",
            name,
            root,
            type=(context.offer(context.line(program=[SHELL])),),
        )
    return Hint("there is no {} inside {}", name, root)


def _not_in_path(context: FailureContext, name: str) -> Hint | None:
    found = _in_path(name)
    if found:
        return _interpreter_is_missing(context, found)
    if context.request.root is None or not name:
        return None
    return Hint(
        "no directory of PATH has {} inside {}: {}",
        name,
        context.request.root,
        ":".join(search_path()),
    )


def _in_path(name: str) -> str:
    for directory in search_path():
        if is_there(f"{directory or '.'}/{name}"):
            return f"{directory or '.'}/{name}"
    return ""


def _interpreter_is_missing(context: FailureContext, path: str) -> Hint | None:
    """A file that is there cannot be found: what is to run it is missing."""
    root = context.request.root
    for _ in range(LONGEST_CHAIN):
        kind, needed = _interpreter(path)
        if not needed:
            return None
        if not is_there(needed):
            if needed.endswith("\r") and is_there(needed[:-1]):
                file = path_argument(context.seen_from_outside(path))
                return Hint(
                    "the first line of {} ends as in Windows, so that its interpreter is {}",
                    path,
                    needed,
                    type=(_changed(context, path, Command(tool("sed"), "-i", r"s/\r$//", file)),),
                )
            if root is None:
                return Hint(f"{{}} is there, but {kind}, {{}}, is not", path, needed)
            return Hint(f"{{}} is there, but {kind}, {{}}, is not inside {{}}", path, needed, root)
        path = needed
    return None


def _changed(context: FailureContext, path: str, command: Command) -> Command:
    """Return a command that changes a file, for root where it is not the caller's."""
    try:
        is_own = posix.stat(path).st_uid == posix.geteuid()
    except OSError:
        is_own = False
    return command if is_own and context.request.users.caller else context.as_root(command)


def program_is_not_executable(context: FailureContext) -> Hint | None:
    """EACCES from execve(2): no right to execute the file, or not on that file system."""
    name = context.path
    path = name if "/" in name else _in_path(name)
    if not path:
        return None
    try:
        mode = posix.stat(path).st_mode
        mount_flags = posix.statvfs(path).f_flag
    except (OSError, ValueError):
        return None
    if mode & FILE_TYPE == DIRECTORY:
        return Hint("{} is a directory, not a program", path)
    if mode & FILE_TYPE != REGULAR_FILE:
        return None
    if not mode & EXECUTE_BITS:
        is_program = head_of(path).startswith((b"#!", ELF_MAGIC))
        outside = path_argument(context.seen_from_outside(path))
        return Hint(
            "{} has no permission to be executed",
            path,
            type=(_changed(context, path, Command("chmod", "+x", outside)),) if is_program else (),
        )
    if mount_flags & posix.ST_NOEXEC:
        return _on_noexec(context, path)
    kind, needed = _interpreter(path)
    if needed and is_there(needed) and not posix.access(needed, posix.X_OK):
        return Hint(f"{{}} is executable, but {kind}, {{}}, is not", path, needed)
    return None


def file_system_refuses_root(context: FailureContext) -> Hint | None:
    """On some file systems root has fewer rights than the user whose files are there."""
    if context.request.users.caller != 0 or context.request.root is not None:
        return None
    mount = context.system.mount_of(absolute(context.path)) if "/" in context.path else None
    if mount is None:
        return None
    is_fuse = mount.kind.partition(".")[0] in ("fuse", "fuseblk")
    if is_fuse and "allow_other" not in mount.options_of_file_system:
        return Hint(
            "{} is on {}, a {} that is for the user only who has mounted it, and not for root",
            context.path,
            mount.target,
            mount.kind,
        )
    if mount.kind in ("nfs", "nfs4", "lustre"):
        return Hint(
            "{} is on {}, of type {}, whose server may give root no rights (root_squash)",
            context.path,
            mount.target,
            mount.kind,
        )
    return None


def _on_noexec(context: FailureContext, path: str) -> Hint:
    system = context.system
    mount = system.mount_of(absolute(path)) if context.request.root is None else None
    if mount is None or "noexec" not in mount.options:
        return Hint("{} is on a file system that is mounted noexec", path)
    # A script can be read by its interpreter, which is somewhere else.
    head = head_of(path)
    interpreted = None
    if head.startswith(b"#!") and context.program[:1] == [path]:
        line = head[2:].partition(b"\n")[0].replace(b"\t", b" ").strip(b" ").split(b" ", 1)
        words = [fsdecode(word.strip(b" ")) for word in line]
        program = [*words, *context.program]
        interpreted = context.offer(context.line(program=program))
    note = "remount,exec lets everything there be executed"
    remount = Command(tool("mount"), "-o", "remount,exec", mount.target, note=note)
    return Hint(
        "{} is on {}, which is mounted noexec",
        path,
        mount.target,
        type=(interpreted, context.as_root(remount)),
    )
