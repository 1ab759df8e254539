"""tools/abi on the library as it is, and on changes that it must tell from each other."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(os.environ.get("MAPLOG", ROOT / "build/release/maplog")).parent

HEADER = """
struct words_options {
    unsigned flags;
    int timeout_ms;
};
enum words_error { WORDS_NONE, WORDS_LATE };
typedef struct words words;
__attribute__((visibility("default"))) int words_open(const struct words_options *options, words **open);
__attribute__((visibility("default"))) enum words_error words_close(words *open);
"""
SOURCE = """
#include <stdlib.h>
#include <words.h>
struct words { int private_part; };
int words_open(const struct words_options *options, words **open)
{
    *open = calloc(1, sizeof **open);
    (*open)->private_part = options->timeout_ms;
    return 0;
}
enum words_error words_close(words *open)
{
    free(open);
    return WORDS_NONE;
}
"""
MAP = "WORDS_0 { global: words_open; words_close; local: *; };\n"
COUNT = '__attribute__((visibility("default"))) int words_count(const words *all);\n'
COUNT_SOURCE = "int words_count(const words *all) { return all->private_part; }\n"


def abi(*arguments):
    done = subprocess.run([ROOT / "tools/abi", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    return done


def build(folder, header=HEADER, source=SOURCE, version_script=MAP):
    (folder / "include").mkdir(parents=True)
    (folder / "include/words.h").write_text(header)
    (folder / "words.c").write_text(source)
    (folder / "words.map").write_text(version_script)
    subprocess.run(["gcc", "-g", "-shared", "-fPIC", f"-I{folder}/include", "-Wl,-soname,libwords.so.0",
                    f"-Wl,--version-script={folder}/words.map", "-o", folder / "libmaplog.so",
                    folder / "words.c"], check=True)
    return folder


@pytest.fixture
def compared(tmp_path):
    """A function that says what tools/abi makes of a change to the small library above."""
    before = build(tmp_path / "before")

    def compare(**changed):
        after = build(tmp_path / "after", **changed)
        return abi("--against", before, after / "libmaplog.so", after / "include")
    return compare


def test_the_library_is_compatible_with_that_of_the_last_tag():
    done = abi(BUILT / "libmaplog.so", ROOT / "include")
    assert done.returncode == 0, done.stdout
    assert "compatible with " in done.stdout


def test_a_function_of_the_library_that_is_gone_is_told(tmp_path):
    names = set(re.findall(r"maplog_\w+", (ROOT / "src/client/maplog.map").read_text())) - {"maplog_seek"}
    shortened = re.sub(r"\n *maplog_seek;", "", (ROOT / "src/client/maplog.map").read_text())
    assert set(re.findall(r"maplog_\w+", shortened)) == names
    (tmp_path / "maplog.map").write_text(shortened)
    library = tmp_path / "libmaplog.so"
    subprocess.run(["gcc", "-shared", "-nostdlib", "-Wl,-soname,libmaplog.so.0", "-o", library,
                    f"-Wl,--version-script={tmp_path}/maplog.map",
                    "-Wl,--whole-archive", BUILT / "installed/libmaplog.a", "-Wl,--no-whole-archive"],
                   check=True)
    done = abi(library, ROOT / "include")
    assert done.returncode == 1
    assert "maplog_seek(" in done.stdout and "1 Removed" in done.stdout


def test_what_nobody_outside_sees_may_change(compared):
    done = compared(source=SOURCE.replace("int private_part;", "long others[4]; int private_part;"))
    assert done.returncode == 0, done.stdout


def test_an_option_in_the_middle_is_told(compared):
    header = HEADER.replace("unsigned flags;", "unsigned flags;\n    int retries;")
    done = compared(header=header)
    assert done.returncode == 1
    assert "retries" in done.stdout and "words_options" in done.stdout


def test_another_argument_is_told(compared):
    done = compared(header=HEADER.replace("words_close(words *open)", "words_close(words *open, int how)"),
                    source=SOURCE.replace("words_close(words *open)", "words_close(words *open, int how)"))
    assert done.returncode == 1
    assert "words_close" in done.stdout


def test_another_number_of_a_name_is_told(compared):
    done = compared(header=HEADER.replace("WORDS_LATE", "WORDS_EARLY, WORDS_LATE"))
    assert done.returncode == 1
    assert "WORDS_LATE" in done.stdout


def test_a_new_number_at_the_end_is_none(compared):
    done = compared(header=HEADER.replace("WORDS_LATE", "WORDS_LATE, WORDS_NEVER"))
    assert done.returncode == 0, done.stdout


def test_a_new_function_is_listed(compared):
    done = compared(header=HEADER + COUNT, source=SOURCE + COUNT_SOURCE,
                    version_script=MAP + "WORDS_0.2 { global: words_count; } WORDS_0;\n")
    assert done.returncode == 0, done.stdout
    assert "added: words_count (WORDS_0.2)" in done.stdout


def test_a_new_function_in_an_old_node_is_told(compared):
    done = compared(header=HEADER + COUNT, source=SOURCE + COUNT_SOURCE,
                    version_script=MAP.replace("words_open;", "words_open; words_count;"))
    assert done.returncode == 1
    assert "words_count is new, but WORDS_0 is not" in done.stdout


def test_a_new_function_without_a_version_is_told(compared):
    # An exported name of a library whose version script was left out.
    done = compared(version_script="{ global: words_open; words_close; };\n")
    assert done.returncode == 1
    assert "words_open has no version" in done.stdout
