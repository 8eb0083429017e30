"""The start of pyunshare.pyz, which building/one_file.py puts there as __main__.py.

It is compiled at each launch, so it is short; and Pythons that are too old have to be able to
read it, so its syntax is old.
"""

import sys

if sys.version_info < (3, 9):  # noqa: UP036
    sys.exit(
        "%s: needs Python 3.9 or newer, and this is %d.%d: put another one before it, as in "  # noqa: UP031
        "'python3.9 -ISXutf8 %s'" % ((sys.argv[0],) + sys.version_info[:2] + (sys.argv[0],))  # noqa: RUF005
    )

import _signal

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # so Ctrl-C ends this as it does a C program

from zipimport import ZipImportError, zipimporter

# As in bin/pyunshare: what every launch needs is run here.
archive = sys.path.pop(0)  # all else is to come from Python's own library
if archive[0] != "/":
    sys.exit(archive + ": cannot tell where this is")
for place in ("%d.%d" % sys.version_info[:2], "source"):  # noqa: UP031
    directory = "%s/%s/pyunshare" % (archive, place)  # noqa: UP031
    try:
        code = zipimporter(directory).get_code("amalgamation")
    except ZipImportError:
        continue
    exec(code)
    break

if sys.argv[1:2] == ["--doctor"] and sys.argv[0].endswith(".pyz"):
    sys.path.append(directory.rpartition("/")[0])
    from pyunshare.doctor.__main__ import begin, restart

    if sys.argv[2:3] != [""]:  # an empty word is ours, and says that all this is isolated by now
        restart([archive, "--doctor", ""], sys.argv[2:])
    begin(sys.argv[3:])
main()  # noqa: F821
