"""The checks of bench/peers/load: a server that loses, doubles or damages a record must not be found good."""
import pathlib
import shutil
import subprocess

import pytest

LOAD = pathlib.Path(__file__).resolve().parents[2] / "bench/peers/load"


@pytest.fixture(scope="module", name="modules")
def fetched():
    if not shutil.which("go"):
        pytest.skip("go is not installed")
    done = subprocess.run(["go", "mod", "download"], cwd=LOAD, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the Go modules cannot be fetched: {done.stderr[-500:]}")


@pytest.mark.usefixtures("modules")
def test_its_own_tests():
    done = subprocess.run(["go", "test", "-count=1", "."], cwd=LOAD, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


@pytest.mark.usefixtures("modules")
def test_its_form():
    done = subprocess.run(["gofmt", "-l", "."], cwd=LOAD, capture_output=True, text=True, check=True)
    assert done.stdout == ""
