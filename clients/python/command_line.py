"""The aws command line as a function."""

import json
import os
import shutil
import subprocess
import sys


class Cli:
    """Runs `aws sqs ...` against the endpoint."""

    def __init__(self, endpoint, home, *options):
        beside = os.path.join(os.path.dirname(sys.executable), "aws")
        self._command = [beside if os.path.exists(beside) else shutil.which("aws"), "--endpoint-url", endpoint, *options, "sqs"]
        # Neither a pager nor the settings of whoever runs the tests.
        self._environment = {**os.environ, "HOME": str(home), "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}

    def run(self, *arguments):
        """The finished process."""
        return subprocess.run(
            [*self._command, *arguments], env=self._environment, capture_output=True, text=True, timeout=30)

    def __call__(self, *arguments):
        """The reply as JSON, `None` for actions without one; fails when the command does."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None
