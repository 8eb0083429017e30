"""What this machine allows and forbids: the facts behind hints and the check-up.

Nothing here is loaded by a launch that works. :class:`Machine` reads facts, each from the file
that holds it, below a root directory that tests make up. What no file tells is found out by the
:mod:`pyunshare.experiments`.
"""

from __future__ import annotations

import posix

from ..files import FILE_TYPE, REGULAR_FILE, read_file
from ..syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    load_c_library,
)
from .probes import is_in_chroot, is_no_mount_point, is_there

INITIAL_USER_NAMESPACE = "user:[4026531837]"  # <linux/nsfs.h>, the same on every machine
UNLIMITED = 2147483647  # what a new user namespace has in /proc/sys/user
PID_DEPTH = 33  # pid_namespaces(7): the initial one, and 32 more inside of each other
HIGHEST_ID_COUNT = 2**32 - 1  # ids in a user namespace; the last number, 4294967295, is none

# What a hint after a change of the root or the user may need: see Machine.remember()
NEEDED_LATER = (
    "/proc/self/mountinfo",
    "/proc/1/mountinfo",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "/proc/sys/kernel/osrelease",
    "/etc/subgid",
    "/run/.containerenv",
    "/.dockerenv",
)

# Where distributions have programs that an ordinary user's PATH may leave out
USUAL_DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


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


class Mount:
    """A line of /proc/self/mountinfo, see proc_pid_mountinfo(5)."""

    def __init__(self, line: str) -> None:
        fields = line.split(" ")
        separator = fields.index("-", 6)
        self.id = fields[0]
        self.root = _unescaped(fields[3])
        self.target = _unescaped(fields[4])
        self.options = fields[5].split(",")
        self.is_shared = any(field.startswith("shared:") for field in fields[6:separator])
        self.kind = fields[separator + 1]


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


class Machine:
    """The facts that files tell. A file that cannot be read tells nothing, and is no error."""

    def __init__(self, root: str = "") -> None:
        self._root = root
        self._texts: dict[str, str] = {}
        self._is_out_of_reach = False

    def text(self, path: str) -> str:
        """Return what a file says, each file being read once."""
        if path not in self._texts:
            if self._is_out_of_reach:
                return ""
            try:
                self._texts[path] = read_file(self._root + path)
            except (OSError, UnicodeError):
                self._texts[path] = ""
        return self._texts[path]

    def remember(self, user: int) -> None:
        """Read now what may be needed when the root, or the user, is another one.

        From then on no other file is read, for it would be the new root's.
        """
        try:
            load_c_library()
        except ImportError:
            pass  # then no hint will be found that needs it
        self.name_of_user(user)
        for path in NEEDED_LATER:
            self.text(path)
            self.exists(path)
        self._is_out_of_reach = True

    def exists(self, path: str) -> bool:
        """Tell whether there is such a file, of whatever type."""
        key = f"exists {path}"
        if key not in self._texts and not self._is_out_of_reach:
            self._texts[key] = "yes" if is_there(self._root + path) else ""
        return bool(self._texts.get(key))

    def link(self, path: str) -> str:
        """Return what a symbolic link reads, or nothing."""
        try:
            return "" if self._is_out_of_reach else posix.readlink(self._root + path)
        except OSError:
            return ""

    # The kernel, and its switches

    @property
    def kernel(self) -> str:
        """The release of the kernel, such as 6.1.0-18-amd64."""
        return self.text("/proc/sys/kernel/osrelease").strip() or posix.uname().release

    def sysctl(self, name: str) -> int | None:
        """Return a setting of sysctl(8), or None where this kernel has none of that name."""
        words = self.text(f"/proc/sys/{name.replace('.', '/')}").split()
        return int(words[0]) if words and words[0].isdigit() else None

    def has_namespace(self, namespace: Namespace) -> bool | None:
        """Tell whether the kernel knows a kind of namespace; None where there is no proc."""
        if not self.exists("/proc/self/ns"):
            return None
        return self.exists(f"/proc/self/ns/{namespace.kind}")

    def default_limit(self) -> int:
        """Return the limit of namespaces that the kernel chose at its start."""
        return (self.sysctl("kernel.threads-max") or 30000) // 2

    # This process

    def status(self, name: str, process: str = "self") -> str:
        """Return a line of a process's status, see proc_pid_status(5)."""
        for line in self.text(f"/proc/{process}/status").split("\n"):
            if line.startswith(f"{name}:"):
                return line[len(name) + 1 :].strip()
        return ""

    @property
    def has_seccomp_filter(self) -> bool:
        """Whether a filter decides which system calls this process may make: seccomp(2)."""
        return self.status("Seccomp") == "2"

    @property
    def first_process_has_filter(self) -> bool:
        """Whether all of this container, or machine, is under a seccomp filter."""
        return self.status("Seccomp", "1") == "2"

    @property
    def first_process_may_have(self) -> int:
        """The capabilities that a process of this container, or machine, can ever have."""
        return int(self.status("CapBnd", "1") or "0", 16)

    @property
    def is_in_initial_user_namespace(self) -> bool:
        """Whether no other user namespace is around this one."""
        return self.link("/proc/self/ns/user") == INITIAL_USER_NAMESPACE

    @property
    def pid_depth(self) -> int:
        """How many PID namespaces this process is in, as far as /proc shows them."""
        return len(self.status("NSpid").split())

    def mapped(self, kind: str) -> list[tuple[int, int]]:
        """Return the blocks (start, count) of "uid"s or "gid"s that this user namespace has."""
        lines = [line.split() for line in self.text(f"/proc/self/{kind}_map").splitlines()]
        return [(int(inner), int(count)) for inner, _outer, count in lines]

    @property
    def is_chrooted(self) -> bool | None:
        """Whether the root directory is not that of the mount namespace: chroot(2).

        Who has the power to tries. Else a root directory that is no mount point tells; and one
        that is may show as another directory to process 1, if that is in the same namespace.
        None where nothing tells.
        """
        is_real = not self._root and not self._is_out_of_reach
        tried = is_in_chroot() if is_real else None
        if tried is not None:
            return tried
        own = self.mounts()
        if not own:
            return is_no_mount_point("/") if is_real else None
        roots = [mount.id for mount in own if mount.target == "/"]
        if not roots:
            return True
        of_first_process = {mount.id: mount.target for mount in self.mounts("1")}
        return of_first_process.get(roots[-1], "/") != "/"

    # Mounts

    def mounts(self, process: str = "self") -> list[Mount]:
        """Return the mounts that a process sees."""
        lines = self.text(f"/proc/{process}/mountinfo").splitlines()
        return [Mount(line) for line in lines if " - " in line]

    def mount_of(self, path: str) -> Mount | None:
        """Return the mount that an absolute path without symbolic links is on."""
        found = None
        for mount in self.mounts():
            if is_below(path, mount.target) and (
                found is None or len(mount.target) >= len(found.target)
            ):
                found = mount
        return found

    def covered_proc(self) -> list[str] | None:
        """Return what other mounts cover of the proc here; None where there is no whole one.

        The kernel lets a user namespace mount a proc only if it sees one already, of which
        nothing is hidden: mount_namespaces(7). Empty directories that the kernel keeps as mount
        points hide nothing.
        """
        mounts = self.mounts()
        procs = [mount for mount in mounts if mount.kind == "proc" and mount.root == "/"]
        covers = [
            [
                mount.target
                for mount in mounts
                if mount.target.startswith(f"{proc.target}/")
                and mount.target != f"{proc.target}/sys/fs/binfmt_misc"
            ]
            for proc in procs
        ]
        return min(covers, key=len) if covers else None

    # Users

    def blocks(self, kind: str) -> list[Block]:
        """Return the lines of /etc/subuid ("uid") or /etc/subgid ("gid") that make sense."""
        found = []
        for line in self.text(f"/etc/sub{kind}").splitlines():
            fields = line.split(":")
            if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
                found.append(Block(fields[0], int(fields[1]), int(fields[2])))
        return found

    def blocks_of(self, kind: str, user: int) -> list[Block]:
        """Return the lines that belong to a user, by name or number."""
        names = (self.name_of_user(user), str(user))
        return [block for block in self.blocks(kind) if block.owner in names]

    def name_of_user(self, user: int) -> str:
        """Return a user's name, or the number as text where none is known."""
        key = f"name of {user}"
        if key not in self._texts and not self._is_out_of_reach:
            import pwd

            try:
                self._texts[key] = pwd.getpwuid(user).pw_name
            except KeyError:
                self._texts[key] = str(user)
        return self._texts.get(key, str(user))

    @property
    def distributions(self) -> list[str]:
        """The distribution and those that it is like, by their ID in os-release(5)."""
        found: dict[str, str] = {}
        for line in self.text("/etc/os-release").splitlines():
            name, _, value = line.partition("=")
            found[name] = value.strip("\"'")
        return f"{found.get('ID', '')} {found.get('ID_LIKE', '')}".split()

    @property
    def container_engine(self) -> str:
        """The program that made the container that this is in: podman, docker or nothing.

        Its mark may be left from the image of a machine that is no container any more.
        """
        if self.exists("/run/.containerenv"):
            return "podman"
        return "docker" if self.exists("/.dockerenv") else ""


def _unescaped(field: str) -> str:
    """Return a path of mountinfo with its octal escapes read."""
    first, *others = field.split("\\")
    return first + "".join(chr(int(part[:3], 8)) + part[3:] for part in others)


def is_below(path: str, directory: str) -> bool:
    """Tell whether an absolute path is a directory or something in it."""
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
