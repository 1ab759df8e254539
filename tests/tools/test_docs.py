"""The tables in docs/ are those that the program goes by."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("MAPLOG", str(ROOT / "build/release/maplog"))


def test_tables_are_what_the_program_prints():
    done = subprocess.run([ROOT / "tools/docs", "--check", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
