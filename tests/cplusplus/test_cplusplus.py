"""<maplog.h> and <maplog.hpp> for programs in C++: every compiler and standard takes them without a
warning, they define no macros of others, and tests/cplusplus/*.cpp work in all of them."""
import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ["libisal", "liblz4", "libzstd", "snappy", "zlib"]
STRICT = ["-Wall", "-Wextra", "-Wshadow", "-Wpedantic", "-Werror", f"-I{ROOT}/include"]
DIALECTS = [(compiler, standard) for compiler in ("g++", "clang++") for standard in ("c++17", "c++20")]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def build(source, program, dialect, kind="release"):
    compiler, standard = dialect
    libraries = subprocess.run(["pkg-config", "--libs", *PACKAGES], check=True,
                               capture_output=True, text=True).stdout.split()
    subprocess.run([compiler, f"-std={standard}", "-O1", "-g", *STRICT,
                    *(SANITIZERS if kind == "asan" else []), "-o", program, source,
                    f"{ROOT}/build/{kind}/libmaplog.a", *libraries, "-pthread"], check=True)


def run(program, directory):
    done = subprocess.run([program, directory], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("dialect", DIALECTS, ids="-".join)
def test_the_wrapper(dialect, tmp_path):
    build(f"{HERE}/wrapper.cpp", tmp_path / "wrapper", dialect)
    run(tmp_path / "wrapper", tmp_path)


def test_the_wrapper_under_sanitizers(tmp_path):
    build(f"{HERE}/wrapper.cpp", tmp_path / "wrapper", ("g++", "c++20"), "asan")
    run(tmp_path / "wrapper", tmp_path)


def test_the_example_is_a_queue(tmp_path):
    build(f"{ROOT}/examples/queue.cpp", tmp_path / "queue", ("g++", "c++17"))

    def queue(*words):
        return subprocess.run([tmp_path / "queue", tmp_path / "log", *words], capture_output=True, text=True)

    assert queue("add", "wash", "dry").returncode == 0
    assert queue("work", "people").stdout == "0 priority 1: wash\n1 priority 2: dry\n"
    assert queue("add", "x" * 100).returncode == 0
    assert queue("work", "people").stdout == "2 priority 1: " + "x" * 59 + "\n"
    assert queue("work", "people").stdout == ""
    assert len(queue("work", "others").stdout.splitlines()) == 3
    assert queue("sleep").returncode == 2
    failed = subprocess.run([tmp_path / "queue", "/proc/none", "add", "x"], capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stderr.startswith("MAPLOG_NOT_FOUND: ")


@pytest.mark.parametrize("header", ["maplog.h", "maplog_file.h", "maplog.hpp"])
@pytest.mark.parametrize("dialect", DIALECTS, ids="-".join)
def test_each_header_stands_alone(dialect, header):
    compiler, standard = dialect
    subprocess.run([compiler, f"-std={standard}", *STRICT, "-x", "c++", "-fsyntax-only", "-"],
                   input=f"#include <{header}>\nint main() {{ return 0; }}\n", text=True, check=True)


def macros(includes):
    done = subprocess.run(["g++", "-std=c++20", f"-I{ROOT}/include", "-E", "-dM", "-x", "c++", "-"],
                          input="".join(f"#include {name}\n" for name in includes),
                          capture_output=True, text=True, check=True)
    return set(re.findall(r"^#define (\w+)", done.stdout, re.M))


def test_the_wrapper_leaves_no_macro_behind():
    with open(f"{ROOT}/include/maplog.hpp") as file:
        includes = re.findall(r"^#include (<.*>)", file.read(), re.M)
    assert "<maplog.h>" in includes and "<chrono>" in includes
    assert macros(["<maplog.hpp>"]) - macros(includes) == {"MAPLOG_HPP"}
