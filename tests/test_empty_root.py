"""Launches into a root directory with nothing in it that Python might still want."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.helpers import comparing, support
from tests.helpers.machine import needs
from tests.helpers.support import ROOT, WITHOUT_SUBORDINATE_IDS, User

pytestmark = needs("root", "compiler", "reference", "subordinate id files")

LINES = (
    "-R @EMPTY",
    "-f -R @EMPTY",
    "-r -R @EMPTY",
    "-R @EMPTY -S 5 -G 6",
    "-U -R @EMPTY --keep-caps",
    "-c -R @EMPTY --keep-caps -f --kill-child",
    "-R @EMPTY -w /none",
    "-pf -R @EMPTY --mount-proc",
    "-R @EMPTY --mount-proc=/none",
    "-f -R @EMPTY --forward-signals",
    "-rpf -R @EMPTY -l :t:E::pyu::/bin/cat:",
    "-Tf --boottime=5 -R @EMPTY",
    "--map-auto -R @EMPTY",
)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("program", [["none"], ["/none"], ["none/none"], [""], []], ids=str)
@pytest.mark.parametrize("user", [ROOT, WITHOUT_SUBORDINATE_IDS], ids=["root", "ordinary-user"])
def test_same_as_the_reference(line: str, program: Sequence[str], user: User) -> None:
    empty = support.new_directory()
    comparing.assert_same(line.split(), program=program, user=user, values={"@EMPTY": str(empty)})
