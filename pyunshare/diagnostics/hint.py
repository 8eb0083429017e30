"""What a hint is made of: the failure, what was asked for, and command lines to type."""

from __future__ import annotations

import posix
import sys

from ..errors import Failure
from ..options.option import BY_NAME
from ..options.parser import take_options
from ..options.request import Request
from ..syscalls import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, fsdecode
from .commands import Command, printable, shown
from .probes import is_link, is_there
from .system import USUAL_DIRECTORIES, found_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .system import System

    Rehearse = Callable[[list[str]], None]

OR = "   or: "  # between commands of which one is to be typed

# Set by what makes a process root for somebody who is not root at the prompt
_BECAME_ROOT = {b"SUDO_UID": "sudo", b"DOAS_USER": "doas"}

NO_NEW_PRIVS = "with no_new_privs set, as it is here, neither sudo nor su can work"

NO_ROOT = (
    "root is not mapped in the user namespace that you are in, so neither sudo nor su can work here"
)

# Steps that come after unshare(2), whatever they are about
_INSIDE = ("mount", "chroot", "chdir", "setgroups", "setgid", "setuid", "execve", "prctl", "capset")


class Hint:
    """The cause, found on this machine, and the commands against it, of which one is to be typed.

    Each ``{}`` in the cause stands for one of the names, which are shown as shown() does it.
    """

    def __init__(self, cause: str, *names: object, type: tuple[Command | None, ...] = ()) -> None:
        commands = [command for command in type if command is not None]
        notes = dict.fromkeys(command.note for command in commands if command.note)
        self.cause = printable("; ".join([cause.format(*map(shown, names)), *notes]))
        self.commands = [command.text for command in commands if command]


# What lifts a protection of a container, in the words of what made it
LIFTING = {
    "docker": {
        "apparmor": "docker's --security-opt apparmor=unconfined",
        "capability": "docker's --cap-add SYS_ADMIN",
        "proc": "docker's --security-opt systempaths=unconfined",
        "seccomp": "docker's --security-opt seccomp=unconfined",
    },
    "podman": {
        "apparmor": "podman's --security-opt apparmor=unconfined",
        "capability": "podman's --cap-add SYS_ADMIN",
        "proc": "podman's --security-opt unmask=ALL",
        "seccomp": "podman's --security-opt seccomp=unconfined",
    },
    "kubernetes": {
        "apparmor": "appArmorProfile: Unconfined in the pod's securityContext",
        "capability": "SYS_ADMIN among the capabilities in the pod's securityContext",
        "proc": "procMount: Unmasked in the pod's securityContext",
        "seccomp": "seccompProfile: Unconfined in the pod's securityContext",
    },
}


class FailureContext:
    """A failure with all that a hint about it is drawn from.

    ``argv`` has the words that the user typed after the name of the command. ``rehearse`` does all
    of a launch but the program, in a process that is made for it; without it nothing is tried.
    """

    def __init__(
        self,
        name: str,
        argv: list[str],
        request: Request,
        system: System,
        failure: Failure,
        rehearse: Rehearse | None = None,
    ) -> None:
        self.name = name
        self.argv = argv
        self.request = request
        self.system = system
        self.failure = failure
        self._rehearse = rehearse
        self.program = program_of(argv)
        self.options = argv[: len(argv) - len(self.program)]

    @property
    def path(self) -> str:
        """The file that the failure is about."""
        return self.failure.path or ""

    def asks(self, flags: int) -> bool:
        """Return whether one of these CLONE_NEW* bits is asked for."""
        return bool(self.request.flags & flags)

    def seen_from_outside(self, path: str) -> str:
        """Return where a path inside the new root is outside of it."""
        root = self.request.root
        return path if root is None else f"{root.rstrip('/')}/{path.lstrip('/')}"

    # The user's own command line, otherwise

    def line(
        self,
        *added: str,
        without: tuple[str, ...] = (),
        last: tuple[str, ...] = (),
        program: list[str] | None = None,
    ) -> list[str]:
        """Return the user's own words with options added, or some of them left out.

        Options are added before the user's, those in ``last`` after them, and ``program`` stands
        in for the user's.
        """
        options = without_options(self.options, without)
        ending = []
        if last and options[-1:] == ["--"]:
            ending = [options.pop()]
        words = self.program if program is None else program
        return [*added, *options, *last, *ending, *words]

    def offer(self, argv: list[str], note: str = "") -> Command | None:
        """Return a command line of ours to type, if it works: that is tried."""
        return self.typed(argv, note) if self.works(argv) else None

    def typed(self, argv: list[str], note: str = "") -> Command:
        """Return a command line of ours to type."""
        command = Command(*typed_name(self.name), *argv, note=note)
        tool = _became_root_by()
        return command.run_by(tool) if tool else command

    def works(self, argv: list[str]) -> bool:
        """Return whether a command line of ours gets as far as to start the program.

        It is tried where the failure was met. In new namespaces that may not do: without ids there
        can be no further user namespace, nor a second PID namespace without a child in the first.
        Then the facts that the hint goes by have to suffice.
        """
        rehearse = self._rehearse
        if rehearse is None or self.system.outcome(lambda: rehearse(argv)) == 0:
            return True
        if not self._is_inside:
            return False
        is_unmapped = not (self.system.id_map("uid") and self.system.id_map("gid"))
        is_outside_its_pid_namespace = self.asks(CLONE_NEWPID) and not self.request.fork
        return is_outside_its_pid_namespace or (is_unmapped and self.asks(CLONE_NEWUSER))

    @property
    def _is_inside(self) -> bool:
        """Whether the process that failed is in the new namespaces."""
        if self.failure.step == "mount" and self.path in self.request.files.values():
            return not self.asks(CLONE_NEWNS | CLONE_NEWUSER)  # else a helper binds
        is_of_namespace = self.path.startswith("/proc/self/") or self.path.endswith("/register")
        return is_of_namespace or self.failure.step in _INSIDE

    # What root is to type

    def as_root(self, command: Command) -> Command:
        """Return a command as the user can type it for root to run."""
        tool = _became_root_by()
        if self.request.users.caller == 0:
            return command.run_by(tool) if tool else command
        if self.system.has_no_new_privs:
            return Command(note=NO_NEW_PRIVS)
        # A process that is in a new user namespace has its parent outside of it.
        ids = self.system.id_map("uid", str(posix.getppid()) if self._is_inside else "self")
        if ids and not any(line.has(0) for line in ids):
            return Command(note=NO_ROOT)
        tools = [tool for tool in ("sudo", "doas") if found_program(tool, search_path())]
        return command.run_by(tools[0] if tools else "su")

    def changing(self, path: str, command: Command) -> Command:
        """Return a command that makes something, for root where the caller may not make it.

        ``path`` is where that is, as seen from here. The command is false where it would make
        nothing, or something else: by a link that leads nowhere, or out of the new root.
        """
        names = path.split("/")
        beginnings = ["/".join(names[:length]) for length in range(2, len(names) + 1)]
        links = filter(is_link, beginnings)
        is_inside = self.request.root is not None
        if any(is_inside or not is_there(link) for link in links) or (is_inside and ".." in names):
            return Command()
        while path and not is_there(path):
            path = path.rstrip("/").rpartition("/")[0]
        if posix.statvfs(path or "/").f_flag & posix.ST_RDONLY:
            return Command()
        if self.request.users.caller and posix.access(path or ".", posix.W_OK):
            return command
        return self.as_root(command)

    def line_as_root(self) -> Command:
        """Return the user's own command line for root to run."""
        return self.as_root(Command(*typed_name(self.name, for_root=True), *self.argv))

    def setting(self, name: str, value: int, note: str = "") -> Command | None:
        """Return the command that changes a setting of sysctl(8), where that can be done."""
        if self.system.is_fixed(name):
            return None
        if found_program("sysctl", [*search_path(), *USUAL_DIRECTORIES]):
            command = Command(tool("sysctl"), "-w", f"{name}={value}", note=note)
        else:
            file = f"/proc/sys/{name.replace('.', '/')}"
            command = Command("echo", str(value), note=note).into(Command("tee", file))
        return self.as_root(command)


def tool(name: str) -> str:
    """Return the name of a program of the system, or its path where PATH does not lead there."""
    if found_program(name, search_path()):
        return name
    return found_program(name, USUAL_DIRECTORIES) or name


def search_path() -> list[str]:
    """Return the directories of PATH."""
    return fsdecode(posix.environ.get(b"PATH", b"/bin:/usr/bin")).split(":")


def _became_root_by() -> str:
    """Return how somebody became root for this command only, who is to type the next one."""
    if posix.geteuid() == 0:
        for variable, tool in _BECAME_ROOT.items():
            if variable in posix.environ and found_program(tool, search_path()):
                return tool
    return ""


def typed_name(name: str, for_root: bool = False) -> list[str]:
    """Return how to start the command again as it was started.

    For root that is by its path if root's own PATH may not lead there.
    """
    script = sys.argv[0]
    directory = script.rpartition("/")[0]
    if script.endswith("/pyunshare/__main__.py"):
        module = ["-m", "pyunshare"]
        if not for_root:
            return ["python3", *module]
        where = posix.environ.get(b"PYTHONPATH")  # which sudo(8) would take away
        variables = [] if where is None else ["env", f"PYTHONPATH={fsdecode(where)}"]
        return [*variables, sys.executable, *module]
    is_in_path = directory in search_path() or not script.endswith(name)
    if is_in_path and not (for_root and directory and directory not in USUAL_DIRECTORIES):
        return [name]
    return [script]


def program_of(argv: list[str]) -> list[str]:
    """Return the program and its arguments in the words of a command line."""
    rest = [*argv]
    try:
        for _ in take_options(rest):
            pass
    except Failure:
        return []
    return rest


def options_of(words: list[str]) -> list[tuple[str, str | None]]:
    """Return the options, and their values, that are before any fault."""
    found = []
    try:
        for option in take_options([*words]):
            found.append(option)
    except Failure:
        pass
    return found


def refused_option(argv: list[str]) -> str | None:
    """Return the option whose value is none; nothing where there is a fault of another kind.

    Where there is no fault at all, what is returned is empty.
    """
    request = Request()
    try:
        for name, value in take_options([*argv]):
            try:
                request.add(name, value)
            except Failure:
                return name
        request.check()
    except (Failure, KeyError):
        return None
    return ""


def without_options(words: list[str], names: tuple[str, ...]) -> list[str]:
    """Return the words of a command line that stand for other options than these."""
    kept: list[str] = []
    rest = words
    while rest and names:
        length = 1 if _is_complete(rest[:1]) else 2  # it would lack its value
        first, rest = rest[:length], rest[length:]
        options = options_of(first)
        others = [name for name, _ in options if name not in names]
        if len(others) == len(options):
            kept += first
        elif others and not first[0].startswith("--"):
            kept.append("-" + "".join(BY_NAME[name].short for name in others))
            last, value = options[-1]
            if value is not None and last in others:
                kept.append(value)
    return kept + rest


def _is_complete(words: list[str]) -> bool:
    try:
        for _ in take_options([*words]):
            pass
    except Failure:
        return False
    return True
