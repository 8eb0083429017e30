"""``python3 -m pyunshare``: the command, from a checkout or an installed package."""

import _signal

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # from now on, Ctrl-C is no traceback

from pyunshare.command import main

main("pyunshare")
