"""A log for each test, in a folder that goes with it."""
import os
import subprocess
import sys

import maplog
import pytest


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "log")


@pytest.fixture
def log(path):
    with maplog.open(path, create=True) as opened:
        opened.create_topic("t")
        yield opened


@pytest.fixture
def run():
    """Runs Python code in an interpreter of its own, and returns what it printed. It must end well."""
    def start(code, *arguments):
        done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", code, *arguments],
                              capture_output=True, text=True, timeout=120, env={**os.environ})
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout
    return start
