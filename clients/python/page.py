"""A page of the documentation as a session of a shell: its commands, run in order.

Blocks marked `sh` hold commands. A command is well when it succeeds, or fails where a comment at its end says
`# refused`, or has the exit code that is named there (`# exit code 1`). A block marked `text` behind them is what the last of them prints: every line of it must be
in what was printed, `...` standing for anything. A block marked `python` is run with Python.

A command that begins with `stanchion serve` runs on while the others do, on a port that the system picks: the page's
own port is exchanged for it everywhere. The next such command stops the one before.
"""

import re
import subprocess
import time
from dataclasses import dataclass, field

# Longer than anything takes here; a page that waits this long has failed.
LONG = 60
# The port that pages speak of.
PORT = ":9324"


@dataclass
class Command:
    """A command, how the page says that it ends, and lines that it prints."""

    text: str
    codes: range = range(1)
    shown: list = field(default_factory=list)


def commands_of(page, sections=None):
    """The commands of a page, or of some of its sections, in order."""
    commands = []
    for section in re.split(r"^## ", page, flags=re.MULTILINE):
        if sections and section.split("\n", 1)[0] not in sections:
            continue
        for kind, body in re.findall(r"^```(\w+)\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL):
            if kind == "sh":
                commands += split(body)
            elif kind == "python":
                commands.append(Command(f"python - <<'END'\n{body}END\n"))
            elif kind == "text":
                commands[-1].shown += [line.strip() for line in body.splitlines() if line.strip()]
    return commands


def split(block):
    """The commands of a block: as many lines as the shell needs to see a whole one."""
    commands, lines = [], []
    for line in block.splitlines():
        lines.append(line)
        text = "\n".join(lines)
        seen = subprocess.run(["bash", "-n"], input=text + "\n", capture_output=True, text=True, timeout=LONG)
        # A here-document without its end is only a warning.
        if seen.returncode != 0 or seen.stderr or line.endswith("\\"):
            continue
        lines = []
        if text.strip():
            commands.append(Command(text, promised_codes(text)))
    assert not lines, f"no end of the command: {lines}"
    return commands


def promised_codes(text):
    """The exit codes that the comment at the end of a command allows."""
    if text.endswith("# refused"):
        return range(1, 256)
    code = re.search(r"# exit code (\d+)$", text)
    return range(int(code[1]), int(code[1]) + 1) if code else range(1)


class Session:
    """A shell in a directory of its own, with a server in its background."""

    def __init__(self, directory, environment):
        self._directory = directory
        self._count = 0
        self._server = False
        self._port = PORT
        self._shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, text=True, cwd=directory, env=environment)

    def run(self, command):
        """Runs a command and checks what comes of it."""
        # Who builds from the sources has the same program there.
        text = command.text.replace("cargo run --release --", "stanchion")
        if text.startswith("stanchion serve"):
            self._serve(text)
            return
        code, printed = self._do(text.replace(PORT, self._port))
        assert code in command.codes, f"exit code {code} of\n{command.text}\n{printed}"
        for line in command.shown:
            pattern = ".*".join(map(re.escape, line.replace(PORT, self._port).split("...")))
            assert re.search(pattern, printed), f"not printed:\n{line}\nby\n{command.text}\nwhich printed\n{printed}"

    def close(self):
        """Stops the server and the shell."""
        if self._server:
            self._do('kill "$SERVER"; wait "$SERVER"')
        self._shell.stdin.close()
        self._shell.wait(LONG)

    def _do(self, text):
        self._count += 1
        printed, done = (self._directory / f".{kind}-{self._count}" for kind in ("printed", "done"))
        self._shell.stdin.write(f"{{ {text}\n}} > {printed} 2>&1 < /dev/null\necho $? > {done}.new; mv {done}.new {done}\n")
        self._shell.stdin.flush()
        self._wait_for(done.exists, text)
        return int(done.read_text()), printed.read_text()

    def _serve(self, text):
        if self._server:
            self._do('kill "$SERVER"; wait "$SERVER"')
        self._count += 1
        told = self._directory / f".endpoint-{self._count}"
        text = re.sub(r"--listen \S+", "", text).replace("stanchion serve", "stanchion serve --listen 127.0.0.1:0", 1)
        self._do(f"{text.strip()} > {told} 2>&1 & SERVER=$!")
        self._server = True
        found = []

        def has_started():
            found[:] = re.findall(r"^endpoint: \w+://[\d.]+(:\d+)", told.read_text(), flags=re.MULTILINE)
            return found

        self._wait_for(has_started, text, told)
        self._port = found[0]

    def _wait_for(self, condition, text, log=None):
        deadline = time.monotonic() + LONG
        while not condition():
            assert time.monotonic() < deadline, f"no end of\n{text}\n{log.read_text() if log else ''}"
            assert self._shell.poll() is None, f"the shell has ended with\n{text}"
            time.sleep(0.02)
