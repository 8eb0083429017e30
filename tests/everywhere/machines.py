"""Virtual machines: the kernels of Debian's releases, and another architecture as a whole.

Each starts from a root directory in memory, with bookworm's Python and pytest. What is compiled is
compiled beforehand: there `cc` only copies it.
"""

from __future__ import annotations

import functools
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tests.debian_roots import CHECKOUT
from tests.everywhere import compiled, unpacked
from tests.everywhere.compiled import VARIABLES
from tests.everywhere.environment import CannotBeMade, Environment, Visit

PACKAGES = (
    *("apparmor", "bash", "busybox-static", "coreutils", "dash", "grep", "hostname", "kmod"),
    *("libc-bin", "mount", "passwd", "procps", "python3", "python3-hypothesis", "python3-pytest"),
    *("python3-pytest-timeout", "sed", "uidmap", "util-linux"),
)
MODULES = ("binfmt_misc",)  # that are not in the kernel itself
MEMORY = 1536  # MB
PATIENCE = 15.0  # minutes, for one machine
PYTEST = "python3 -m pytest -p no:cacheprovider"
CLONE = "root/pyunshare"  # a directory that only root may enter

INIT = """\
#!/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root LANG=C.UTF-8
export PATH HOME LANG
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for module in /modules/*; do insmod "$module"; done
hostname machine
stty -F @PORT raw -echo
cd /root/pyunshare
python3 -m tests.everywhere.frames @PORT /bin/sh /tests
busybox reboot -f
"""


class Machine(NamedTuple):
    """A machine that can be emulated."""

    arch: str  # Debian's name
    program: str
    options: Sequence[str]
    console: str
    port: str
    port_options: Sequence[str]


PC = Machine(
    "amd64",
    "qemu-system-x86_64",
    ("-machine", "pc", "-accel", "tcg"),
    "ttyS0",
    "/dev/ttyS1",
    ("-device", "isa-serial,chardev=port"),
)
ARM = Machine(
    "arm64",
    "qemu-system-aarch64",
    ("-machine", "virt", "-cpu", "cortex-a72", "-accel", "tcg"),
    "ttyAMA0",
    "/dev/ttyS0",
    ("-device", "pci-serial,chardev=port"),
)


def kernel(suite: str, arch: str, path: Path) -> None:
    """Unpack a suite's kernel for virtual machines. Raises CannotBeMade."""
    directory = path / "apt"
    archive = unpacked.Archive(suite, arch, directory)
    packages = archive.fetch(
        f"linux-image-cloud-{arch}", only=r"linux-(image|modules|binary|base)-\d.*"
    )
    unpacked.unpack(packages, path)
    shutil.rmtree(directory)


def system(arch: str, path: Path) -> None:
    """Unpack what a machine starts with, and compile the modules where this machine can."""
    unpacked.system("bookworm", arch, PACKAGES, path)
    compiling = "exec python3 -m compileall -q /usr/lib/python3*"
    line = ["chroot", path, "/bin/sh", "-c", compiling]
    subprocess.run(line, stderr=subprocess.DEVNULL, check=False)


def start(
    visit: Visit, machine: Machine, suite: str, what: str, parameters: str, script: str
) -> None:
    """Run a shell script that runs tests, in a machine with the kernel of a suite."""
    if not shutil.which(machine.program):
        raise CannotBeMade(f"no qemu: {machine.program} is missing")
    arch = machine.arch
    visit.say(f"getting the kernel of {suite} for {arch}")
    make_kernel = functools.partial(kernel, suite, arch)
    with (
        unpacked.kept(f"kernel-{suite}-{arch}", make_kernel, visit.anew) as tree,
        unpacked.kept(f"machine-{arch}", functools.partial(system, arch), visit.anew) as root,
        compiled.programs(arch, visit.anew) as programs,
    ):
        (image,) = tree.glob("**/vmlinu[xz]*")
        (release,) = (path.name for path in tree.glob("**/lib/modules/*"))
        memory = visit.directory / "memory"
        with memory.open("wb") as file:
            pack(file, files_of(root))
            for each in programs:
                pack(file, files_of(each))
            pack(file, modules(tree))
            pack(file, clone())
            init = INIT.replace("@PORT", machine.port)
            pack(file, [("init", 0o100755, init.encode()), ("tests", 0o100644, script.encode())])
    console = visit.directory / "console"
    visit.run(
        f"{what}, Linux {release}",
        [
            *(sys.executable, "-m", "tests.everywhere.boot", console),
            *(machine.program, *machine.options, "-m", str(MEMORY)),
            *("-nodefaults", "-display", "none", "-no-reboot"),
            *("-chardev", f"file,id=console,path={console}", "-serial", "chardev:console"),
            *("-chardev", "stdio,id=port,signal=off", *machine.port_options),
            *("-kernel", image, "-initrd", memory),
            *(
                "-append",
                f"console={machine.console} panic=-1 loglevel=5 mitigations=off {parameters}",
            ),
        ],
        {"PYTHONPATH": str(CHECKOUT)},
        PATIENCE,
    )


# ---- the root directory in memory ---------------------------------------------------------------

File = tuple[str, int, bytes]  # path, mode and content: initramfs buffer format of Linux


def pack(archive: BinaryIO, files: Iterable[File]) -> None:
    """Write files in the format that the kernel unpacks at its start, that of cpio -H newc."""
    for number, (path, mode, content) in enumerate([*files, ("TRAILER!!!", 0, b"")]):
        name = os.fsencode(path) + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0]
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        archive.write(header + name + b"\0" * (-(len(header) + len(name)) % 4))
        archive.write(content + b"\0" * (-len(content) % 4))


def files_of(directory: Path) -> Iterable[File]:
    """Give all that is in a directory; there everything is root's."""
    for path in sorted(directory.rglob("*")):
        mode = path.lstat().st_mode
        content = b""
        if stat.S_ISLNK(mode):
            content = os.fsencode(os.readlink(path))
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        yield str(path.relative_to(directory)), mode, content


def modules(tree: Path) -> Iterable[File]:
    """Give the modules that are to be loaded."""
    yield "modules", 0o040755, b""
    for name in MODULES:
        for path in tree.glob(f"**/{name}.ko*"):
            yield f"modules/{path.name}", 0o100644, path.read_bytes()


def clone() -> Iterable[File]:
    """Give what is committed."""
    line = ["git", "-C", str(CHECKOUT), "archive", "--format=tar", f"--prefix={CLONE}/", "HEAD"]
    content = subprocess.run(line, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            if member.isdir():
                mode = 0o040700 if member.name == CLONE else 0o040755
                yield member.name, mode, b""
            elif member.issym():
                yield member.name, 0o120777, os.fsencode(member.linkname)
            else:
                file = archive.extractfile(member)
                yield member.name, 0o100000 | member.mode, file.read() if file else b""


# ---- what runs in them --------------------------------------------------------------------------

PREPARED = f"""\
python3 -B building/one_file.py --output /usr/local/bin/pyunshare /usr/bin/python3
export PYUNSHARE_MACHINE=1 {" ".join(f"{name}={value}" for name, value in VARIABLES.items())}
"""
LAUNCHES = (
    PREPARED + "exec python3 -IS tests/everywhere/launches.py --without-faults --without-programs"
)
SETTINGS = PREPARED + f"exec {PYTEST} tests/test_structures.py tests/everywhere/in_machine.py"


def compare(machine: Machine, suite: str, visit: Visit) -> None:
    """Compare launches with the kernel of a suite."""
    start(visit, machine, suite, "launches, without AppArmor", "apparmor=0", LAUNCHES)


def change_settings(machine: Machine, suite: str, visit: Visit) -> None:
    """Compare the launches that settings of the kernel of a suite change, and type hints."""
    with_apparmor = "apparmor=1 security=apparmor"
    start(visit, machine, suite, "settings, with AppArmor", with_apparmor, SETTINGS)


def kernel_of(
    name: str, machine: Machine, suite: str, is_for_ci: bool = False
) -> list[Environment]:
    """Return the environments of the kernel of a suite."""
    made = f"linux-image-cloud-{machine.arch} of {suite} in qemu, with python3 of bookworm"
    return [
        Environment(
            name,
            f"the kernel of {suite} for {machine.arch}",
            made,
            functools.partial(compare, machine, suite),
            is_quick=is_for_ci,
        ),
        Environment(
            f"{name}-settings",
            "limits, switches, control groups and AppArmor of that",
            made,
            functools.partial(change_settings, machine, suite),
        ),
    ]


ENVIRONMENTS = [
    *kernel_of("kernel-5.10", PC, "bullseye"),
    *kernel_of("kernel-6.1", PC, "bookworm"),
    *kernel_of("kernel-6.12", PC, "trixie"),
    *kernel_of("kernel-newest", PC, "sid", is_for_ci=True),
    *kernel_of("arm64", ARM, "bookworm"),
]
