"""Every command of these pages does what the page says, with the real server and the real command line."""

import os
import sys
from pathlib import Path

import pytest

from page import Session, commands_of

ROOT = Path(__file__).parents[3]

# Pages, the sections whose commands are run (all without), and how many commands there must be at least.
PAGES = [
    ("README.md", ["Run", "Five minutes"], 10),
    ("docs/two-accounts.md", None, 20),
]


@pytest.fixture
def session(tmp_path):
    """A shell that finds the server, the command line and Python where users have them: on their path."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "stanchion").symlink_to(os.environ["STANCHION_BINARY"])
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STANCHION_"))}
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), kept["PATH"]])
    environment = {**kept, "PATH": path, "HOME": str(home), "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true"}
    session = Session(home, environment)
    yield session
    session.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("page", "sections", "at_least"), PAGES, ids=[page for page, *_ in PAGES])
def test_every_command_of_the_page_works_as_written(session, page, sections, at_least):
    commands = commands_of((ROOT / page).read_text(), sections)
    assert len(commands) >= at_least
    for command in commands:
        session.run(command)
