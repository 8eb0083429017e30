"""The addresses of the project and its version, written wherever else they stand.

setup.cfg has the addresses, and pyunshare/version.py the version. ``python3 -m building.addresses``
writes them, as part of ``tox -e generate``. Changelogs are written by hand.
"""

import configparser
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

CONTACT = "{author} <{author_email}>"
VERSION = r"(\d+(?:\.\d+)+)"

# (file, the places in it, what stands there)
PLACES = (
    ("README.md", rf"^pyunshare from pyunshare {VERSION}", "{version}"),
    ("docs/hints.md", rf"^pyunshare {VERSION}, Python", "{version}"),
    ("docs/packaging.md", rf"\bpyunshare[-_]{VERSION}", "{version}"),
    ("docs/releasing.md", rf"\bv{VERSION}", "{version}"),
    ("docs/replacing-unshare.md", rf"(?:from pyunshare|may differ:) {VERSION}", "{version}"),
    ("packaging/alpine/APKBUILD", rf"^pkgver={VERSION}", "{version}"),
    ("packaging/arch/PKGBUILD", rf"^pkgver={VERSION}", "{version}"),
    ("packaging/rpm/pyunshare.spec", rf"^Version: +{VERSION}", "{version}"),
    ("README.md", r"^\$ git clone (\S+)", "{repository}"),
    ("packaging/alpine/APKBUILD", r"^# Contributor: (.*)", CONTACT),
    ("packaging/alpine/APKBUILD", r"^# Maintainer: (.*)", CONTACT),
    ("packaging/alpine/APKBUILD", r'^url="(.*)"', "{homepage}"),
    ("packaging/alpine/APKBUILD", r'^source="(.*)pyunshare-', "{download}"),
    ("packaging/arch/PKGBUILD", r"^# Maintainer: (.*)", CONTACT),
    ("packaging/arch/PKGBUILD", r"^url=(.*)", "{homepage}"),
    ("packaging/arch/PKGBUILD", r'^source=\((.*)"\$pkgname', "{download}"),
    ("packaging/debian/changelog", r"^ -- (.*)  \w", CONTACT),
    ("packaging/debian/control", r"^Maintainer: (.*)", CONTACT),
    ("packaging/debian/control", r"^Homepage: (.*)", "{homepage}"),
    ("packaging/debian/control", r"^Vcs-Git: (\S+)", "{repository}"),
    ("packaging/debian/control", r"^Vcs-Browser: (.*)", "{source}"),
    ("packaging/debian/copyright", r"^Upstream-Contact: (.*)", CONTACT),
    ("packaging/debian/copyright", r"^Source: (.*)", "{download}"),
    ("packaging/debian/upstream/metadata", r"^Bug-Database: (.*)", "{issues}"),
    ("packaging/debian/upstream/metadata", r"^Bug-Submit: (.*)", "{issues}"),
    ("packaging/debian/upstream/metadata", r"^Changelog: (.*)", "{changelog}"),
    ("packaging/debian/upstream/metadata", r"^Repository: (.*)", "{repository}"),
    ("packaging/debian/upstream/metadata", r"^Repository-Browse: (.*)", "{source}"),
    ("packaging/debian/watch", r"^Source: (.*)", "{download}"),
    ("packaging/rpm/pyunshare.spec", r"^URL: +(.*)", "{homepage}"),
    ("packaging/rpm/pyunshare.spec", r"^Source0: +(.*)%\{name\}", "{download}"),
    ("packaging/rpm/pyunshare.spec", r"^\* \w+ \w+ \d+ \d+ (.*) - ", CONTACT),
)


def main() -> None:
    """Write the addresses into every file of PLACES."""
    known = addresses()
    for name, pattern, template in PLACES:
        path = PROJECT / name
        text = path.read_text(encoding="utf-8")
        for start, end in reversed(spans(text, pattern)):
            text = text[:start] + template.format_map(known) + text[end:]
        path.write_text(text, encoding="utf-8")


def addresses() -> "dict[str, str]":
    """Return the addresses by the names that they have in setup.cfg, in lower case; the version."""
    settings = configparser.ConfigParser(interpolation=None, delimiters="=")
    settings.read(PROJECT / "setup.cfg", encoding="utf-8")
    metadata = settings["metadata"]
    labels = (line.partition("=") for line in metadata["project_urls"].split("\n") if line)
    version = (PROJECT / "pyunshare" / "version.py").read_text(encoding="utf-8")
    return {
        "version": re.findall(rf'^__version__ = "{VERSION}"', version, re.MULTILINE)[0],
        **{name: metadata[name] for name in ("author", "author_email")},
        **{label.strip().lower(): address.strip() for label, _, address in labels},
        **settings["addresses"],
    }


def spans(text: str, pattern: str) -> "list[tuple[int, int]]":
    """Return where in a text the matches of a pattern have their group."""
    found = [match.span(1) for match in re.finditer(pattern, text, re.MULTILINE)]
    if not found:
        raise ValueError(f"no line matches {pattern}")
    return found


if __name__ == "__main__":
    main()
