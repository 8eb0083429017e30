"""CPython with another C library, musl, which Alpine has."""

from __future__ import annotations

from tests.everywhere.pythons import PACKAGES_OF_DEBIAN, SOURCES, BuildFromSource

# Debian has musl, but nothing that was compiled for it. musl has no headers of the kernel. Threads
# get a larger stack than its 128 kB, which Python's own recursion would be too much for.
MUSL = f"""{SOURCES}
apt-get -qq install --no-install-recommends \
    autoconf automake libltdl-dev libtool musl-dev musl-tools
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
{PACKAGES_OF_DEBIAN}/opt/python/bin/python3 -c 'import ctypes, pexpect, pytest, zlib'
"""


ENVIRONMENTS = BuildFromSource(
    "trixie", "trixie-musl", MUSL, "/opt/python/bin/python3"
).environments(
    "cpython-musl",
    "CPython 3.13 with musl",
    "trixie's sources of python3.13, libffi and zlib, with its musl-gcc",
)
