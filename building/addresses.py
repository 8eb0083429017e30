"""The addresses of the project: setup.cfg has them, and this writes them wherever else they stand.

``python3 -m building.addresses`` does so, as part of ``tox -e generate``.
"""

import configparser
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

CONTACT = "{author} <{author_email}>"

# (file, the one place in it, what stands there)
PLACES = (
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
        start, end = span(text, pattern)
        path.write_text(text[:start] + template.format_map(known) + text[end:], encoding="utf-8")


def addresses() -> "dict[str, str]":
    """Return the addresses of setup.cfg by the names that they have there, in lower case."""
    settings = configparser.ConfigParser(interpolation=None, delimiters="=")
    settings.read(PROJECT / "setup.cfg", encoding="utf-8")
    metadata = settings["metadata"]
    labels = (line.partition("=") for line in metadata["project_urls"].split("\n") if line)
    return {
        **{name: metadata[name] for name in ("author", "author_email")},
        **{label.strip().lower(): address.strip() for label, _, address in labels},
        **settings["addresses"],
    }


def span(text: str, pattern: str) -> "tuple[int, int]":
    """Return where in a text the first match of a pattern has its group."""
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise ValueError(f"no line matches {pattern}")
    return match.span(1)


if __name__ == "__main__":
    main()
