"""Where the C library comes from that the extension is linked with.

MAPLOG_LIBRARY=system takes the one that pkg-config knows, else libmaplog.a is made from the sources
beside this package (a source tree, or the copy of it that an sdist carries) and becomes part of the
extension. MAPLOG_OUT=dir names the folder that make builds in.
"""
import os
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
CARRIED = HERE / "library"  # in an sdist
PARTS = ("LICENSE", "Makefile", "maplog.pc.in", "include", "src", "tools/wiregen")
PACKAGES = ("libisal", "liblz4", "libzstd", "snappy", "zlib")


def tree():
    """The folder of the C sources."""
    for folder in (CARRIED, HERE.parents[1]):
        if (folder / "src/client/maplog.map").exists():
            return folder
    raise SystemExit("maplog: the C sources are not here; set MAPLOG_LIBRARY=system to use an "
                     "installed library")


def is_system():
    choice = os.environ.get("MAPLOG_LIBRARY", "bundled")
    if choice not in ("bundled", "system"):
        raise SystemExit(f"maplog: MAPLOG_LIBRARY is {choice!r}; it is bundled or system")
    return choice == "system"


def pkg_config(*words):
    command = [os.environ.get("PKG_CONFIG", "pkg-config"), "--print-errors", *words]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    except FileNotFoundError:
        raise SystemExit("maplog: pkg-config is needed to build this package") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit("maplog: " + error.stderr.strip()) from None


def version():
    if is_system():
        return pkg_config("--modversion", "maplog")[0]
    makefile = (tree() / "Makefile").read_text()
    return re.search(r"^VERSION := (\S+)$", makefile, re.M).group(1)


def headers():
    if is_system():
        return pathlib.Path(pkg_config("--variable=includedir", "maplog")[0])
    return tree() / "include"


def make():
    """libmaplog.a, made when it is not there or older than its sources."""
    out = os.environ.get("MAPLOG_OUT", "build/release")
    archive = tree() / out / "libmaplog.a"
    subprocess.run(["make", "--silent", f"OUT={out}", f"{out}/libmaplog.a"],
                   cwd=tree(), check=True)
    return archive


def arguments():
    """What the extension's compiler and linker are told."""
    if is_system():
        flags = pkg_config("--cflags", "maplog")
        return {"extra_compile_args": flags, "extra_link_args": pkg_config("--libs", "maplog")}
    archive = make()
    return {
        "include_dirs": [str(headers())],
        "extra_objects": [str(archive)],
        "extra_link_args": ["-Wl,--gc-sections", "-Wl,--exclude-libs,ALL", "-Wl,--strip-debug",
                            "-pthread",
                            *pkg_config("--libs", *PACKAGES)],
        "depends": [str(archive)],
    }


def carry(folder):
    """Copies the sources into `folder`, the root of an sdist."""
    for part in PARTS:
        source, target = tree() / part, pathlib.Path(folder) / "library" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
