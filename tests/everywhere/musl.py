"""CPython with another C library, musl, which Alpine has."""

from __future__ import annotations

import functools

from tests import debian_roots
from tests.debian_roots import CLONE
from tests.everywhere.environment import Environment, Visit
from tests.everywhere.pythons import SOURCES, with_python

# Debian has musl, but nothing that was compiled for it. musl has no headers of the kernel. Threads
# get a larger stack than its 128 kB, which Python's own recursion would be too much for.
MUSL = f"""{SOURCES}
apt-get -qq install --no-install-recommends \
    autoconf automake libltdl-dev libtool musl-dev musl-tools python3-pexpect
apt-get -qq source python3.13
apt-get -qq source libffi
apt-get -qq source --tar-only zlib
tar xf zlib*.tar.*

mkdir /opt/kernel
ln -s /usr/include/linux /usr/include/asm-generic "/usr/include/$(gcc --print-multiarch)/asm" \
    /opt/kernel
cat >/usr/local/bin/musl-cc <<'EOF'
#!/bin/sh
case " $* " in *" --print-multiarch "*) echo "$(uname -m)-linux-musl"; exit ;; esac
exec musl-gcc "$@" -idirafter /opt/kernel
EOF
chmod +x /usr/local/bin/musl-cc
export CC=musl-cc CFLAGS='-O2 -fPIC' LDFLAGS=-Wl,-z,stack-size=1048576

cd libffi-*/
autoreconf -fi
./configure -q --prefix=/opt/musl --disable-shared --disable-docs --with-pic
make -s -j2 install
cd ../zlib*/
./configure --static --prefix=/opt/musl
make -s -j2 install
cd ../python3.13-*/
./configure -q --disable-test-modules --with-ensurepip=no --prefix=/opt/python \
    LIBFFI_CFLAGS=-I/opt/musl/include LIBFFI_LIBS='-L/opt/musl/lib -lffi' \
    ZLIB_CFLAGS=-I/opt/musl/include ZLIB_LIBS='-L/opt/musl/lib -lz'
make -s -j2
make -s install
cd /
rm -r /usr/src/here

# Those of Debian's packages that are written in Python alone
packages=$(/opt/python/bin/python3 -c 'import site; print(site.getsitepackages()[-1])')
mkdir -p "$packages"
echo /usr/lib/python3/dist-packages >"$packages/debian.pth"
/opt/python/bin/python3 -c 'import ctypes, pexpect, pytest, zlib'
"""


def tests(visit: Visit) -> None:
    """Compare the launches, and run the tests."""
    prepare = functools.partial(with_python, "trixie", MUSL, visit)
    with debian_roots.prepared("trixie-musl", "trixie", prepare, anew=visit.anew) as root:
        visit.say(f"cloning {root.clone()}")
        begin = f"cd {CLONE}; export PYUNSHARE_REFERENCE=$(tests/fetch_reference)"
        python = "/opt/python/bin/python3"
        for what, words in (
            ("launches", f"{python} tests/everywhere/launches.py"),
            ("tests", f"HYPOTHESIS_PROFILE=few {python} -m pytest -m 'not thorough'"),
        ):
            visit.run(what, root.line(["sh", "-euc", f"{begin}; {words}"]))


ENVIRONMENTS = [
    Environment(
        "cpython-musl",
        "CPython 3.13 with musl",
        "trixie's sources of python3.13, libffi and zlib, with its musl-gcc",
        tests,
    ),
]
