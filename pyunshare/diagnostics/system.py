"""What this machine allows and forbids: the facts behind hints and the check-up.

:class:`System` reads each fact from the file that holds it, below a root directory that tests
make up. Others write some of these files, or choose names that stand in them: they are read as
bytes, up to a limit, and a line of another form than it should have tells nothing. What no file
tells is tried by :mod:`pyunshare.diagnostics.probes`.
"""

from __future__ import annotations

import posix

from ..files import FILE_TYPE, REGULAR_FILE
from ..syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    fsdecode,
    fsencode,
    load_c_library,
    unshare,
)
from . import probes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

LARGEST_FILE = 1 << 22  # bytes; a larger one tells nothing
LARGEST_NUMBER = 20  # digits, which is what 64 bits can have

INITIAL_USER_NAMESPACE = "user:[4026531837]"  # <linux/nsfs.h>, the same on every machine
UNLIMITED = 2147483647  # what a new user namespace has in /proc/sys/user
PID_DEPTH = 33  # pid_namespaces(7): the initial one, and 32 more inside of each other
HIGHEST_ID_COUNT = 2**32 - 1  # ids in a user namespace; the last number, 4294967295, is none

# What a hint after a change of the root or the user may need: see System.remember()
NEEDED_LATER = (
    "/proc/self/mountinfo",
    "/proc/self/status",
    "/proc/1/mountinfo",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "/proc/sys/kernel/osrelease",
    "/proc/self/attr/current",
    "/proc/filesystems",
    "/etc/subgid",
    "/proc/self/cgroup",
    "/run/secrets/kubernetes.io",
    "/run/.containerenv",
    "/.dockerenv",
)

# Where distributions have programs that an ordinary user's PATH may leave out
USUAL_DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")

# Directories in /proc that are always empty, and there to be mounted on: they hide nothing
MOUNT_POINTS_OF_PROC = ("sys/fs/binfmt_misc", "fs/nfsd")


class Namespace:
    """One of the eight kinds of namespaces.

    ``option`` is the long option, ``kind`` the word for it in /proc/self/ns and in the names of
    the limits in /proc/sys/user, ``since`` the first Linux whose unshare(2) knows it, and
    ``setting`` what the kernel has to be configured with.
    """

    __slots__ = ("flag", "kind", "option", "setting", "since")

    def __init__(self, flag: int, option: str, kind: str, since: str, setting: str) -> None:
        self.flag = flag
        self.option = option
        self.kind = kind
        self.since = since
        self.setting = setting

    @property
    def limit_name(self) -> str:
        """The sysctl that limits how many there may be, see namespaces(7)."""
        return f"user.max_{self.kind}_namespaces"


NAMESPACES = (
    Namespace(CLONE_NEWNS, "mount", "mnt", "2.6.16", ""),
    Namespace(CLONE_NEWUTS, "uts", "uts", "2.6.19", "CONFIG_UTS_NS"),
    Namespace(CLONE_NEWIPC, "ipc", "ipc", "2.6.19", "CONFIG_IPC_NS"),
    Namespace(CLONE_NEWNET, "net", "net", "2.6.24", "CONFIG_NET_NS"),
    Namespace(CLONE_NEWPID, "pid", "pid", "3.8", "CONFIG_PID_NS"),
    Namespace(CLONE_NEWUSER, "user", "user", "3.8", "CONFIG_USER_NS"),
    Namespace(CLONE_NEWCGROUP, "cgroup", "cgroup", "4.6", "CONFIG_CGROUPS"),
    Namespace(CLONE_NEWTIME, "time", "time", "5.6", "CONFIG_TIME_NS"),
)


# ---- the forms of files ------------------------------------------------------------------------


def number(text: bytes) -> int | None:
    """Return the number that decimal digits say, and nothing for all else."""
    return int(text) if text.isdigit() and len(text) <= LARGEST_NUMBER else None


class Mount:
    """A mount, as a line of /proc/PID/mountinfo tells of it: proc_pid_mountinfo(5).

    ``target`` and ``root`` are paths; ``parent`` is the id of the mount that it is on.
    """

    def __init__(self, line: bytes) -> None:
        """Read a line. Raises ValueError for one of another form."""
        fields = line.split(b" ")
        separator = fields.index(b"-", 6)
        ids = [number(field) for field in fields[:2]]
        if None in ids or len(fields) < separator + 3:
            raise ValueError(line)
        self.id, self.parent = ids
        self.root = fsdecode(_unescaped(fields[3]))
        self.target = fsdecode(_unescaped(fields[4]))
        self.options = fsdecode(fields[5]).split(",")
        self.is_shared = any(field.startswith(b"shared:") for field in fields[6:separator])
        self.kind = fsdecode(fields[separator + 1])
        self.options_of_file_system = fsdecode(fields[-1]).split(",")


def _unescaped(field: bytes) -> bytes:
    """Return a field of mountinfo with what is octal in it, after a backslash, as it is."""
    first, *others = field.split(b"\\")
    for part in others:
        is_escape = len(part) >= 3 and set(part[:3]) <= set(b"01234567") and part[:1] <= b"3"
        first += bytes([int(part[:3], 8)]) + part[3:] if is_escape else b"\\" + part
    return first


def parse_mounts(text: bytes) -> list[Mount]:
    """Return the mounts that a mountinfo lists, in its order."""
    found = []
    for line in text.split(b"\n"):
        try:
            found.append(Mount(line))
        except ValueError:
            pass
    return found


class Block:
    """A line of /etc/subuid or /etc/subgid: ``count`` ids from ``start`` on, of one ``owner``."""

    def __init__(self, owner: str, start: int, count: int) -> None:
        self.owner = owner
        self.start = start
        self.count = count

    @property
    def end(self) -> int:
        """The first id behind it."""
        return self.start + self.count


def parse_subordinate_ids(text: bytes) -> list[Block]:
    """Return the lines of a subuid(5) that make sense."""
    found = []
    for line in text.split(b"\n"):
        owner, *others = line.split(b":")
        numbers = [number(field) for field in others]
        if owner and len(numbers) == 2 and None not in numbers:
            start, count = numbers
            assert start is not None and count is not None  # for the type checker
            if count and start + count <= HIGHEST_ID_COUNT:
                found.append(Block(fsdecode(owner), start, count))
    return found


class MapLine:
    """A line of /proc/PID/uid_map or gid_map: user_namespaces(7)."""

    def __init__(self, inner: int, outer: int, count: int) -> None:
        self.inner = inner
        self.outer = outer
        self.count = count

    def has(self, start: int, count: int = 1) -> bool:
        """Return whether ids of the namespace are all of this line."""
        return self.inner <= start and start + count <= self.inner + self.count


def parse_id_map(text: bytes) -> list[MapLine]:
    """Return the lines of a uid_map or gid_map."""
    found = []
    for line in text.split(b"\n"):
        numbers = [number(field) for field in line.split()]
        if len(numbers) == 3 and None not in numbers:
            found.append(MapLine(*numbers))  # type: ignore[arg-type]
    return found


def parse_variables(text: bytes) -> dict[str, str]:
    """Return the variables that an os-release(5) sets."""
    found = {}
    for line in text.split(b"\n"):
        name, equals, value = line.partition(b"=")
        if equals:
            found[fsdecode(name)] = fsdecode(value.strip().strip(b"\"'"))
    return found


def parse_status(text: bytes, name: str) -> str:
    """Return a line of a process's status: proc_pid_status(5)."""
    start = name.encode() + b":"
    for line in text.split(b"\n"):
        if line.startswith(start):
            return fsdecode(line[len(start) :].strip())
    return ""


def release_numbers(text: str) -> list[int]:
    """Return the numbers that a kernel's release begins with: 4.18.0-553.el8 is [4, 18, 0]."""
    found = []
    for part in text.split("-")[0].split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        value = number(digits.encode())
        if value is None:
            break
        found.append(value)
    return found


def read_file(path: str, size: int = LARGEST_FILE) -> bytes | None:
    """Return what a regular file begins with; nothing where it cannot be read.

    It may be a trap that somebody else has put there: a pipe, a device, a terminal.
    """
    flags = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY | posix.O_NONBLOCK
    try:
        fd = posix.open(path, flags)
    except (OSError, ValueError):
        return None
    try:
        if posix.fstat(fd).st_mode & FILE_TYPE != REGULAR_FILE:
            return None
        blocks: list[bytes] = []
        while size > 0 and (not blocks or blocks[-1]):
            blocks.append(posix.read(fd, min(size, 1 << 16)))
            size -= len(blocks[-1])
        return b"".join(blocks)
    except OSError:
        return None
    finally:
        posix.close(fd)


# ---- the facts ---------------------------------------------------------------------------------


class System:
    """The facts about this machine. A file that cannot be read tells nothing, and is no error.

    ``become``, if given, makes a child process that of the user whom the facts are for: what is
    tried is tried as that user.
    """

    def __init__(self, root: str = "", become: Callable[[], None] | None = None) -> None:
        self._root = root
        self._become = become
        self._contents: dict[str, bytes] = {}
        self._existing: dict[str, bool] = {}
        self._names: dict[int, str] = {}
        self._is_out_of_reach = False

    def read(self, path: str) -> bytes:
        """Return what a file says, each file being read once; nothing if it is very large."""
        if path not in self._contents and not self._is_out_of_reach:
            content = read_file(self._root + path, LARGEST_FILE + 1) or b""
            self._contents[path] = content if len(content) <= LARGEST_FILE else b""
        return self._contents.get(path, b"")

    def is_beyond_reading(self, path: str) -> bool:
        """Return whether there is a file of which nothing is known: a large one, or not ours."""
        if self.read(path) or not self.exists(path):
            return False
        try:
            return posix.stat(self._root + path).st_size > 0
        except OSError:
            return True

    def exists(self, path: str) -> bool:
        """Return whether there is such a file, of whatever type."""
        if path not in self._existing and not self._is_out_of_reach:
            self._existing[path] = probes.is_there(self._root + path)
        return self._existing.get(path, False)

    def link(self, path: str) -> str:
        """Return what a symbolic link reads, or nothing."""
        try:
            return "" if self._is_out_of_reach else posix.readlink(self._root + path)
        except OSError:
            return ""

    def remember(self, uid: int) -> None:
        """Read now what may be needed when the root, or the user, is another one."""
        try:
            load_c_library()
        except ImportError:
            pass  # then no hint will be found that needs it
        self.name_of_user(uid)
        for path in (*NEEDED_LATER, f"/proc/{posix.getppid()}/uid_map"):
            self.read(path)
            self.exists(path)

    def close(self) -> None:
        """From now on read no other file, for it would be the new root's."""
        self._is_out_of_reach = True

    # What is tried

    def outcome(self, action: Callable[[], object]) -> int | None:
        """Return the errno of an action in a child process, 0 if it works; see probes.outcome."""
        return probes.outcome(action, self._become)

    def outcome_of_unshare(self, flags: int) -> int | None:
        """Return the errno of unshare(2), tried in a child process."""
        return self.outcome(lambda: unshare(flags))

    def has_capability(self, capability: int) -> bool:
        """Return whether the kernel's checks find a capability here: capabilities(7)."""
        return probes.has_capability(capability)

    # The kernel, and its switches

    @property
    def kernel(self) -> str:
        """The release of the kernel, such as 6.1.0-18-amd64."""
        release = fsdecode(self.read("/proc/sys/kernel/osrelease").strip())
        return release or posix.uname().release

    def sysctl(self, name: str) -> int | None:
        """Return a setting of sysctl(8), or None where this kernel has none of that name."""
        words = self.read(_sysctl_path(name)).split()
        return number(words[0]) if words else None

    def is_fixed(self, name: str) -> bool:
        """Return whether not even root can change a setting of sysctl(8) here, as in containers."""
        path = _sysctl_path(name)
        # A process that has just made a user namespace has its parent outside of it.
        maps = [self.id_map("uid", process) for process in ("self", str(posix.getppid()))]
        is_in_container = all(maps) and not any(
            line.has(0, HIGHEST_ID_COUNT) for id_map in maps for line in id_map
        )
        if name.startswith("kernel.") and is_in_container:
            return True
        try:
            return bool(posix.statvfs(self._root + path).f_flag & posix.ST_RDONLY)
        except OSError:
            return True

    def has_namespace(self, namespace: Namespace) -> bool | None:
        """Return whether the kernel knows a kind of namespace; None where there is no proc."""
        if not self.exists("/proc/self/ns"):
            return None
        return self.exists(f"/proc/self/ns/{namespace.kind}")

    def default_limit(self) -> int:
        """Return the limit of namespaces that the kernel chose at its start."""
        return (self.sysctl("kernel.threads-max") or 30000) // 2

    def has_file_system(self, name: str) -> bool:
        """Return whether the kernel has this type of file system, loaded or built in."""
        return name.encode() in self.read("/proc/filesystems").split()

    @property
    def security_label(self) -> str:
        """What SELinux or AppArmor confines this process by, or nothing."""
        for module in ("apparmor/", ""):
            label = self.read(f"/proc/self/attr/{module}current").strip(b" \0\n")
            if label and label != b"unconfined":
                return fsdecode(label)
        return ""

    # This process

    def status(self, name: str, process: str = "self") -> str:
        """Return a line of a process's status, see proc_pid_status(5)."""
        return parse_status(self.read(f"/proc/{process}/status"), name)

    @property
    def has_no_new_privs(self) -> bool:
        """Whether no program can have more power than this process: PR_SET_NO_NEW_PRIVS(2const)."""
        return self.status("NoNewPrivs") == "1"

    @property
    def has_seccomp_filter(self) -> bool:
        """Whether a filter decides which system calls this process may make: seccomp(2)."""
        return self.status("Seccomp") == "2"

    @property
    def first_process_has_filter(self) -> bool:
        """Whether all of this container, or machine, is under a seccomp filter."""
        return self.status("Seccomp", "1") == "2"

    def can_ever_have(self, capability: int, process: str = "self") -> bool:
        """Return whether a capability is in a process's bounding set; True where nothing tells."""
        try:
            return bool(int(self.status("CapBnd", process)[:16], 16) >> capability & 1)
        except ValueError:
            return True

    @property
    def is_in_initial_user_namespace(self) -> bool:
        """Whether no other user namespace is around this one."""
        return self.link("/proc/self/ns/user") == INITIAL_USER_NAMESPACE

    @property
    def pid_depth(self) -> int:
        """How many PID namespaces this process is in, from that of the mounted proc on."""
        return len(self.status("NSpid").split())

    @property
    def limit_of_processes(self) -> tuple[str, int] | None:
        """What limits the processes here, and how many there may be; None where nothing tells."""
        for line in self.read("/proc/self/cgroup").split(b"\n"):
            hierarchy, _, path = line.rpartition(b":")
            if hierarchy == b"0:":  # the unified one: cgroups(7)
                directory = f"/sys/fs/cgroup{fsdecode(path)}"
                most = number(self.read(f"{directory}/pids.max").strip())
                current = number(self.read(f"{directory}/pids.current").strip())
                if most is not None and current is not None and current >= most:
                    return f"pids.max of the cgroup {fsdecode(path)}", most
        for line in self.read("/proc/self/limits").split(b"\n"):
            if line.startswith(b"Max processes") and len(line.split()) > 2:
                most = number(line.split()[2])
                return None if most is None else ("`ulimit -u`", most)
        return None

    def id_map(self, kind: str, process: str = "self") -> list[MapLine]:
        """Return the "uid" or "gid" map of the user namespace that a process is in."""
        return parse_id_map(self.read(f"/proc/{process}/{kind}_map"))

    @property
    def is_chrooted(self) -> bool | None:
        """Whether the root directory is not that of the mount namespace: chroot(2).

        With the power for it, this is tried. Else a root directory that is no mount point tells;
        and one that is may show as another directory to process 1, if that is in the same
        namespace. None where nothing tells.
        """
        is_real = not self._root and not self._is_out_of_reach
        tried = probes.is_in_chroot() if is_real else None
        if tried is not None:
            return tried
        own = self.mounts()
        if not own:
            return probes.is_no_mount_point("/") if is_real else None
        roots = [mount.id for mount in own if mount.target == "/"]
        if not roots:
            return True
        of_first_process = {mount.id: mount.target for mount in self.mounts("1")}
        return of_first_process.get(roots[-1], "/") != "/"

    # Mounts

    def mounts(self, process: str = "self") -> list[Mount]:
        """Return the mounts that a process sees."""
        return parse_mounts(self.read(f"/proc/{process}/mountinfo"))

    def mount_of(self, path: str) -> Mount | None:
        """Return the mount that an absolute path without symbolic links is on."""
        mounts = [mount for mount in self.mounts() if is_below(path, mount.target)]
        ids = {mount.id for mount in mounts}
        on_the_way = [m for m in mounts if m.parent not in ids or m.parent == m.id]
        found = None
        for _ in mounts:
            if not on_the_way:
                break
            # Of several mounts on one directory, the last one is on top of the others.
            found = min(reversed(on_the_way), key=lambda mount: len(mount.target))
            on_the_way = [m for m in mounts if m.parent == found.id and m is not found]
        return found

    def covered_proc(self) -> list[str] | None:
        """Return what other mounts cover of the proc here; None where there is no whole one.

        The kernel lets a user namespace mount a proc only if it sees one already, of which
        nothing is hidden: mount_namespaces(7). Empty directories that the kernel keeps as mount
        points hide nothing.
        """
        covers: dict[int | None, list[str]] = {}
        mounts = self.mounts()
        procs = {m.id: m.target for m in mounts if m.kind == "proc" and m.root == "/"}
        for mount in mounts:
            if mount.parent in procs:
                name = mount.target[len(procs[mount.parent]) + 1 :]
                if name not in MOUNT_POINTS_OF_PROC:
                    covers.setdefault(mount.parent, []).append(mount.target)
        found = [covers.get(proc, []) for proc in procs]
        return min(found, key=len) if found else None

    @property
    def has_read_only_proc(self) -> bool:
        """Whether each proc here is mounted read-only."""
        procs = [mount for mount in self.mounts() if mount.kind == "proc" and mount.root == "/"]
        return all("ro" in mount.options for mount in procs)

    # Users

    def blocks(self, kind: str) -> list[Block]:
        """Return the lines of /etc/subuid ("uid") or /etc/subgid ("gid") that make sense."""
        return parse_subordinate_ids(self.read(f"/etc/sub{kind}"))

    def blocks_of(self, kind: str, uid: int) -> list[Block]:
        """Return the lines that belong to a user, by name or number."""
        names = (self.name_of_user(uid), str(uid))
        return [block for block in self.blocks(kind) if block.owner in names]

    def name_of_user(self, uid: int) -> str:
        """Return a user's name, or the number as text where none is known."""
        if uid not in self._names and not self._is_out_of_reach:
            import pwd

            try:
                self._names[uid] = pwd.getpwuid(uid).pw_name
            except (KeyError, OverflowError):
                self._names[uid] = str(uid)
        return self._names.get(uid, str(uid))

    def is_local_user(self, name: str) -> bool:
        """Return whether /etc/passwd has a user, and not a directory service only."""
        start = fsencode(name) + b":"
        return any(line.startswith(start) for line in self.read("/etc/passwd").split(b"\n"))

    @property
    def source_of_subordinate_ids(self) -> str:
        """What newuidmap asks instead of /etc/subuid: "subid" in nsswitch.conf(5), or nothing."""
        for line in self.read("/etc/nsswitch.conf").split(b"\n"):
            database, _, sources = line.partition(b"#")[0].partition(b":")
            if database.strip() == b"subid":
                words = sources.split()
                return "" if not words or words[0] == b"files" else fsdecode(words[0])
        return ""

    @property
    def distributions(self) -> list[str]:
        """The distribution and those that it is like, by their ID in os-release(5)."""
        found = parse_variables(self.read("/etc/os-release"))
        return f"{found.get('ID', '')} {found.get('ID_LIKE', '')}".split()

    @property
    def unit(self) -> str:
        """The systemd service that this process is of, or nothing."""
        for line in self.read("/proc/self/cgroup").split(b"\n"):
            name = fsdecode(line.rpartition(b"/")[2])
            if name.endswith(".service") and not name.startswith("user@"):
                return name
        return ""

    @property
    def container_engine(self) -> str:
        """What made the container that this is in: kubernetes, podman, docker or nothing.

        Its mark may be left from the image of a machine that is no container any more.
        """
        if self.exists("/run/secrets/kubernetes.io"):
            return "kubernetes"
        if self.exists("/run/.containerenv"):
            return "podman"
        return "docker" if self.exists("/.dockerenv") else ""


def _sysctl_path(name: str) -> str:
    return f"/proc/sys/{name.replace('.', '/')}"


def absolute(path: str) -> str:
    """Return a path from the root directory on."""
    return path if path.startswith("/") else f"{posix.getcwd()}/{path}"


def real_path(path: str) -> str:
    """Return a path without symbolic links in it, or nothing."""
    try:
        fd = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        return posix.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""
    finally:
        posix.close(fd)


def is_below(path: str, directory: str) -> bool:
    """Return whether an absolute path is a directory or something in it."""
    return directory == "/" or path == directory or path.startswith(f"{directory}/")


def found_program(name: str, directories: list[str] | tuple[str, ...]) -> str:
    """Return the first executable file of that name in the directories, or nothing."""
    for directory in directories:
        path = f"{directory or '.'}/{name}"
        try:
            is_file = posix.stat(path).st_mode & FILE_TYPE == REGULAR_FILE
            if is_file and posix.access(path, posix.X_OK):
                return path
        except (OSError, ValueError):
            pass
    return ""
