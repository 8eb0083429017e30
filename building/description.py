"""The README as the project's page on PyPI, where no file lies beside it."""

import re
import sys
from pathlib import Path

from setuptools.command.egg_info import egg_info

sys.path.insert(0, str(Path(__file__).parent.parent))
from building.addresses import addresses


def on_its_own(readme: str, version: str) -> str:
    """Return the README with the addresses of what it links to and shows."""
    known = addresses()
    files, pictures = (known[kind].format(version=version) for kind in ("files", "pictures"))

    def whole(match: "re.Match[str]") -> str:
        mark, text, target = match.groups()
        if target.startswith("#"):
            target = f"README.md{target}"
        return f"{mark}[{text}]({pictures if mark else files}{target})"

    return re.sub(r"(!?)\[([^]]*)\]\((?!https?:)([^)\s]+)\)", whole, readme)


class Description(egg_info):
    """Describe the distribution, with links that work everywhere."""

    def finalize_options(self) -> None:
        """Replace the README that setuptools has read."""
        super().finalize_options()
        metadata = self.distribution.metadata
        metadata.long_description = on_its_own(metadata.long_description, metadata.version)
