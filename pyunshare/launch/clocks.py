"""The step of a launch that sets the clocks of the new time namespace: time_namespaces(7)."""

from ..files import write_file
from ..syscalls import CLOCK_BOOTTIME, CLOCK_MONOTONIC

CLOCK_OFFSETS = "/proc/self/timens_offsets"


def set_clock_offsets(offsets: "dict[int, int]") -> None:
    """Set the clocks that seconds are given for, by clock number. Raises Failure."""
    for clock in (CLOCK_BOOTTIME, CLOCK_MONOTONIC):
        if clock in offsets:
            text = f"{clock} {offsets[clock]} 0"
            wordings = f"failed to open {CLOCK_OFFSETS}", f"failed to write to {CLOCK_OFFSETS}"
            write_file(CLOCK_OFFSETS, text, *wordings)
