"""What the launch calls in the C library, one function each, raising OSError.

Most calls are CPython's own, in ``posix``. For the others this calls the C library that the
process runs with, by symbol, so that no system call number of an architecture stands here.

``posix`` and ``_ctypes`` are the C parts of ``os`` and ``ctypes``; to import their Python parts
takes longer than a launch.
"""

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

# <linux/sched.h>, see namespaces(7)
CLONE_NEWTIME = 0x00000080
CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# <sys/mount.h>, see mount(2)
MS_NOSUID = 1 << 1
MS_NODEV = 1 << 2
MS_NOEXEC = 1 << 3
MS_BIND = 1 << 12
MS_REC = 1 << 14
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

# <linux/prctl.h>, see prctl(2)
PR_SET_PDEATHSIG = 1
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2

# <linux/capability.h>, see capget(2)
LINUX_CAPABILITY_VERSION_3 = 0x20080522

# <linux/time.h>, see time_namespaces(7)
CLOCK_MONOTONIC = 1
CLOCK_BOOTTIME = 7

# The C library's functions, once load_c_library() has looked them up; -1 tells of an error.
_functions: "dict[str, Callable[..., int]]" = {}
_get_errno: "Callable[[], int]"

_ENCODING = sys.getfilesystemencoding()


def fsencode(text: str) -> bytes:
    """Return the bytes by which the kernel knows ``text``, as os.fsencode() does."""
    return text.encode(_ENCODING, "surrogateescape")


def fsdecode(data: bytes) -> str:
    """Return text that fsencode() turns back into ``data``."""
    return data.decode(_ENCODING, "surrogateescape")


def write_all(descriptor: int, data: bytes) -> None:
    """Write ``data`` whole, in one write(2) unless the file takes less."""
    while data:
        data = data[posix.write(descriptor, data) :]


def load_c_library() -> None:
    """Look up what this module calls in the C library.

    This reads files, so it has to come before the namespaces change: afterwards they would be
    those of the new root. Raises ImportError if this Python was built without ctypes.
    """
    if _functions:
        return
    import _ctypes

    # Nothing is declared about arguments and results, which would take longer than the calls:
    # an int is passed as a C int, which fills a register, bytes as a pointer, None as NULL,
    # and the result is an int.
    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO

    global _get_errno
    _get_errno = _ctypes.get_errno
    library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None: this process
    names = ("unshare", "mount", "prctl", "capget", "capset")
    # All at once, for other threads of a program that uses this as a library
    _functions.update({name: Function(_ctypes.dlsym(library, name)) for name in names})


def _call(name: str, *arguments: object) -> int:
    result = _functions[name](*arguments)
    if result == -1:
        errno = _get_errno()
        raise OSError(errno, posix.strerror(errno))
    return result


def _c_unshare(flags: int) -> None:
    """Move this process into new namespaces, one for each CLONE_NEW* bit: unshare(2)."""
    _call("unshare", flags)


HAS_UNSHARE = hasattr(posix, "unshare")  # since CPython 3.12
unshare: "Callable[[int], None]" = getattr(posix, "unshare", _c_unshare)


def mount(source: str, target: str, kind: "str | None", flags: int) -> None:
    """Mount a file system, or change a mount, as ``flags`` say, see mount(2)."""
    encoded_kind = None if kind is None else fsencode(kind)
    _call("mount", fsencode(source), fsencode(target), encoded_kind, flags, None)


def set_parent_death_signal(signal: int) -> None:
    """Have the kernel send ``signal`` to this process when its parent ends.

    The kernel forgets this when the process changes its credentials: PR_SET_PDEATHSIG(2const).
    """
    _call("prctl", PR_SET_PDEATHSIG, signal, 0, 0, 0)


class Capabilities:
    """The capability sets of this process as it was when they were read: capget(2).

    Making one raises OSError where the kernel refuses.
    """

    def __init__(self) -> None:
        import _ctypes  # here since load_c_library(), so nothing is read

        word = type("Word", (_ctypes._SimpleCData,), {"_type_": "I"})
        words = type("Words", (_ctypes.Array,), {"_type_": word, "_length_": 6})
        self._header = words(LINUX_CAPABILITY_VERSION_3)
        self._words = words()  # effective, permitted, inheritable; then the upper half of each
        _call("capget", self._header, self._words)

    @property
    def effective(self) -> int:
        """The capabilities that the kernel's checks look at, as a bit mask."""
        return int(self._words[0] | self._words[3] << 32)

    def make_permitted_inheritable(self) -> None:
        """Set the inheritable set to the permitted one: capset(2)."""
        for half in (0, 3):
            self._words[half + 2] = self._words[half + 1]
        _call("capset", self._header, self._words)


def raise_ambient_capability(capability: int) -> None:
    """Add a capability to the ambient set: PR_CAP_AMBIENT(2const)."""
    _call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
