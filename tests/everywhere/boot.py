"""Start a machine, and be in the place of the program that runs in it: print what that prints.

    python3 -m tests.everywhere.boot CONSOLE EMULATOR [ARGUMENT...]

The machine sends it on the standard output of the emulator, in the frames of `frames.py`; what its
kernel says is in the file CONSOLE. The status is that of the program. The machine ends when this
does.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from pyunshare import syscalls
from tests import debian_roots
from tests.everywhere.frames import Damage, received

GRACE = 20  # seconds, for a machine to switch itself off
LAST = 30  # lines of what the kernel said, where something went wrong


def main() -> int:
    """Start the machine of the command line."""
    console, line = Path(sys.argv[1]), sys.argv[2:]
    debian_roots.end_in_order()
    status = None
    with subprocess.Popen(
        [*debian_roots.isolated(), *line], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as machine:
        assert machine.stdout
        try:
            for frame in received(machine.stdout):
                if frame.kind == "status":
                    status = int(frame.content)
                else:
                    sys.stdout.buffer.write(frame.content)
                    sys.stdout.flush()
            machine.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
        except Damage as error:
            print(f"no more from the machine: {error}")
        finally:
            machine.kill()
            if status is None and console.exists():
                said = console.read_text(errors="replace").splitlines()
                print("\n".join(["the kernel's last words:", *said[-LAST:]]))
    if status is None:
        print("the machine has not told how its tests ended")
    return 3 if status is None else status


if __name__ == "__main__":
    syscalls.load_c_library()
    syscalls.set_parent_death_signal(signal.SIGTERM)
    sys.exit(main())
