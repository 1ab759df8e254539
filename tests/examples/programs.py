"""Where the examples are, and one that runs."""
import contextlib
import os
import pathlib
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAPLOG = pathlib.Path(os.environ.get("MAPLOG", ROOT / "build/release/maplog")).resolve()
EXAMPLES = MAPLOG.parent / "examples"
TIMEOUT = 60


@contextlib.contextmanager
def started(*words):
    """The running program; whatever happens, it is gone afterwards."""
    with subprocess.Popen([str(word) for word in words], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        guard = threading.Timer(TIMEOUT, process.kill)
        guard.start()
        try:
            yield process
        finally:
            guard.cancel()
            process.kill()
