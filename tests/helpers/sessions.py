"""Terminal sessions in Markdown, and a machine of its own for each of them to run on.

A session is a fenced block of the language ``console``. What stands behind ``# `` is typed by
root, behind ``$ `` by an ordinary user with subordinate ids, behind ``> `` continues the line
before. Everything else is output, without its colors. The prompts count as output, too: in a user
namespace that makes one root, ``$ `` becomes ``# ``. A comment, which no reader of the page sees,
may stand right above a block::

    <!-- not run: why -->
    <!-- may differ: 09:41 pts/0 -->      these words of the output stand for any others

``...`` in the output stands for anything, alone on a line for any number of lines.

The machine consists of namespaces of most kinds, made with the command under
test; it goes with its process 1. Whatever a session does to it, the real one stays as it is, as
long as files are written to ``/run``, ``/srv``, ``/mnt`` (all empty) and the home directory only.
Users are our own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pexpect

from tests.helpers import support
from tests.helpers.support import ROOT, User

ORDINARY_USER = User("user", 1000, 1000, (1000,))
USERS = {"#": ROOT, "$": ORDINARY_USER}

DATABASES = {
    "passwd": "root:x:0:0:root:/run/user/0:/bin/sh\n"
    "user:x:1000:1000::/run/user/1000:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n",
    "subuid": "user:100000:65536\nroot:200000:65536\n",
    "subgid": "user:100000:65536\nroot:200000:65536\n",
}

# Something that no program prints, in front of each prompt
MARK = "\x1e"

# What every interactive shell reads: the prompt, found out without starting anything
PROFILE = f"""
while read -r key first effective rest; do
    if [ "$key" = Uid: ]; then
        if [ "$effective" = 0 ]; then PS1='{MARK}# '; else PS1='{MARK}$ '; fi
    fi
done </proc/self/status
PS2=
"""

# Process 2 is for ps, which may not work where its own id is nobody's.
SET_UP = """
tail -f /dev/null &
mkdir -p /run/bin "$HOME"
ln -s "$PYUNSHARE" /run/bin/pyunshare
PATH=/run/bin:$PATH
unset PYUNSHARE
hostname debian
mount -o remount,bind,ro /
chown "$1:$2" "$HOME"
cd "$HOME"
"$START" "user=$1:$2:$1" -- /bin/sh sh -i
"""

BLOCK = re.compile(
    r"^(?:<!-- (?P<remark>[^\n]*) -->\n)?```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
# What dash says when it ends as process 1 of a PID namespace, and no other shell
COMPLAINT = re.compile(
    r"^-?sh: \d+: Cannot set tty process group \(No such process\)\n", re.MULTILINE
)
# Newer versions of ip color what they print on a terminal, whatever TERM says.
COLOR = re.compile(r"\x1b\[[\d;]*m")

DEFAULT_WIDTH = 100
PATIENCE = 20  # seconds that a step may take


class Step(NamedTuple):
    """Something that is typed, and what is to be seen from then to the next prompt."""

    prompt: str
    typed: str
    output: str


class Session(NamedTuple):
    """A block of a document."""

    file: str
    line: int
    steps: Sequence[Step]
    not_run: str
    may_differ: Sequence[str]


def sessions(path: Path) -> list[Session]:
    """The sessions of a document, in their order."""
    text = path.read_text(encoding="utf-8")
    found = []
    for block in BLOCK.finditer(text):
        kind, _, rest = (block["remark"] or "").partition(": ")
        found.append(
            Session(
                path.name,
                text.count("\n", 0, block.start("text")),
                steps(block["text"]),
                rest if kind == "not run" else "",
                rest.split() if kind == "may differ" else (),
            )
        )
    return found


def steps(text: str) -> list[Step]:
    """The steps of one block. Raises ValueError where it does not begin with a prompt."""
    found: list[Step] = []
    for line in text.splitlines():
        if line[:2] in ("# ", "$ ") or line in ("#", "$"):
            found.append(Step(line[0], line[2:], ""))
        elif not found:
            raise ValueError(f"no prompt in front of {line!r}")
        elif line.startswith("> ") and not found[-1].output:
            found[-1] = found[-1]._replace(typed=f"{found[-1].typed}\n{line[2:]}")
        else:
            found[-1] = found[-1]._replace(output=f"{found[-1].output}{line}\n")
    return found


def matches(expected: str, output: str, may_differ: Sequence[str] = ()) -> bool:
    """Whether output is as expected, columns as wide as they may be."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
            continue
        words = [
            r"\S+" if word in may_differ else re.escape(word).replace(r"\.\.\.", ".*")
            for word in line.split()
        ]
        pattern += r"[ \t]*" + r"[ \t]+".join(words) + r"[ \t]*\n"
    return re.fullmatch(pattern, output) is not None


class Terminal:
    """A shell on a terminal, on a machine of its own; used as a context manager."""

    def __init__(self, user: User, *, width: int = DEFAULT_WIDTH) -> None:
        profile = support.workspace() / "profile"
        profile.write_text(PROFILE)
        home = f"/run/user/{user.uid}"
        conditions = [
            # Binding a mount namespace made on another processor can fail with EINVAL.
            "processor=0",
            *support.database_conditions(**DATABASES),
            *(f"tmpfs={name}" for name in ("/run", "/srv", "/mnt") if os.path.isdir(name)),
            *([f"bind={profile}:/etc/profile"] if os.path.exists("/etc/profile") else []),
        ]
        environment = {
            "ENV": str(profile),
            "HOME": home,
            "LANG": "C.UTF-8",
            "PATH": support.STANDARD_PATH,
            "SHELL": "/bin/sh",
            "TERM": "dumb",
            "USER": user.name,
            "START": str(support.compiled("start")),
            "PYUNSHARE": command_file(),
        }
        machine = [command_file(), "-muinpf", "--mount-proc", "--kill-child"]
        script = ["/bin/sh", "-euc", SET_UP, "sh", str(user.uid), str(user.gid)]
        words = [*conditions, "--", machine[0], *machine, *script]
        self._child = pexpect.spawn(
            str(support.compiled("start")),
            words,
            env=environment,
            cwd="/",
            echo=False,
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(50, width),
        )
        self.prompt = ""
        self.beginning = self._read()

    def __enter__(self) -> Terminal:
        """Give the terminal itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the machine and all that runs on it."""
        self._child.close(force=True)

    def type(self, text: str) -> str:
        """Type something, and return what is printed before the next prompt."""
        self._child.sendline(text)
        return self._read()

    def _read(self) -> str:
        found = self._child.expect([f"{MARK}([#$]) ", pexpect.EOF])
        self.prompt = self._child.match[1] if found == 0 else ""
        output: str = self._child.before
        return COMPLAINT.sub("", COLOR.sub("", output.replace("\r\n", "\n")))


def command_file() -> str:
    """The command under test as one file that every user can execute."""
    program = support.command(ORDINARY_USER)
    if not program.arguments and not program.environment:
        return program.file
    return str(_script(program))


def _script(program: support.Program) -> Path:
    """The script of the checkout, with the interpreter that this program names."""
    package = support.copied_package()
    script = package / "sbin" / "pyunshare"
    if not script.exists():
        text = (package / "bin" / "pyunshare").read_text(encoding="utf-8").partition("\n")[2]
        script.parent.mkdir()
        script.write_text(f"#!{program.file} -ISXutf8\n{text}", encoding="utf-8")
        script.chmod(0o755)
    return script


def transcript(session: Session) -> str:
    """Run a session, and return it as it looks with the output that there was."""
    text = ""
    with Terminal(USERS[session.steps[0].prompt]) as terminal:
        text += terminal.beginning
        for step in session.steps:
            typed = step.typed.replace("\n", "\n> ")
            text += f"{terminal.prompt} {typed}\n{terminal.type(step.typed)}"
    return text


def expected(session: Session) -> str:
    """A session as it stands in the document."""
    text = ""
    for step in session.steps:
        typed = step.typed.replace("\n", "\n> ")
        text += f"{step.prompt} {typed}\n{step.output}"
    return text
