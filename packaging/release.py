#!/usr/bin/env python3
"""Build every artifact of a release into dist/, with their checksums.

    packaging/release.py [--here] [--output DIRECTORY] [--only KIND,...] [TAG]

A tag is checked out of git and has to be the version. Without one, this directory is built as it
is: an unpacked sdist, which needs no git, or a clone. Everything is built in clean roots of Debian,
twice and compared, or with --here by the Python that runs this. docs/releasing.md has the rest.
"""

import argparse
import email.utils
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import debian_roots

HERE = Path(__file__).resolve().parent.parent
KINDS = ("sdist", "wheel", "one-file", "sbom", "rpm", "debian")
TOOLS = ("build", "setuptools", "twine", "check_wheel_contents", "pyroma", "cyclonedx_py")
# Of the first is what is released; in the second the same has to come out, or to work.
SUITES = ("trixie", "sid")
IN_ROOTS = ("cpio", "python3-hypothesis", "python3-pip", "python3-pytest")
IN_ROOTS += ("python3-pytest-timeout", "python3-setuptools", "python3-venv", "rpm", "rpmlint")
CHECKSUMS = "SHA256SUMS"

# (file, what stands before the version there)
VERSIONS = {
    "pyunshare/version.py": r'^__version__ = "',
    "packaging/alpine/APKBUILD": r"^pkgver=",
    "packaging/arch/PKGBUILD": r"^pkgver=",
    "packaging/debian/changelog": r"\Apyunshare \(",
    "packaging/rpm/pyunshare.spec": r"^Version: +",
    "man/pyunshare.1": r'^\.TH PYUNSHARE "1" "[^"]*" "pyunshare ',
}


def main() -> None:
    """Build what the command line asks for, or end with one line that says why not."""
    parser = argparse.ArgumentParser(description="Build every artifact of a release.")
    parser.add_argument(
        "--here", action="store_true", help="build with this Python, not in clean roots of Debian"
    )
    parser.add_argument("--output", type=Path, default=Path("dist"), metavar="DIRECTORY")
    parser.add_argument(
        "--only", default=",".join(KINDS), metavar="KIND,...", help=", ".join(KINDS)
    )
    parser.add_argument("tag", nargs="?", metavar="TAG")
    arguments = parser.parse_args()
    kinds = arguments.only.split(",")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        parser.error(f"there is no artifact named {unknown[0]}")
    os.umask(0o022)
    try:
        with tempfile.TemporaryDirectory() as directory:
            source = checked_out(arguments.tag, Path(directory)) if arguments.tag else HERE
            check_version(source, arguments.tag)
            os.environ.setdefault("SOURCE_DATE_EPOCH", str(date_of_release(source)))
            work = build if arguments.here else build_in_roots
            publish(work(source, kinds, Path(directory)), arguments.output)
    except ReleaseError as error:
        sys.exit(f"{sys.argv[0]}: {error}")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{sys.argv[0]}: failed: {error}")


class ReleaseError(Exception):
    """What has to be mended before there can be a release."""


def checked_out(tag: str, directory: Path) -> Path:
    """Return the directory that the files of a tag are put into."""
    if not (HERE / ".git").exists() or not shutil.which("git"):
        raise ReleaseError(
            f"{tag} would be taken from git, but this is no clone, or git is missing"
        )
    known = run(
        ["git", "-C", HERE, "rev-parse", "--quiet", "--verify", f"refs/tags/{tag}"], check=False
    )
    if known.returncode != 0:
        raise ReleaseError(f"there is no tag {tag}")
    archive = directory / "source.tar"
    run(["git", "-C", HERE, "archive", "--output", archive, f"refs/tags/{tag}"])
    source = directory / "source"
    source.mkdir()
    run(["tar", "-xf", archive, "-C", source])
    return source


def check_version(source: Path, tag: "str | None") -> None:
    """Raise ReleaseError unless everything is of one version, that of the tag if there is one."""
    version = the_version(source)
    if tag is None:
        return
    if tag.lstrip("v") != version:
        raise ReleaseError(f"the tag is {tag}, and the version {version}")
    if not re.search(rf"^## {re.escape(version)}\b", (source / "CHANGELOG.md").read_text(), re.M):
        raise ReleaseError(f"CHANGELOG.md has no section for {version}")


def build_in_roots(source: Path, kinds: "list[str]", directory: Path) -> Path:
    """Build in a clean root of each suite; return the directory of what is to be released."""
    sys.path.insert(0, str(HERE / "tests"))
    import debian_roots

    built = {}
    for suite in SUITES:
        say(f"Debian {suite}")
        built[suite] = directory / suite
        try:
            with debian_roots.fresh(suite) as root:
                root.install(*IN_ROOTS)
                build_in_root(root, source, kinds, built[suite])
        except debian_roots.RootError as error:
            raise ReleaseError(str(error)) from error
        if "debian" in kinds:
            (sdist,) = built[suite].glob("*.tar.gz")
            script = source / "packaging" / "debian_package"
            run([script, suite, sdist, built[suite]], quiet=False)
    released, other = (built[suite] for suite in SUITES)
    for name in sorted(path.name for path in released.iterdir()):
        is_same = (other / name).exists() and digest(released / name) == digest(other / name)
        say(f"{name}: {'the same' if is_same else 'another'} in {SUITES[1]}")
        if name.endswith(".tar.gz") and not is_same:
            raise ReleaseError(f"{name} has to be the same everywhere")
    return released


def build_in_root(
    root: "debian_roots.Root", source: Path, kinds: "list[str]", output: Path
) -> None:
    """Build all but the Debian packages in a clean root, twice, and compare."""
    in_root = "--only=" + ",".join(["sdist", *(kind for kind in kinds if kind != "debian")])
    tools = "/srv/tools/bin/python"
    requirements = "/srv/source/packaging/requirements.txt"
    copy = shutil.ignore_patterns(".git", ".tox", "dist")
    shutil.copytree(source, root.path / "srv" / "source", symlinks=True, ignore=copy)
    lines = [
        ["python3", "-m", "venv", "/srv/tools"],
        [tools, "-m", "pip", "install", "--quiet", "--requirement", requirements],
        # The second time elsewhere, and under a umask that lets nobody else read
        ["cp", "-r", "/srv/source", "/srv/again"],
        ["chmod", "-R", "go=", "/srv/again"],
    ]
    for place in ("/srv/source", "/srv/again"):
        script = f"{place}/packaging/release.py"
        umask = "umask 077" if place == "/srv/again" else "umask 022"
        words = [tools, script, "--here", "--output", f"{place}/built", in_root]
        lines.append(["sh", "-c", f"{umask}; cd {place}; exec " + " ".join(words)])
    epoch = {"SOURCE_DATE_EPOCH": os.environ["SOURCE_DATE_EPOCH"]}
    for line in lines:
        done = root.run(line, epoch)
        if done.returncode != 0:
            print(done.stdout, end="", file=sys.stderr)
            raise ReleaseError(f"{' '.join(line)} failed")
    first, second = (root.path / "srv" / place / "built" for place in ("source", "again"))
    for path in first.iterdir():
        if digest(path) != digest(second / path.name):
            raise ReleaseError(f"{path.name} was built twice, and is not the same")
    shutil.copytree(first, output)
    (output / CHECKSUMS).unlink()


def build(source: Path, kinds: "list[str]", directory: Path) -> Path:
    """Build by the Python that runs this; return the directory of what was built."""
    missing = [tool for tool in TOOLS if importlib.util.find_spec(tool) is None]
    if missing:
        raise ReleaseError(f"{missing[0]} is missing: install packaging/requirements.txt")
    version = the_version(source)
    made = directory / "made"
    made.mkdir()
    # The sdist is what the others are made from, so that it is known to be enough.
    say("sdist")
    no_isolation = [sys.executable, "-m", "build", "--no-isolation"]
    run([*no_isolation, "--sdist", "--outdir", directory, source])
    sdist = directory / f"pyunshare-{version}.tar.gz"
    run([sys.executable, "-m", "twine", "check", "--strict", sdist])
    run([sys.executable, "-m", "pyroma", "--min", "10", sdist])
    run(["tar", "-xf", sdist, "-C", directory])
    unpacked = directory / f"pyunshare-{version}"
    if "sdist" in kinds:
        shutil.copy(sdist, made)
    if {"wheel", "sbom"}.intersection(kinds):
        wheel = build_wheel(unpacked, directory / "wheel")
        if "wheel" in kinds:
            shutil.copy(wheel, made)
        if "sbom" in kinds:
            build_sbom(wheel, directory, made / f"pyunshare-{version}.cdx.json")
    if "one-file" in kinds:
        say("one file")
        program = [sys.executable, unpacked / "building" / "one_file.py"]
        run([*program, "--output", made / "pyunshare.pyz", *pythons()])
        run([made / "pyunshare.pyz", "--version"])
    if "rpm" in kinds:
        say("rpm")
        run([unpacked / "packaging" / "rpm_package", sdist, made], quiet=False)
    if "debian" in kinds:
        say("debian")
        run([unpacked / "packaging" / "debian_package", SUITES[0], sdist, made], quiet=False)
    return made


def build_sbom(wheel: Path, directory: Path, output: Path) -> None:
    """Write which components the wheel consists of, in CycloneDX's format: itself, and no other."""
    say("sbom")
    environment = directory / "environment"
    run([sys.executable, "-m", "venv", "--without-pip", environment])
    python = environment / "bin" / "python"
    # By its name, for of a wheel that is named by its path the path would be written down.
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    run([*pip, "--find-links", wheel.parent, "pyunshare"])
    line = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    run([*line, "--output-file", output, python])


def publish(made: Path, output: Path) -> None:
    """Put what was built into the directory for it, with checksums."""
    names = sorted(path.name for path in made.iterdir())
    (made / CHECKSUMS).write_text("".join(f"{digest(made / name)}  {name}\n" for name in names))
    output.mkdir(parents=True, exist_ok=True)
    for name in [*names, CHECKSUMS]:
        shutil.copy(made / name, output)
        say(output / name)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build_wheel(source: Path, output: Path) -> Path:
    """Build the wheel, and have it checked; return its path."""
    say("wheel")
    line = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", output, source]
    # A wheel for everybody names no interpreter and no directory of this machine. Installers that
    # compile nothing, such as uv, find what the Pythons here have compiled.
    settings = {"PYUNSHARE_INTERPRETER": "python", "PYUNSHARE_LIBRARY": ""}
    compiled_for = {"PYUNSHARE_COMPILE_FOR": ":".join(pythons())}
    run(line, env={**os.environ, **settings, **compiled_for})
    (wheel,) = output.glob("*.whl")
    run([sys.executable, "-m", "twine", "check", "--strict", wheel])
    run([sys.executable, "-m", "check_wheel_contents", wheel])
    return wheel


def the_version(source: Path) -> str:
    """Return the version of the package. Raises ReleaseError if another file has another."""
    found = {}
    for name, before in VERSIONS.items():
        match = re.search(before + r"(\d+(\.\d+)+)", (source / name).read_text(), re.MULTILINE)
        found[name] = match[1] if match else "none"
    version = found["pyunshare/version.py"]
    for name, other in found.items():
        if other != version:
            raise ReleaseError(f"the version is {version}, and in {name} it is {other}")
    return version


def date_of_release(source: Path) -> int:
    """Return the date of the release, of Debian's changelog, in seconds since 1970."""
    changelog = (source / "packaging" / "debian" / "changelog").read_text()
    match = re.search(r"^ -- .*>  (.*)$", changelog, re.MULTILINE)
    if match is None:
        raise ReleaseError("packaging/debian/changelog has no date")
    return int(email.utils.parsedate_to_datetime(match[1]).timestamp())


def pythons() -> "list[str]":
    """Return an interpreter of each version found here, oldest first."""
    found = {}
    places = os.environ.get("TOX_DISCOVER", "").split(os.pathsep)
    for minor in range(9, 30):
        for place in [*places, f"/usr/bin/python3.{minor}", shutil.which(f"python3.{minor}") or ""]:
            asked = f"import sys; sys.exit(sys.version_info[:2] != (3, {minor}))"
            if os.path.isfile(place) and run([place, "-ISc", asked], check=False).returncode == 0:
                found.setdefault(minor, place)
    return list(found.values()) or [sys.executable]


def say(what: object) -> None:
    """Print what is being done."""
    print(what, flush=True)


def run(
    words: "list[str | Path]",
    check: bool = True,
    quiet: bool = True,
    env: "dict[str, str] | None" = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a program, and show its output only if it fails. Raises ReleaseError."""
    into = subprocess.PIPE if quiet else None
    done = subprocess.run(
        list(map(str, words)),
        stdout=into,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
        env=env,
    )
    if check and done.returncode != 0:
        print(done.stdout or "", end="", file=sys.stderr)
        raise ReleaseError(f"{' '.join(map(str, words))} failed")
    return done


if __name__ == "__main__":
    main()
