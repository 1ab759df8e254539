"""Each rule of tools/tidy is shown a bad sample that it must find, and a good one."""
import os
import subprocess
import sys

import pytest

TIDY = os.path.join(os.path.dirname(__file__), "../../tools/tidy")
GOOD = {
    ".clang-format": open(os.path.join(os.path.dirname(__file__), "../../.clang-format")).read(),
    "src/LAYERS": "cmd: log io os base\nlog: os base\nio: os base\nos: base\nbase:\n",
    "src/base/error.h": "/* error.h - codes. */\n#pragma once\nint error_set(int code, const char *format, ...);\n",
    "src/base/error.c": '#include "base/error.h"\n#include <maplog.h>\n\nint error_set(int code)\n{\n'
                        "    return code; /* never abort() */\n}\n",
    "src/os/file.c": '#include "base/error.h"\n\nint file_open(const char *path)\n{\n    return open(path, 0);\n}\n',
    "src/log/segment.c": '#include "base/error.h"\n\nint segment_read(struct operations *o)\n{\n'
                         '    return o->read("open(") + o->write(0);\n}\n',
    "src/io/epoll.c": "void epoll_look(int fd)\n{\n    epoll_wait(fd, 0, 0, 0);\n    sendfile(fd, fd, 0, 0);\n}\n",
    "tests/unit/base/error_test.c": "",
    "tests/unit/os/file_test.c": "",
    "tests/unit/io/epoll_test.c": "",
    "tests/unit/log/segment_test.c": "",
}
FUNCTION = "void segment_long(void)\n{\n" + "    step();\n" * 67 + "}\n"


def tidy(root, files, *arguments):
    for path, text in {**GOOD, **files}.items():
        os.makedirs(root / os.path.dirname(path), exist_ok=True)
        (root / path).write_text(text)
    return subprocess.run([sys.executable, TIDY, "--root", root, "--library", root / "libx.so", *arguments],
                          capture_output=True, text=True)


def test_a_good_tree_has_no_finding(tmp_path):
    result = tidy(tmp_path, {"src/log/long_part.c": FUNCTION, "tests/unit/log/long_test.c": ""})
    assert result.stderr == ""
    assert [line for line in result.stdout.splitlines() if "was not checked" not in line] == []
    assert result.returncode == 0


WORK = "TO" + "DO"
BAD = [
    ("layers", "src/base/error.c", '#include "os/file.h"\n', 1, {"src/os/file.h": "/* file */\n"}),
    ("layers", "src/base/error.c", '\n#include "base/none.h"\n', 2, {}),
    ("layers", "src/base/error.c", '#include "error.h"\n', 1, {}),
    ("layers", "src/base/error.c", "#include <base/error.h>\n", 1, {}),
    ("layers", "src/other/thing.c", "", 1, {}),
    ("layers", "src/LAYERS", "cmd: log os base\nlog: os base\nio: os base\nos: base log\nbase:\n", 2, {}),
    ("cycles", "src/base/a.h", '#include "base/b.h"\n', 1, {"src/base/b.h": '#include "base/a.h"\n'}),
    ("calls", "src/log/segment.c", "int segment_read(void)\n{\n    return read(0, 0, 0);\n}\n", 3, {}),
    ("calls", "src/cmd/main.c", "int main(void)\n{\n    fork();\n}\n", 3, {}),
    ("calls", "src/log/segment.c", "void f(void)\n{\n    sendfile(0, 0, 0, 0);\n}\n", 3, {}),
    ("calls", "src/io/epoll.c", "void f(void)\n{\n    socket(0, 0, 0);\n}\n", 3, {}),
    ("calls", "src/io/epoll.c", "void f(void)\n{\n    close(0);\n}\n", 3, {}),
    ("calls", "src/log/segment.c", 'void f(void)\n{\n    printf("");\n}\n', 3, {}),
    ("calls", "src/os/file.c", "void f(void)\n{\n    abort();\n}\n", 3, {}),
    ("calls", "src/os/file.c", "void f(char *a)\n{\n    strcpy(a, a);\n}\n", 3, {}),
    ("calls", "tests/unit/os/file_test.c", "int f(char *a)\n{\n    return atoi(a);\n}\n", 3, {}),
    ("order", "src/log/segment.c", "int x = memory_order_relaxed;\n", 1, {}),
    ("order", "src/log/segment.c", "void f(int *x)\n{\n    atomic_store(x, 1);\n}\n", 3, {}),
    ("sizes", "src/log/segment.c", "\n" + FUNCTION.replace("{\n", "{\n    step();\n"), 2, {}),
    ("sizes", "src/log/segment.c", "int x;\n" * 501, 501, {}),
    ("sizes", "src/base/error.h", "/* error */\n" + "extern int x;\n" * 150, 151, {}),
    ("sizes", "src/log/segment.c", "int six(int a, int b, int c, int d, int e,\n        int (*f)(int, int))\n{\n}\n", 1, {}),
    ("headers", "src/base/error.h", "#pragma once\n", 1, {}),
    ("headers", "src/base/error.h", "/* error */\n", 1, {}),
    ("tests", "src/base/untested.c", "", 1, {}),
    ("tests", "src/base/err_part.c", "", 1, {"tests/unit/base/part_test.c": ""}),
    ("words", "README.md", f"one\n{WORK}: two\n", 2, {}),
    ("words", "docs/a.md", "see /ho" + "me/me/maplog\n", 1, {}),
    ("form", "README.md", "one \n", 1, {}),
    ("form", "src/os/file.c", "\tint x;\n", 1, {}),
    ("form", "src/os/file.c", "/* " + "x" * 100 + " */\n", 1, {}),
    ("form", "README.md", "one", 1, {}),
    ("format", "src/os/file.c", "int   x;\n", 1, {}),
]


@pytest.mark.parametrize("rule, path, text, line, more", BAD, ids=[f"{i}-{b[0]}" for i, b in enumerate(BAD)])
def test_a_bad_sample_is_found(tmp_path, rule, path, text, line, more):
    result = tidy(tmp_path, {**more, path: text}, rule)
    if "was not checked: clang-format" in result.stdout:
        pytest.skip("clang-format is not installed")
    assert result.stderr == ""
    assert f"{path}:{line}: {rule}: " in result.stdout
    assert len(result.stdout.splitlines()) == 1
    assert result.returncode == 1


def test_an_exception_covers_a_finding_and_a_stale_one_is_found(tmp_path):
    files = {"src/base/untested.c": "", "tools/tidy-exceptions": "tests src/base/unt* # nothing in it\n"}
    assert tidy(tmp_path, files, "tests").returncode == 0
    files["tools/tidy-exceptions"] = "tests src/base/error.c # it has one\n"
    assert "tools/tidy-exceptions:1: stale: tests src/base/error.c" in tidy(tmp_path, files, "tests").stdout
    assert "stale" not in tidy(tmp_path, files, "words").stdout
    files["tools/tidy-exceptions"] = "tests src/base/error.c\n"
    assert "write `rule path[:name] # reason`" in tidy(tmp_path, files).stderr


def library(tmp_path, code, files=None):
    """Builds libx.so and libx.a from code; what tidy's rule `exports` then reads."""
    map_text = "MAPLOG_0 {\n    global:\n        maplog_open;\n    local: *;\n};\n"
    files = files if files is not None else {}
    files.setdefault("src/client/maplog.map", map_text)
    files.setdefault("include/maplog.h", "/* maplog.h */\nint maplog_open(void);\n")
    source, base = tmp_path / "x.c", tmp_path / "libx"
    source.write_text(code + "\n")
    subprocess.run(["gcc", "-fPIC", "-c", source, "-o", f"{base}.o"], check=True)
    subprocess.run(["gcc", "-shared", f"{base}.o", "-o", f"{base}.so"], check=True)
    subprocess.run(["ar", "rcs", f"{base}.a", f"{base}.o"], check=True)
    source.unlink()
    return files


@pytest.mark.parametrize("code, map_text, header, finding", [
    ("int maplog_open(void) { return 0; }", None, None, None),
    ("int maplog_open(void) { return 0; } void other(void) {}", None, None, "exports other"),
    ("int maplog_open(void) { return 0; } void maplog_x(void) {}", None, None, "maplog_x, which is not listed"),
    ("int maplog_open;", None, None, "maplog_open is data"),
    ("static int x; int maplog_open(void) { return x; } __attribute__((visibility(\"hidden\"))) int y;",
     None, None, "y is a global variable"),
    ("int maplog_open(void) { return 0; } __attribute__((visibility(\"hidden\"))) int (*const z)(void) ="
     " maplog_open;", None, None, None),
    ("void maplog_close(void) {}", "{ global: maplog_close; maplog_open; };\n",
     "/* h */\nvoid maplog_close(void);\n", "maplog_open is not defined"),
    ("int maplog_open(void) { return 0; }", None, "/* h */\n", "maplog_open is not declared"),
    ("int maplog_open(void) { return 0; }", "{ global:\n maplog_*; };\n", None, "list every function"),
])
def test_exports(tmp_path, code, map_text, header, finding):
    files = {}
    if map_text:
        files["src/client/maplog.map"] = map_text
    if header:
        files["include/maplog.h"] = header
    result = tidy(tmp_path, library(tmp_path, code, files), "exports")
    assert result.stderr == ""
    if finding:
        assert finding in result.stdout and result.returncode == 1
    else:
        assert (result.stdout, result.returncode) == ("", 0)


def test_the_cmocka_form_has_a_line_a_rule(tmp_path):
    result = tidy(tmp_path, {"src/base/untested.c": ""}, "--cmocka", "tests", "words", "exports")
    for line in ("[  FAILED  ] tests", "[       OK ] words", "[  SKIPPED ] exports"):
        assert line in result.stdout.splitlines()
