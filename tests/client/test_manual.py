"""maplog(3) and maplog_file(3) name everything that their headers declare; their example programs work."""
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = ["man/maplog.3", "man/maplog_file.3"]
PACKAGES = ["libisal", "liblz4", "libzstd", "snappy", "zlib"]


def read(path):
    with open(f"{ROOT}/{path}") as file:
        return file.read()


def examples():
    """The programs of the pages by their names, from "/* NAME.c: ..." in their first lines."""
    blocks = [block for page in PAGES
              for block in re.findall(r"\.Bd -literal.*?\n(.*?)\.Ed", read(page), re.S)]
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


def test_the_example_appends_to_a_file_by_memory(programs, tmp_path):
    text = tmp_path / "text"
    subprocess.run([programs / "append", text, "hello", "world"], check=True)
    subprocess.run([programs / "append", text, "x" * 5000], check=True)
    assert text.read_text() == "hello\nworld\n" + "x" * 5000 + "\n"
    lines = subprocess.run([programs / "lines", text], check=True, capture_output=True, text=True)
    assert lines.stdout == "3\n"


@pytest.mark.parametrize("program", ["append", "lines"])
def test_the_examples_of_mapped_files_say_what_is_wrong(programs, tmp_path, program):
    result = subprocess.run([programs / program, tmp_path], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("MAPLOG_INVALID: ")
    assert str(tmp_path) in result.stderr


def test_the_page_of_mapped_files_names_every_function_member_and_flag():
    page, header = read("man/maplog_file.3"), read("include/maplog_file.h")
    names = set(re.findall(r"MAPLOG_[A-Z_]+[A-Z]\b", header)) - {"MAPLOG_API", "MAPLOG_FILE_H"}
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    functions = set(re.findall(r"^MAPLOG_API [^(]*?(maplog_file_\w+)\(", header, re.M))
    options = re.search(r"struct maplog_file_options \{(.*?)\}", header, re.S)[1]
    members = set(re.findall(r"(\w+)(?:\[\d+\])?;", options))
    assert len(functions) == 12 and len(names) > 15 and "reserve_bytes" in members
    head, synopsis = page[:page.index(".Sh DESCRIPTION")].split(".Sh SYNOPSIS")
    assert functions == set(re.findall(r"^\.Nm (maplog_file_\w+)", head, re.M))
    assert functions == set(re.findall(r"^\.F[no] (maplog_file_\w+)", synopsis, re.M))
    assert functions <= set(re.findall(r"^\.Fn (maplog_file_\w+)", page.split(".Sh DESCRIPTION")[1], re.M))
    assert members <= set(re.findall(r"^\.It Va (\w+)", page, re.M))
    assert names <= set(re.findall(r"^\.(?:It )?Dv (MAPLOG_\w+)", page, re.M))


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


@pytest.mark.parametrize("path", PAGES)
def test_the_page_is_well_formed(path):
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    page = subprocess.run(["groff", "-mdoc", "-Tutf8", "-ww", "-z", f"{ROOT}/{path}"],
                          capture_output=True, text=True)
    assert page.stderr == ""
