"""The lab's experiments on memory and files: each answers its question, and leaves nothing behind."""
import os
import pathlib
import subprocess

import pytest
from conftest import PROGRAM

pytestmark = pytest.mark.skipif(not (pathlib.Path(PROGRAM).parent / "maplog-lab").exists(),
                                reason="there is no maplog-lab beside the program")

WORDS = {
    "append": ["store into the mapping", "pwrite", "io_uring", "recycled", "maplog append", "memcpy",
               "page faults", "Records of 170 bytes"],
    "read": ["cold", "mapped, first touch", "a helper reads ahead", "processes, a mapping each",
             "another thread maps and unmaps", "A mapping saves a copy"],
    "receive": ["copy: recv, memcpy", "direct: recv into the mapping", "splice", "populated",
                "CRC-32C", "preparing the pages saves"],
}


@pytest.mark.parametrize("name", WORDS)
def test_it_answers_and_cleans_up(name, tmp_path):
    done = subprocess.run([PROGRAM, "lab", name, "--quick"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=120, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    for words in WORDS[name]:
        assert words in done.stdout
    assert not [path for path in tmp_path.rglob("*.log")]
