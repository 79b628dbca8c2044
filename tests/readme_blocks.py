"""Does what a README tells its reader to do, block by block, in one directory.

- A ``python`` or ``yaml`` block whose first line is a comment with a file name (``# talker.py``) is
  written to that file; a later block has to use it. A ``python`` block without one is run at once
  and has to end by itself.
- A ``bash`` block is run as it stands, less the set-up (see SETUP); a ``console`` block likewise,
  the lines after ``$ ``. A command that does not end stays running, as in a reader's second
  terminal, while the following blocks are run; a broker or a launch from the moment when it says
  that it is ready. It gets Ctrl-C at the end of the page, or when a later block starts a broker or
  a launch of its own; then it has to exit with status 0 and leave no process behind.
- ``text`` and ``mermaid`` are not code. Any other language is an error: nothing is left out unseen.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from markdown_it import MarkdownIt

from tests.support.waiting import PATIENCE_SEC

TEST_COMMAND = "<!-- test command -->"
NOT_CODE = {"text", "mermaid"}
# .ci/run does these in a fresh clone. Here the running Python's directory stands in for .venv.
SETUP = re.compile(
    r"(?:git clone\b[^&\n]*(?:&&|\n)\s*cd|python3 -m venv|(?:\S*python3? -m )?\S*pip install)\b"
    r"[^&\n]*(?:&&\s*|\n|$)"
)
OWNS_THE_PORT = re.compile(r"\bdsmq[-_]nodes(?:\.dsmq\.broker|\s+(?:broker|launch))\b")
# What a command that goes on says when it is ready.
READY = (
    (re.compile(r"\bdsmq-nodes launch(?!.* --(?:duration|dry-run))"), "all nodes ready"),
    (re.compile(r"\bdsmq-nodes broker\b"), "listening on"),
)
FILE_NAME = re.compile(r"# ([\w./-]+\.(?:py|yaml))")
CTRL_C_SEC = PATIENCE_SEC
LEFT_SEC = PATIENCE_SEC  # for what ends a moment after the command, as a broker of `run`
PROGRAM_SEC = 2 * PATIENCE_SEC


class ReadmeError(AssertionError):
    """A block does not do what the reader would expect of it."""


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is where its fence is, counted from 1."""

    language: str
    text: str
    line: int
    is_test_command: bool = False

    @property
    def file_name(self) -> str | None:
        """The name in the first line's comment."""
        match = FILE_NAME.fullmatch(self.text.partition("\n")[0].strip())
        return match[1] if match and self.language in {"python", "yaml"} else None

    def check(self) -> None:
        """Raises when nobody could use this block."""
        if self.language not in {"bash", "console", "python", "yaml"}:
            raise self.error(
                f"nobody runs the language {self.language!r}; use bash, console, python or yaml,"
                f" or {' or '.join(sorted(NOT_CODE))} for what is not code"
            )
        if self.language == "yaml" and not self.file_name:
            raise self.error("no file name in its first line, as in '# robot.yaml'")

    def error(self, text: str, output: str = "") -> ReadmeError:
        """The failure, with the block's place in the README."""
        return ReadmeError("\n".join([f"README.md:{self.line} ({self.language}): {text}", output]))


def parse(text: str) -> list[Block]:
    """Every code block of a README, in order."""
    blocks: list[Block] = []
    marked = False
    for token in MarkdownIt().parse(text):
        line = token.map[0] + 1 if token.map else 0
        if token.type in {"fence", "code_block"}:
            language = token.info.split()[0] if token.info.strip() else ""
            blocks.append(Block(language, token.content, line, marked))
            marked = False
        elif token.type == "html_block":
            marked = token.content.strip() == TEST_COMMAND
    return blocks


def commands(block: Block) -> str:
    """The shell text of a bash or console block, without the set-up."""
    text = block.text
    if block.language == "console":
        prompts = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        if not prompts:
            raise block.error("no line begins with '$ ', so there is nothing to run")
        text = "\n".join(prompts)
    return SETUP.sub("", text).strip()


@dataclass
class Terminal:
    """One command and what it printed."""

    block: Block
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        """Standard output and error so far."""
        return self.log.read_text(errors="replace")

    def ended(self, within_sec: float) -> bool:
        """Whether the command ended; an exit status other than 0 raises."""
        try:
            status = self.process.wait(within_sec)
        except subprocess.TimeoutExpired:
            return False
        if status != 0:
            raise self.block.error(f"exit status {status}", self.output)
        return True

    @property
    def is_ready(self) -> bool:
        """Whether it says that it is ready, and so goes on."""
        script = commands(self.block)
        return any(which.search(script) and says in self.output for which, says in READY)

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to the foreground process group."""
        if self.ended(0):
            return
        shell = psutil.Process(self.process.pid)
        family = shell.children(recursive=True)
        os.killpg(self.process.pid, signal.SIGINT)
        if not self.ended(CTRL_C_SEC):
            raise self.block.error(f"still running {CTRL_C_SEC:g} s after Ctrl-C", self.output)
        _, left = psutil.wait_procs(family, timeout=LEFT_SEC)
        for process in left:
            process.kill()
        if left:
            raise self.block.error(f"left processes behind: {left}", self.output)

    def close(self) -> None:
        """Nothing outlives the test, whatever happened."""
        if self.process.poll() is None:
            for process in psutil.Process(self.process.pid).children(recursive=True):
                process.kill()
            self.process.kill()
            self.process.wait()


@dataclass
class Reader:
    """Somebody who does what the README says, in `folder`."""

    folder: Path
    # A command that takes longer counts as one that goes on until Ctrl-C. Those of the pages say
    # that they are ready (READY), so this is for a machine where everything takes its time.
    settle_sec: float = 60.0
    terminals: list[Terminal] = field(default_factory=list)
    written: dict[str, Block] = field(default_factory=dict)

    def read(self, text: str) -> None:
        """Does everything, in order."""
        blocks = parse(text)
        for block in blocks:
            self._do(block)
        if self.written:
            name, block = next(iter(self.written.items()))
            raise block.error(f"{name} is written, but no later block uses it")
        self.interrupt_all()

    def interrupt_all(self) -> None:
        """Ctrl-C in every terminal, the newest first, so that the broker outlives its peers."""
        while self.terminals:
            with closing(self.terminals.pop()) as terminal:
                terminal.interrupt()

    def _do(self, block: Block) -> None:
        if block.language in NOT_CODE:
            return
        block.check()
        for name in list(self.written):
            if re.search(rf"\b{re.escape(Path(name).stem)}\b", block.text):
                del self.written[name]
        if block.file_name:
            self._write(block, block.file_name)
            self.written[block.file_name] = block
        elif block.language == "python":
            self._write(block, f"readme_line_{block.line}.py")
            program = self.start(block, f"python readme_line_{block.line}.py")
            if not program.ended(PROGRAM_SEC):
                raise block.error(f"still running after {PROGRAM_SEC:g} s", program.output)
            self.terminals.remove(program)
        elif not block.is_test_command:
            self.run(block, commands(block))

    def _write(self, block: Block, name: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def run(self, block: Block, script: str) -> None:
        """Runs the script; one that goes on is left running."""
        if OWNS_THE_PORT.search(script):
            self.interrupt_all()
        terminal = self.start(block, script)
        until = time.monotonic() + self.settle_sec
        while time.monotonic() < until and not terminal.is_ready:
            if terminal.ended(0.1):
                self.terminals.remove(terminal)
                return

    def start(self, block: Block, script: str) -> Terminal:
        """A terminal of its own, with the script in it."""
        log = self.folder / f"readme_line_{block.line}.log"
        with log.open("wb") as printed:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        terminal = Terminal(block, process, log)
        self.terminals.append(terminal)
        return terminal

    def _environment(self) -> dict[str, str]:
        """As after `source .venv/bin/activate`."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}


@contextmanager
def reader(folder: Path, settle_sec: float = 60.0) -> Iterator[Reader]:
    """A reader whose processes are gone afterwards, whatever happened."""
    (folder / ".venv").symlink_to(sys.prefix)
    somebody = Reader(folder, settle_sec)
    try:
        yield somebody
    finally:
        for terminal in somebody.terminals:
            terminal.close()
