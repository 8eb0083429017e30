"""Why a launch failed on this machine, and what to type about it. Private to pyunshare."""
