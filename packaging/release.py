#!/usr/bin/env python3
"""Build every artefact of a release into dist/, with their checksums.

    packaging/release.py [--output DIRECTORY] [--only KIND,...] [TAG]

A tag is checked out of git and has to be the version. Without one, this directory is built as it
is: an unpacked sdist, which needs no git, or a clone. docs/releasing.md tells the rest.
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

HERE = Path(__file__).resolve().parent.parent
KINDS = ("sdist", "wheel", "one-file", "debian", "rpm")
TOOLS = ("build", "setuptools", "twine", "check_wheel_contents")
CHECKSUMS = "SHA256SUMS"

# (file, what stands before the version there)
VERSIONS = {
    "pyunshare/version.py": r'^__version__ = "',
    "packaging/debian/changelog": r"\Apyunshare \(",
    "packaging/rpm/pyunshare.spec": r"^Version: +",
    "man/pyunshare.1": r'^\.TH PYUNSHARE "1" "[^"]*" "pyunshare ',
}


def main() -> None:
    """Build what the command line asks for; end with one line where that cannot be."""
    parser = argparse.ArgumentParser(description="Build every artefact of a release.")
    parser.add_argument("--output", type=Path, default=Path("dist"), metavar="DIRECTORY")
    parser.add_argument(
        "--only", default=",".join(KINDS), metavar="KIND,...", help=", ".join(KINDS)
    )
    parser.add_argument("tag", nargs="?", metavar="TAG")
    arguments = parser.parse_args()
    kinds = arguments.only.split(",")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        parser.error(f"there is no artefact named {unknown[0]}")
    os.umask(0o022)
    try:
        with tempfile.TemporaryDirectory() as directory:
            source = checked_out(arguments.tag, Path(directory)) if arguments.tag else HERE
            build(source, arguments.output.absolute(), kinds, arguments.tag)
    except ReleaseError as error:
        sys.exit(f"{sys.argv[0]}: {error}")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{sys.argv[0]}: failed: {error}")


class ReleaseError(Exception):
    """What somebody has to see to before there can be a release."""


def checked_out(tag: str, directory: Path) -> Path:
    """Return the directory that the files of a tag are put into."""
    if not (HERE / ".git").exists() or not shutil.which("git"):
        raise ReleaseError(
            f"{tag} is to be taken from git, and this is no clone, or git is missing"
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


def build(source: Path, output: Path, kinds: "list[str]", tag: "str | None") -> None:
    """Build the artefacts of these kinds."""
    version = the_version(source)
    if tag is not None:
        if tag.lstrip("v") != version:
            raise ReleaseError(f"the tag is {tag}, and the version {version}")
        if not re.search(
            rf"^## {re.escape(version)}\b", (source / "CHANGELOG.md").read_text(), re.M
        ):
            raise ReleaseError(f"CHANGELOG.md says nothing of {version}")
    missing = [tool for tool in TOOLS if importlib.util.find_spec(tool) is None]
    if missing:
        raise ReleaseError(f"{missing[0]} is missing: install packaging/requirements.txt")
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(date_of_release(source)))
    output.mkdir(parents=True, exist_ok=True)
    # The sdist is what the others are made from, so that it is known to be enough.
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        say("sdist")
        run(
            [
                sys.executable,
                "-m",
                "build",
                "--no-isolation",
                "--sdist",
                "--outdir",
                directory,
                source,
            ]
        )
        sdist = directory / f"pyunshare-{version}.tar.gz"
        run([sys.executable, "-m", "twine", "check", "--strict", sdist])
        run(["tar", "-xf", sdist, "-C", directory])
        unpacked = directory / f"pyunshare-{version}"
        made = directory / "made"
        made.mkdir()
        if "sdist" in kinds:
            shutil.copy(sdist, made)
        if "wheel" in kinds:
            build_wheel(unpacked, made)
        if "one-file" in kinds:
            say("one file")
            program = [sys.executable, unpacked / "building" / "one_file.py"]
            run([*program, "--output", made / "pyunshare.pyz", *pythons()])
            run([made / "pyunshare.pyz", "--version"])
        for kind in ("debian", "rpm"):
            if kind in kinds:
                say(kind)
                run([unpacked / "packaging" / f"{kind}_package", sdist, made], quiet=False)
        names = sorted(path.name for path in made.iterdir())
        sums = [
            f"{hashlib.sha256((made / each).read_bytes()).hexdigest()}  {each}\n" for each in names
        ]
        (made / CHECKSUMS).write_text("".join(sums))
        for name in [*names, CHECKSUMS]:
            shutil.copy(made / name, output)
            say(output / name)


def build_wheel(source: Path, output: Path) -> None:
    """Build the wheel, and have it checked."""
    say("wheel")
    line = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", output, source]
    # A wheel for everybody names no interpreter and no directory of this machine.
    settings = {"PYUNSHARE_INTERPRETER": "python", "PYUNSHARE_LIBRARY": ""}
    run(line, env={**os.environ, **settings})
    (wheel,) = output.glob("*.whl")
    run([sys.executable, "-m", "twine", "check", "--strict", wheel])
    run([sys.executable, "-m", "check_wheel_contents", wheel])


def the_version(source: Path) -> str:
    """Return the version, which stands in one place. Raises ReleaseError if another differs."""
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
    """Return when the release was made, in seconds since 1970: what Debian's changelog says."""
    changelog = (source / "packaging" / "debian" / "changelog").read_text()
    match = re.search(r"^ -- .*>  (.*)$", changelog, re.MULTILINE)
    if match is None:
        raise ReleaseError("packaging/debian/changelog has no date")
    return int(email.utils.parsedate_to_datetime(match[1]).timestamp())


def pythons() -> "list[str]":
    """Return an interpreter of each version that there is here, oldest first."""
    found = {}
    places = os.environ.get("TOX_DISCOVER", "").split(os.pathsep)
    for minor in range(9, 30):
        for place in [*places, f"/usr/bin/python3.{minor}", shutil.which(f"python3.{minor}") or ""]:
            asked = f"import sys; sys.exit(sys.version_info[:2] != (3, {minor}))"
            if os.path.isfile(place) and run([place, "-ISc", asked], check=False).returncode == 0:
                found.setdefault(minor, place)
    return list(found.values()) or [sys.executable]


def say(what: object) -> None:
    """Tell how far it is."""
    print(what, flush=True)


def run(
    words: "list[str | Path]",
    check: bool = True,
    quiet: bool = True,
    env: "dict[str, str] | None" = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a program; show what it said only if it fails."""
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
