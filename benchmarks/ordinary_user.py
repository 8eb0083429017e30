"""An ordinary user with subordinate ids, who exists in a mount namespace of ours only.

The user may read and search everywhere, for the interpreters may be in somebody's home; and has
no other privilege.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

NAME = "pyunshare-benchmark"
ID = 61040
LINES = {
    "/etc/passwd": f"{NAME}:x:{ID}:{ID}::/:/bin/sh\n",
    "/etc/subuid": f"{NAME}:200000:65536\n",
    "/etc/subgid": f"{NAME}:200000:65536\n",
}
SWITCH = (
    *("setpriv", f"--reuid={ID}", f"--regid={ID}", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
)
ENTER = """
for file in passwd subuid subgid; do
    mount --bind "$1/$file" "/etc/$file" || exit
done
shift
exec "$@"
"""


def missing() -> str | None:
    """Return what the machine lacks for such a user, or None."""
    tools = [name for name in ("newuidmap", "newgidmap", "setpriv") if not shutil.which(name)]
    files = [path for path in LINES if not os.path.exists(path)]
    return ", ".join(tools + files) or None


def becoming_one(unshare: str, workspace: Path) -> Sequence[str]:
    """Return the words that make the command line after them that user's."""
    copies = workspace / "etc"
    copies.mkdir(exist_ok=True)
    for path, line in LINES.items():
        text = Path(path).read_text(encoding="utf-8")
        if text and not text.endswith("\n"):
            text += "\n"
        (copies / Path(path).name).write_text(text + line, encoding="utf-8")
    return (unshare, "-m", "sh", "-c", ENTER, "sh", str(copies), *SWITCH)
