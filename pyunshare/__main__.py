"""``python3 -m pyunshare``: the command, from a clone or an installed package."""

import _signal
import sys

try:
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # from now on, Ctrl-C is no traceback
except OSError:
    pass  # a seccomp(2) filter refuses that, and refused Python the handler

sys.dont_write_bytecode = True
from pyunshare.loading import load_carefully  # noqa: E402

load_carefully(__file__.rpartition("/")[0])

from pyunshare.command import main  # noqa: E402

main("pyunshare" if __name__ == "__main__" else None)
