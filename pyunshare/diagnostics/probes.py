"""What no file tells of this machine, tried: in a child process where it changes something."""

from __future__ import annotations

import posix
import sys
from errno import EINVAL, ENOSYS

from ..capabilities import Capabilities
from ..syscalls import CLONE_NEWNS, fsencode, load_c_library, unshare

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

_ROOT_CHANGED = 254  # an exit status that is no errno


def is_there(path: str) -> bool:
    """Tell whether a path leads to something."""
    try:
        posix.stat(path)
    except (OSError, ValueError):
        return False
    return True


def has_capability(capability: int) -> bool:
    """Tell whether the kernel's checks find a capability here, see capabilities(7)."""
    load_c_library()
    return bool(Capabilities().effective >> capability & 1)


def filter_refuses(flags: int) -> bool:
    """Tell whether unshare(2) with these flags is refused before the kernel looks at them.

    The lowest bit is no flag of unshare(2), so the kernel itself says EINVAL and does nothing,
    whoever asks. Any other answer is that of a seccomp(2) filter.
    """
    try:
        unshare(flags | 1)
    except OSError as error:
        return error.errno != EINVAL
    return False


def outcome(action: Callable[[], object]) -> int:
    """Return the errno of an action in a child process, 0 if it works, -1 if it kills it."""
    process = posix.fork()
    if process == 0:
        try:
            action()
        except OSError as error:
            posix._exit(error.errno or 255)
        except BaseException:
            posix._exit(255)
        posix._exit(0)
    status = posix.waitpid(process, 0)[1]
    return posix.WEXITSTATUS(status) if posix.WIFEXITED(status) else -1


def outcome_of_unshare(flags: int) -> int:
    """Return the errno of unshare(2), tried in a child process."""
    return outcome(lambda: unshare(flags))


def is_no_mount_point(path: str) -> bool | None:
    """Tell whether a directory is no mount point; None where the kernel does not say."""
    try:
        found = _statx(path)
    except OSError:
        return None
    if not int.from_bytes(found[_KNOWN_ATTRIBUTES], sys.byteorder) & STATX_ATTR_MOUNT_ROOT:
        return None
    return not int.from_bytes(found[_ATTRIBUTES], sys.byteorder) & STATX_ATTR_MOUNT_ROOT


def is_in_chroot() -> bool | None:
    """Tell whether the root directory is another one than the mount namespace's.

    To enter the namespace that one is in leads to its root: setns(2). None for who may not.
    """
    result = outcome(_reenter_mount_namespace)
    return {0: False, _ROOT_CHANGED: True}.get(result)


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
