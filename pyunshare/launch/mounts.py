"""The mounts that a launch makes: mount(2), mount_namespaces(7)."""

from ..errors import checked
from ..syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_REC, mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import Wording


def mount_kernel_files(kind: str, target: str) -> None:
    """Mount a file system of the kernel's own. Raises Failure."""
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    wording = "mount %s failed", target
    checked("mount", wording, mount, kind, target, kind, flags, path=target)


def set_propagation(target: str, propagation: int, wording: "Wording") -> None:
    """Change the propagation of a mount and of all below it. Raises Failure."""
    checked("mount", wording, mount, "none", target, None, MS_REC | propagation, path=target)
