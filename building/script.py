"""Make the command that is installed of bin/pyunshare, so that it starts sooner.

Python compiles a script anew at each start, and to compile a search for the package takes longer
than all that a launch does. So the installed command tries one place in a few words first. Only
if pyunshare is not there, it compiles bin/pyunshare, which it carries as text.
"""

from typing import Optional

TEMPLATE = '''\
{first_line}
"""Run pyunshare from where it was installed. Made by building/script.py."""

import _signal

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # so Ctrl-C ends this as it does a C program

import sys
from _frozen_importlib_external import SourceFileLoader

try:
    library = {library}
    directory = library + "/pyunshare"
    exec(SourceFileLoader("amalgamation", directory + "/amalgamation.py").get_code("amalgamation"))
except OSError:
    # It is elsewhere. This is a text, for to compile it each time would take long.
    exec(\'\'\'
{search}\'\'\')

main()
'''

# Beside the command, as in a virtual environment
USUAL_PLACE = '__file__.removesuffix("pyunshare") + "../lib/python3.%d/site-packages"'
USUAL_PLACE += " % sys.version_info[1]"


def installed_script(search: str, library: Optional[str] = None) -> str:
    """Return the text of the command to install.

    ``search`` is the text of bin/pyunshare, and ``library`` is the directory that has the package
    ``pyunshare`` in it, if that is known. Raises ValueError if ``search`` cannot be quoted.
    """
    if "\\" in search or "'''" in search:
        raise ValueError("no backslash or ''' can stand in this text, which is to be quoted")
    first_line, _, text = search.partition("\n")
    place = USUAL_PLACE if library is None else repr(library)
    return TEMPLATE.format(first_line=first_line, library=place, search=text)
