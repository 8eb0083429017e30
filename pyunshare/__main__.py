"""``python3 -m pyunshare``: the command, from a checkout or an installed package."""

from pyunshare.command import main

main("pyunshare")
