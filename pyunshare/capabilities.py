"""The step of a launch that keeps capabilities, and the calls that it makes: capabilities(7)."""

import _ctypes

from .errors import checked
from .syscalls import call

# <linux/prctl.h>, see prctl(2)
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2

# <linux/capability.h>, see capget(2)
LINUX_CAPABILITY_VERSION_3 = 0x20080522


class Capabilities:
    """The capability sets of this process as it was when they were read: capget(2).

    Making one raises OSError where the kernel refuses.
    """

    def __init__(self) -> None:
        word = type("Word", (_ctypes._SimpleCData,), {"_type_": "I"})
        words = type("Words", (_ctypes.Array,), {"_type_": word, "_length_": 6})
        self._header = words(LINUX_CAPABILITY_VERSION_3)
        self._words = words()  # effective, permitted, inheritable; then the upper half of each
        call("capget", self._header, self._words)

    @property
    def effective(self) -> int:
        """The capabilities that the kernel's checks look at, as a bit mask."""
        return int(self._words[0] | self._words[3] << 32)

    def make_permitted_inheritable(self) -> None:
        """Set the inheritable set to the permitted one: capset(2)."""
        for half in (0, 3):
            self._words[half + 2] = self._words[half + 1]
        call("capset", self._header, self._words)


def raise_ambient_capability(capability: int) -> None:
    """Add a capability to the ambient set: PR_CAP_AMBIENT(2const)."""
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def keep_capabilities() -> None:
    """Carry the capabilities over execve(2), which would drop them from any user but root."""
    capabilities = checked("capget", "capget failed", Capabilities)
    checked("capset", "capset failed", capabilities.make_permitted_inheritable)
    for capability in range(64):
        if capabilities.effective >> capability & 1:
            checked("prctl", "prctl(PR_CAP_AMBIENT) failed", raise_ambient_capability, capability)
