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
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# <asm-generic/errno-base.h>, the same on every architecture. To import errno takes as long as
# unshare(2) itself.
ENOENT = 2
ENOEXEC = 8
EBADF = 9
EAGAIN = 11
EACCES = 13
ENODEV = 19
ENOTDIR = 20
EINVAL = 22
EFBIG = 27

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

# <asm/unistd.h>, the C library has no function for it: clone3(2)
SYS_CLONE3 = 435
SYS_CLONE3_OF_ALPHA = 545

# <linux/time.h>, see time_namespaces(7)
CLOCK_MONOTONIC = 1
CLOCK_BOOTTIME = 7

NO_ID = (1 << 32) - 1  # (uid_t) -1: "leave it as it is" to the kernel, and nobody's id

# What load_c_library() sets, and the C library's functions that have been called so far
_look_up: "Callable[[str], Callable[..., int]] | None" = None
_get_errno: "Callable[[], int]"
_functions: "dict[str, Callable[..., int]]" = {}

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
    """Load what is needed to call functions of the C library.

    This reads files, so it has to come before the namespaces change: afterwards they would be
    those of the new root. Raises ImportError if this Python was built without ctypes.
    """
    global _look_up, _get_errno
    if _look_up:
        return
    _load_ctypes()
    import _ctypes

    # Nothing is declared about arguments and results, which would take longer than the calls:
    # an int is passed as a C int, which fills a register, bytes as a pointer, None as NULL,
    # and the result is an int.
    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO

    library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None: this process
    _get_errno = _ctypes.get_errno
    _look_up = lambda name: Function(_ctypes.dlsym(library, name))  # noqa: E731


def _load_ctypes() -> None:
    """Load _ctypes from where Python has its extensions: a search takes as long as the loading."""
    from _frozen_importlib import ModuleSpec, _load  # type: ignore[attr-defined]
    from _frozen_importlib_external import EXTENSION_SUFFIXES, ExtensionFileLoader

    name, directory, flags = "_ctypes", sys.path[-1], sys.getdlopenflags()
    if name in sys.modules or not directory.endswith("/lib-dynload"):
        return
    path = f"{directory}/{name}{EXTENSION_SUFFIXES[0]}"
    sys.setdlopenflags(posix.RTLD_LAZY)  # most of what it refers to will not be used
    try:
        _load(ModuleSpec(name, ExtensionFileLoader(name, path), origin=path))
    except ImportError:
        pass  # then it is somewhere else, or there is none
    finally:
        sys.setdlopenflags(flags)


def call(name: str, *arguments: object) -> int:
    """Call a function of the C library that returns -1 for an error. Raises OSError then."""
    function = _functions.get(name)
    if function is None:
        assert _look_up, "load_c_library() comes first"
        function = _functions[name] = _look_up(name)
    result = function(*arguments)
    if result == -1:
        errno = _get_errno()
        raise OSError(errno, posix.strerror(errno))
    return result


def _c_unshare(flags: int) -> None:
    """Move this process into new namespaces, one for each CLONE_NEW* bit: unshare(2)."""
    call("unshare", flags)


HAS_UNSHARE = hasattr(posix, "unshare")  # since CPython 3.12
unshare: "Callable[[int], None]" = getattr(posix, "unshare", _c_unshare)


def open_file_to_lock() -> int:
    """Open a file that no other process has to do with, to lock it: memfd_create(2).

    Where that is missing or refused, a pipe serves as well, of which one end is closed again.
    """
    try:
        return posix.memfd_create("pyunshare", posix.MFD_CLOEXEC)
    except (AttributeError, OSError):  # a Python made for an old C library; seccomp(2), sysctl(8)
        reading, writing = posix.pipe2(posix.O_CLOEXEC)
        posix.close(reading)
        return writing


def mount(source: str, target: str, kind: "str | None", flags: int) -> None:
    """Mount a file system, or change a mount, as ``flags`` say, see mount(2)."""
    encoded_kind = None if kind is None else fsencode(kind)
    call("mount", fsencode(source), fsencode(target), encoded_kind, flags, None)


def set_parent_death_signal(signal: int) -> None:
    """Have the kernel send ``signal`` to this process when its parent ends.

    The kernel forgets this when the process changes its credentials: PR_SET_PDEATHSIG(2const).
    """
    call("prctl", PR_SET_PDEATHSIG, signal, 0, 0, 0)


def clone(flags: int, signal: int) -> int:
    """Copy this process: clone3(2). Return the id of the copy, and 0 in that.

    ``signal`` is sent to the parent when the copy ends. Neither Python nor the C library is told of
    the copy. Raises OSError, before Linux 5.3 always.
    """
    # struct clone_args: eight numbers of 64 bits, all 0 but the first and the fifth
    first, fifth = flags.to_bytes(8, sys.byteorder), signal.to_bytes(8, sys.byteorder)
    arguments = first + bytes(24) + fifth + bytes(24)
    number = SYS_CLONE3_OF_ALPHA if posix.uname().machine == "alpha" else SYS_CLONE3
    return call("syscall", number, arguments, len(arguments))
