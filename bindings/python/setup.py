import pathlib
import sys

from setuptools import setup
from setuptools.command.sdist import sdist

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import library  # noqa: E402


class SourceDistribution(sdist):
    """An sdist carries the C sources, so that it builds anywhere."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        library.carry(base_dir)


setup(
    version=library.version(),
    cffi_modules=["build_binding.py:ffibuilder"],
    cmdclass={"sdist": SourceDistribution},
    # What was built with another library is not taken for up to date.
    options={"build_ext": {"force": True}},
)
