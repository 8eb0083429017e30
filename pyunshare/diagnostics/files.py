"""Why something cannot be mounted, bound or executed: mount_namespaces(7), execve(2)."""

from __future__ import annotations

import posix

from ..files import FILE_TYPE, REGULAR_FILE
from ..options.option import BY_NAME
from ..syscalls import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, fsdecode
from .advice import Advice, Case, quoted, search_path, split
from .namespaces import is_older
from .probes import CAP_SYS_ADMIN, has_capability, is_there
from .system import Mount

SHELL = "/bin/sh"
DIRECTORY = 0o040000  # <sys/stat.h>, see inode(7)
EXECUTE_BITS = 0o111
HEAD_SIZE = 1 << 12  # of a program: enough for its first line, or for what an ELF file begins with
LONGEST_CHAIN = 5  # scripts that interpret scripts: execve(2)

# <elf.h>, see elf(5): where the program headers are, and in each of them, for 64 and 32 bits
ELF_MAGIC = b"\x7fELF"
PT_INTERP = 3


# Mounts


def proc_without_pid_namespace(case: Case) -> Advice | None:
    """A proc shows a PID namespace, and takes power over that one."""
    if case.message != f"mount {case.request.proc} failed" or not case.asks(CLONE_NEWUSER):
        return None
    missing = [] if case.asks(CLONE_NEWPID) else ["--pid"]
    missing += [] if case.request.fork else ["--fork"]
    if not missing:
        return None
    what = "a PID namespace of its own" if "--pid" in missing else "a process in it"
    return Advice(
        f"a new user namespace can mount the proc of {what} only: add {' '.join(missing)}",
        case.command(*missing),
    )


def proc_is_covered(case: Case) -> Advice | None:
    """The proc here is partly hidden, and a user namespace may not see what is."""
    if case.message != f"mount {case.request.proc} failed" or not case.asks(CLONE_NEWUSER):
        return None
    covers = case.machine.covered_proc()
    if covers is None:
        return Advice("a user namespace may mount a proc only where there is one: here is none")
    if not covers:
        return None
    named = ", ".join(covers[:3]) + (" and more" if len(covers) > 3 else "")
    seen_by_all = {mount.target for mount in case.machine.mounts("1")}
    engine = case.machine.container_engine if seen_by_all.issuperset(covers) else ""
    option = {"docker": "systempaths=unconfined", "podman": "unmask=ALL"}.get(engine)
    are = "are covered by other mounts" if len(covers) > 1 else "is covered by another mount"
    return Advice(
        f"{named} {are} here, and then a user namespace may mount no proc",
        f"{engine} run --security-opt {option} ..."
        if option
        else case.as_root(f"umount {' '.join(map(quoted, covers))}"),
    )


def binfmt_misc_is_the_hosts(case: Case) -> Advice | None:
    """Before Linux 6.7, only the initial user namespace has binary formats."""
    release = case.machine.kernel
    if case.message == f"mount {case.request.binfmt_misc} failed" and is_older(release, "6.7"):
        return Advice(
            f"a user namespace has a binfmt_misc of its own since Linux 6.7, and this is {release}"
        )
    return None


def mount_point_is_missing(case: Case) -> Advice | None:
    """There is no directory to mount on."""
    target = case.message[len("mount ") : -len(" failed")]
    if target not in (case.request.proc, case.request.binfmt_misc) or is_there(target):
        return None
    root = case.request.root
    if root is None:
        return Advice(f"there is no directory {target}", f"mkdir -p {quoted(target)}")
    outside = f"{root.rstrip('/')}/{target.lstrip('/')}"
    return Advice(f"there is no {target} inside {root}", f"mkdir -p {quoted(outside)}")


def root_is_no_mount_point(case: Case) -> Advice | None:
    """In a chroot, / is a directory like any other, of which no propagation can be changed."""
    if case.machine.is_chrooted:
        return Advice(
            "this is inside a chroot, whose / is no mount with a propagation to change",
            case.command("--propagation=unchanged", without=("propagation",)),
        )
    return None


# Persistent namespaces


def file_is_missing(case: Case) -> Advice | None:
    """What a namespace is to be bound on is not there."""
    request = case.request
    if request.files.get(CLONE_NEWPID) is not None and not request.fork:
        return _pid_file_without_fork(case)
    for path in request.files.values():
        if case.message.endswith(f" on {path} failed") and not is_there(path):
            directory = path.rpartition("/")[0]
            making = f"touch {quoted(path)}"
            if directory and not is_there(directory):
                making = f"mkdir -p {quoted(directory)} && {making}"
            return Advice(f"{path}, to bind the namespace on, does not exist", making)
    return None


def _pid_file_without_fork(case: Case) -> Advice | None:
    """The namespace for children is there only once there is a child."""
    if "/ns/pid_for_children on " not in case.message:
        return None
    return Advice(
        "a PID namespace can be bound when it has its first process: add --fork",
        case.command("--fork"),
    )


def file_is_on_shared_mount(case: Case) -> Advice | None:
    """A mount namespace cannot be bound where the binding would spread into itself."""
    path = case.request.files.get(CLONE_NEWNS)
    if path is None or not case.message.endswith(f"/ns/mnt on {path} failed"):
        return None
    mount = _mount_of(case, path)
    if mount is None or not mount.is_shared:
        return None
    directory, _, name = _absolute(path).rpartition("/")
    private = quoted(f"{directory}/namespaces")
    file = f"{directory}/namespaces/{name}"
    again = case.command(f"--mount={file}", without=("mount",))
    making = [
        f"mkdir -p {private}",
        f"mount --bind {private} {private}",
        f"mount --make-private {private}",
        f"touch {quoted(file)}",
        again,
    ]
    return Advice(
        f"{mount.target} is a shared mount, and a mount namespace can be bound on a private one "
        "only",
        " && ".join(making) if again and case.request.users.caller == 0 else "",
    )


def binding_needs_power(case: Case) -> Advice | None:
    """Binding happens in the old mount namespace."""
    if "/ns/" not in case.message or has_capability(CAP_SYS_ADMIN):
        return None
    return Advice(
        "only root can bind a namespace on a file outside of it", case.as_root(case.command())
    )


def _mount_of(case: Case, path: str) -> Mount | None:
    try:
        real = posix.readlink(path)
    except OSError:
        real = path
    return case.machine.mount_of(_absolute(real))


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"{posix.getcwd()}/{path}"


def proc_is_missing(case: Case) -> Advice | None:
    """Without a proc, no map can be written."""
    if is_there("/proc/self/ns"):
        return None
    return Advice("no proc is mounted on /proc", case.as_root("mount -t proc proc /proc"))


# The program


def program_is_missing(case: Case) -> Advice | None:
    """The file that was to be executed, or one that it needs, is not there."""
    name = case.message[len("failed to execute ") :]
    if "/" not in name:
        return _not_in_path(case, name)
    if is_there(name):
        return _interpreter_is_missing(case, name)
    if case.request.root is None:
        return None  # the message says it all
    inside = f"there is no {name} inside {case.request.root}"
    if not case.program and is_there(SHELL):
        return Advice(f"{inside}, and that is your shell", case.command(program=SHELL))
    return Advice(inside)


def _not_in_path(case: Case, name: str) -> Advice | None:
    found = _in_path(name)
    if found:
        return _interpreter_is_missing(case, found)
    if case.request.root is None or not name:
        return None
    return Advice(
        f"no directory of PATH has {name} inside {case.request.root}: {':'.join(search_path())}"
    )


def _in_path(name: str) -> str:
    for directory in search_path():
        if is_there(f"{directory or '.'}/{name}"):
            return f"{directory or '.'}/{name}"
    return ""


def _interpreter_is_missing(case: Case, path: str) -> Advice | None:
    """A file that is there cannot be found: what is to run it is missing."""
    inside = f" inside {case.request.root}" if case.request.root is not None else ""
    for _ in range(LONGEST_CHAIN):
        kind, needed = _interpreter(path)
        if not needed:
            return None
        if not is_there(needed):
            return Advice(f"{path} is there, but {kind}, {needed}, is not{inside}")
        path = needed
    return None


def _interpreter(path: str) -> tuple[str, str]:
    """Return what runs a program, and its path; nothing where that cannot be told."""
    head = _head(path)
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n")[0].split()
        return "the interpreter in its first line", fsdecode(words[0]) if words else ""
    if head.startswith(ELF_MAGIC):
        return "the loader that it names", fsdecode(elf_interpreter(head))
    return "the shell for files without a first line #!", SHELL if head else ""


def _head(path: str) -> bytes:
    """Return what a regular file begins with, nothing where it cannot be read."""
    try:
        descriptor = posix.open(
            path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY | posix.O_NONBLOCK
        )
    except (OSError, ValueError):
        return b""
    try:
        is_regular = posix.fstat(descriptor).st_mode & FILE_TYPE == REGULAR_FILE
        return posix.read(descriptor, HEAD_SIZE) if is_regular else b""
    except OSError:
        return b""
    finally:
        posix.close(descriptor)


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


def value_taken_for_program(case: Case) -> Advice | None:
    """A file to bind a namespace on stands behind a space, and not behind the equals sign."""
    options = case.words[: len(case.words) - len(case.program)]
    if not case.program or not options or not options[-1].startswith("--"):
        return None
    file, *program = case.program
    found, _, _ = split(options[-1:])
    takes_file = found and BY_NAME[found[0][0]].metavar == "=file" and found[0][1] is None
    if not takes_file or "/" not in file or _head(file):
        return None
    option = options[-1]
    words = [*options[:-1], f"{option}={file}", *program]
    return Advice(
        f"{file} was taken for the program: {option} has its file behind an equals sign",
        case.line(words),
    )


def program_is_not_executable(case: Case) -> Advice | None:
    """EACCES from execve(2): no right to execute the file, or not on that file system."""
    name = case.message[len("failed to execute ") :]
    path = name if "/" in name else _in_path(name)
    if not path:
        return None
    try:
        mode = posix.stat(path).st_mode
        mount_flags = posix.statvfs(path).f_flag
    except (OSError, ValueError):
        return None
    if mode & FILE_TYPE == DIRECTORY:
        return Advice(f"{path} is a directory, not a program")
    if mode & FILE_TYPE != REGULAR_FILE:
        return None
    outside = (
        path if case.request.root is None else f"{case.request.root.rstrip('/')}/{path.lstrip('/')}"
    )
    if not mode & EXECUTE_BITS:
        is_program = _head(path).startswith((b"#!", ELF_MAGIC))
        return Advice(
            f"{path} has no permission to be executed",
            f"chmod +x {quoted(outside)}" if is_program else "",
        )
    if mount_flags & posix.ST_NOEXEC:
        return _on_noexec(case, path)
    kind, needed = _interpreter(path)
    if needed and is_there(needed) and not posix.access(needed, posix.X_OK):
        return Advice(f"{path} is executable, but {kind}, {needed}, is not")
    return None


def _on_noexec(case: Case, path: str) -> Advice:
    mount = case.machine.mount_of(_absolute(path)) if case.request.root is None else None
    if mount is None or "noexec" not in mount.options:
        return Advice(f"{path} is on a file system that is mounted noexec")
    return Advice(
        f"{path} is on {mount.target}, which is mounted noexec",
        case.as_root(f"mount -o remount,exec {quoted(mount.target)}"),
    )
