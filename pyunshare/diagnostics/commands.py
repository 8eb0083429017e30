"""Command lines to type, and names to read: whatever a hint shows is made safe here.

The words come from wherever the launch met them: from files that other users write, from a root
directory that may be hostile, from the command line. A shell is to take each word as it is, and
a terminal, and the reader, are to see it as it is.
"""

from __future__ import annotations

# Shells read words of these characters, and no others, as they stand.
_NEED_NO_QUOTES = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_"
)
_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0"  # letters to Unicode, and nothing to see
LONGEST_COMMAND = 1000  # in characters; nobody types more
LONGEST_NAME = 200


class Command:
    """A command line; false, and empty, where a word of it cannot be typed.

    ``note`` is what the reader has to know of it, or of its absence, before anything is typed.
    """

    def __init__(self, *argv: str, note: str = "") -> None:
        # A first word like a=b would be a variable to the shell.
        can_be_typed = bool(argv) and "=" not in argv[0] and all(map(_is_visible, argv))
        text = " ".join(map(_quoted, argv)) if can_be_typed else ""
        self.text = text if len(text) <= LONGEST_COMMAND else ""
        self.note = note
        self._is_simple = True  # no more than words

    def __bool__(self) -> bool:
        return bool(self.text)

    def then(self, following: Command) -> Command:
        """Return this command and, if it works, another one."""
        return self._joined(" && ", following)

    def into(self, following: Command) -> Command:
        """Return this command with its output as the input of another one."""
        return self._joined(" | ", following)

    def with_path(self, directory: str, first: bool = False) -> Command:
        """Return this command with another directory at the end of PATH, or first in it."""
        added = Command(directory)
        if not added or not self:
            return Command(note=self.note)
        path = f"{added.text}:$PATH" if first else f"$PATH:{added.text}"
        self._become(f"PATH={path} {self.text}")
        return self

    def run_by(self, tool: str) -> Command:
        """Return this command as another user runs it: "sudo", "doas" or "su"."""
        if not self:
            return self
        if tool == "su":
            return Command("su", "-c", self.text, note=self.note)
        if not self._is_simple:
            return Command(tool, "sh", "-c", self.text, note=self.note)
        command = Command(note=self.note)
        command.text = f"{tool} {self.text}"
        return command

    def _joined(self, operator: str, following: Command) -> Command:
        joined = Command(note=self.note or following.note)
        if self and following:
            joined._become(f"{self.text}{operator}{following.text}")
        return joined

    def _become(self, text: str) -> None:
        self.text = text
        self._is_simple = False


def path_argument(path: str) -> str:
    """Return a path as an argument that no program takes for an option."""
    return f"./{path}" if path.startswith("-") else path


def shown(name: object) -> str:
    """Return a name for the reader of a sentence: visible as a whole, and not too long.

    It is in quotes where it would run into the sentence, and what cannot be seen is written as C
    writes it in strings.
    """
    if not isinstance(name, str):
        return str(name)
    text = "".join(
        letter if _is_visible(letter) else _escaped(letter) for letter in name[:LONGEST_NAME]
    )
    if len(name) > LONGEST_NAME:
        text += "..."
    if text and _NEED_NO_QUOTES.issuperset(text):
        return text
    return f'"{text}"' if "'" in text else f"'{text}'"


def printable(text: str) -> str:
    """Return a line as any terminal shows it: what it might obey becomes a question mark."""
    return "".join(letter if _is_visible(letter) else "?" for letter in text)


def _quoted(word: str) -> str:
    """Return a word as every shell takes it."""
    if word and _NEED_NO_QUOTES.issuperset(word) and not word.startswith("="):  # zsh expands =ls
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _is_visible(text: str) -> bool:
    """Return whether all can be seen, and typed or copied, as what it is."""
    return all(
        " " <= letter <= "~" or (letter.isalnum() and letter not in _BLANK_LETTERS)
        for letter in text
    )


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # a byte of no text: os.fsdecode()
        return f"\\x{ord(letter) & 0xFF:02x}"
    return "".join(f"\\x{byte:02x}" for byte in letter.encode(errors="surrogatepass"))
