"""What is packed: a source distribution builds by itself, and the types are there."""
import os
import pathlib
import subprocess
import sys
import tarfile

import maplog

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "bindings/python"
LONG = bool(os.environ.get("MAPLOG_LONG"))


def test_a_source_distribution_carries_the_library(tmp_path):
    subprocess.run([sys.executable, "-W", "ignore", "setup.py", "-q", "egg_info", "--egg-base", tmp_path,
                    "sdist", "--dist-dir", tmp_path], cwd=PACKAGE, check=True)
    archive, = tmp_path.glob("maplog-*.tar.gz")
    assert archive.name == f"maplog-{maplog.__version__}.tar.gz"
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked")
    root, = (tmp_path / "unpacked").iterdir()
    for name in ("pyproject.toml", "README.md", "binding.c", "library/Makefile", "src/maplog/py.typed"):
        assert (root / name).exists(), name
    plan = subprocess.run(["make", "-n", "build/release/libmaplog.a"], cwd=root / "library",
                          capture_output=True, text=True)
    assert plan.returncode == 0 and "src/client/maplog.o" in plan.stdout, plan.stderr
    if LONG:
        subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
                        "--no-build-isolation", "--wheel-dir", tmp_path, root], check=True)
        wheel, = tmp_path.glob("*.whl")
        code = f"import sys; sys.path.insert(0, {str(tmp_path / 'wheel')!r}); import maplog; print(maplog.__file__)"
        subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, tmp_path / "wheel"], check=True)
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert done.stdout.startswith(str(tmp_path / "wheel"))


def test_everything_that_is_named_is_there():
    assert (pathlib.Path(maplog.__file__).parent / "py.typed").exists()
    for name in maplog.__all__:
        assert getattr(maplog, name).__doc__ or isinstance(getattr(maplog, name), int) or \
            issubclass(getattr(maplog, name), Exception), name
