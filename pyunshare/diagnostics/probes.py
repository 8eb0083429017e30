"""What no file tells of this machine, tried: in a child process where it changes something."""

from __future__ import annotations

import _signal
import posix
import sys
from errno import EFAULT, EINVAL, ENOSYS

from ..syscalls import CLONE_NEWNS, call, fsencode, load_c_library, unshare

try:
    from ..capabilities import Capabilities
except ImportError:  # this Python has no ctypes, as load_c_library() will say
    pass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

# <linux/capability.h>, see capabilities(7)
CAP_SETGID = 6
CAP_SETUID = 7
CAP_SYS_ADMIN = 21
CAP_SETFCAP = 31

# statx(2) tells of a directory what no other call does: whether it is a mount point, and of which
# mount. From <linux/stat.h> and <fcntl.h>; the slices are where it stands in struct statx.
AT_FDCWD = -100
STATX_INO = 0x100
STATX_MNT_ID = 0x1000
STATX_ATTR_MOUNT_ROOT = 0x2000
_STATX_SIZE = 256
_ATTRIBUTES = slice(0x08, 0x10)
_INODE = slice(0x20, 0x28)
_KNOWN_ATTRIBUTES = slice(0x38, 0x40)
_MOUNT_ID = slice(0x90, 0x98)

_ROOT_CHANGED = 254  # exit statuses that are no errno
_UNKNOWN = 255


def is_there(path: str) -> bool:
    """Return whether a path leads to something."""
    try:
        posix.stat(path)
    except (OSError, ValueError):
        return False
    return True


def is_link(path: str) -> bool:
    """Return whether a path is a symbolic link itself."""
    try:
        posix.readlink(path)
    except (OSError, ValueError):
        return False
    return True


def has_capability(capability: int) -> bool:
    """Return whether the kernel's checks find a capability here, see capabilities(7)."""
    try:
        load_c_library()
        return bool(Capabilities().effective >> capability & 1)
    except (ImportError, OSError):
        return posix.geteuid() == 0


def filter_refuses(flags: int) -> bool:
    """Return whether unshare(2) with these flags is refused before the kernel looks at them.

    The lowest bit is no flag of unshare(2), so the kernel itself says EINVAL and does nothing,
    whoever asks. Any other answer is that of a seccomp(2) filter.
    """
    try:
        unshare(flags | 1)
    except OSError as error:
        return error.errno != EINVAL
    return False


def filter_refuses_mount() -> bool:
    """Return whether mount(2) is refused before the kernel looks at where to mount: at nothing."""
    try:
        load_c_library()
        call("mount", None, None, None, 0, None)
    except ImportError:
        return False
    except OSError as error:
        return error.errno != EFAULT
    return False


def outcome(action: Callable[[], object], become: Callable[[], None] | None = None) -> int | None:
    """Return the errno of an action in a child process, 0 if it works.

    None is returned where that cannot be told: another exception, a process that was killed, one
    that cannot be made. ``become`` is called in the child first.
    """
    try:
        pid = posix.fork()
    except OSError:
        return None
    if pid == 0:
        status = _UNKNOWN
        try:
            if become:
                become()
            else:
                posix.setpgid(0, 0)
            action()
            status = 0
        except OSError as error:
            status = error.errno or _UNKNOWN
        finally:
            posix._exit(min(status, _UNKNOWN))
    try:
        status = posix.waitpid(pid, 0)[1]
    except ChildProcessError:  # SIGCHLD is ignored, and with it how the child ended
        return None
    except BaseException:  # there is no time to wait any longer
        for target in (-pid, pid):  # all that it has started
            try:
                posix.kill(target, _signal.SIGKILL)
            except OSError:
                pass
        posix.waitpid(pid, 0)
        raise
    if not posix.WIFEXITED(status) or posix.WEXITSTATUS(status) == _UNKNOWN:
        return None
    return posix.WEXITSTATUS(status)


def is_no_mount_point(path: str) -> bool | None:
    """Return whether a directory is no mount point; None where the kernel does not say."""
    try:
        found = _statx(path)
    except (ImportError, OSError):
        return None
    if not int.from_bytes(found[_KNOWN_ATTRIBUTES], sys.byteorder) & STATX_ATTR_MOUNT_ROOT:
        return None
    return not int.from_bytes(found[_ATTRIBUTES], sys.byteorder) & STATX_ATTR_MOUNT_ROOT


def is_in_chroot() -> bool | None:
    """Return whether the root directory is another one than the mount namespace's.

    To enter the namespace that one is in leads to its root: setns(2). None for who may not.
    """
    result = outcome(_reenter_mount_namespace)
    return result == _ROOT_CHANGED if result in (0, _ROOT_CHANGED) else None


def _reenter_mount_namespace() -> None:
    import ctypes

    before = _identity("/")
    if is_there("/proc/self/ns/mnt"):
        namespace = posix.open("/proc/self/ns/mnt", posix.O_RDONLY | posix.O_CLOEXEC)
    else:
        namespace = posix.pidfd_open(posix.getpid(), 0)
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(namespace, CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "setns")
    if _identity("/") != before:
        posix._exit(_ROOT_CHANGED)


def _identity(path: str) -> tuple[bytes, bytes]:
    found = _statx(path)
    return found[_MOUNT_ID], found[_INODE]


def _statx(path: str) -> bytes:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(_STATX_SIZE)
    mask = STATX_INO | STATX_MNT_ID
    if not hasattr(library, "statx"):  # glibc before 2.28
        raise OSError(ENOSYS, path)
    if library.statx(AT_FDCWD, fsencode(path), 0, mask, buffer):
        raise OSError(ctypes.get_errno(), path)
    return buffer.raw
