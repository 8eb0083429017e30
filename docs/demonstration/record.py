"""Record the terminal session in session.md as it really runs, as an animated SVG.

Typing is simulated, at an even speed; what the commands print is theirs. So two recordings are
the same file, but for what the commands say differently: the time of day, say.

As root, with what requirements.txt lists; or by `tox -e demonstration`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
sys.path.insert(0, str(CHECKOUT))

from tests.helpers import sessions, support  # noqa: E402

TEMPLATE = HERE / "template.svg"
PICTURE = HERE.parent / "demonstration.svg"
COLUMNS, ROWS = 80, 18

# Seconds
BETWEEN_WORDS = 0.2
BEFORE_ENTER = 0.5
AFTER_OUTPUT = 1.0
AT_THE_END = 6.0

GREEN, PLAIN = "\x1b[32m", "\x1b[0m"


class Recording:
    """An asciicast, version 2: what appeared on the terminal, and when."""

    def __init__(self) -> None:
        self._now = 0.0
        self._events: list[tuple[float, str, str]] = []

    def show(self, text: str, then_wait: float) -> None:
        """Show text on the terminal, and leave it for a while."""
        self._events.append((round(self._now, 3), "o", text.replace("\n", "\r\n")))
        self._now += then_wait

    def __str__(self) -> str:
        lines = [{"version": 2, "width": COLUMNS, "height": ROWS}, *self._events]
        return "".join(f"{json.dumps(line)}\n" for line in lines)


def record(session: sessions.Session, recording: Recording) -> None:
    """Run a session, word by word typed in front of its output."""
    with sessions.Terminal(sessions.USERS[session.steps[0].prompt], width=COLUMNS) as terminal:
        for step in session.steps:
            recording.show(f"{GREEN}{terminal.prompt}{PLAIN} ", BETWEEN_WORDS)
            words = step.typed.split(" ")
            for word in words[:-1]:
                recording.show(f"{word} ", BETWEEN_WORDS)
            recording.show(words[-1], BEFORE_ENTER)
            recording.show(f"\n{terminal.type(step.typed)}", AFTER_OUTPUT)


def picture(recording: Recording) -> str:
    """Render a recording. Where nothing moves, the end of it is what is seen."""
    with tempfile.TemporaryDirectory() as directory:
        cast, drawn = Path(directory, "recording.cast"), Path(directory, "drawn.svg")
        cast.write_text(str(recording))
        command = [sys.executable, "-m", "termtosvg", "render", cast, drawn, "-t", TEMPLATE]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        text = drawn.read_text()
    # Not every program that draws an SVG keeps blanks.
    text = re.sub(
        r"(<text[^>]*>)([^<]*)", lambda found: found[1] + found[2].replace(" ", "\xa0"), text
    )
    end = re.findall(r"translateY\(-\d+px\)", text)[-1]
    style = (
        f"#screen_view {{transform: {end}}}\n"
        "@media (prefers-reduced-motion) {#screen_view {animation: none}}"
    )
    return text.replace("</defs>", f"<style>{style}</style></defs>", 1)


def main() -> None:
    """Write the picture."""
    support.adopt_orphans()
    recording = Recording()
    try:
        for session in sessions.sessions(HERE / "session.md"):
            record(session, recording)
        recording.show("", AT_THE_END)
        recording.show("", 0)
    finally:
        support.remove_workspace()
    PICTURE.write_text(picture(recording))


if __name__ == "__main__":
    main()
