"""maplog(3) names everything that <maplog.h> declares, and its example programs work."""
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = ["libisal", "liblz4", "libzstd", "snappy", "zlib"]


def read(path):
    with open(f"{ROOT}/{path}") as file:
        return file.read()


def examples():
    """The programs of the page by their names, from "/* NAME.c: ..." in their first lines."""
    blocks = re.findall(r"\.Bd -literal.*?\n(.*?)\.Ed", read("man/maplog.3"), re.S)
    texts = [block.replace(r"\e", "\\") for block in blocks]
    return {re.match(r"/\* (\w+)\.c:", text)[1]: text for text in texts}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    where = tmp_path_factory.mktemp("examples")
    libraries = subprocess.run(["pkg-config", "--libs", *PACKAGES], check=True,
                               capture_output=True, text=True).stdout.split()
    for name, text in examples().items():
        (where / f"{name}.c").write_text(text)
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", "-o", where / name,
                        where / f"{name}.c", f"{ROOT}/build/release/libmaplog.a", *libraries,
                        "-pthread"], check=True)
    return where


def test_the_examples_pass_records_on(programs, tmp_path):
    data = tmp_path / "data"
    for words in ["hello", "world"], ["again"]:
        subprocess.run([programs / "produce", data, *words], check=True)
    read_back = subprocess.run([programs / "consume", data], check=True, capture_output=True, text=True)
    assert read_back.stdout == "0 hello\n1 world\n2 again\n"
    assert read_back.stderr == ""


def test_the_examples_say_what_is_wrong(programs, tmp_path):
    missing = subprocess.run([programs / "consume", tmp_path / "missing"], capture_output=True, text=True)
    assert missing.returncode == 1
    assert missing.stderr.startswith("MAPLOG_NOT_FOUND: ")
    assert str(tmp_path / "missing") in missing.stderr


def test_the_page_names_every_function_and_code():
    page, header = read("man/maplog.3"), read("include/maplog.h")
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    functions = set(re.findall(r"^MAPLOG_API [^(]*?(maplog_\w+)\(", header, re.M))
    codes = set(re.findall(r"(MAPLOG_\w+) = -\d+", header)) | {"MAPLOG_BEGIN", "MAPLOG_END"}
    assert len(functions) > 30 and len(codes) > 20
    synopsis = page[:page.index(".Sh DESCRIPTION")]
    assert functions == set(re.findall(r"^\.F[no] (maplog_\w+)", synopsis, re.M))
    assert functions <= set(re.findall(r"^\.Fn (maplog_\w+)", page[len(synopsis):], re.M)) | {
        "maplog_error_name", "maplog_version"}
    assert {code for code in codes if not re.search(rf"\b{code}\b", page)} == set()


def test_the_page_is_well_formed():
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    page = subprocess.run(["groff", "-mdoc", "-Tutf8", "-ww", "-z", f"{ROOT}/man/maplog.3"],
                          capture_output=True, text=True)
    assert page.stderr == ""
