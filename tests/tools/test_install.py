"""`make install` into folders of its own, and what compilers, pkg-config and CMake make of it."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(os.environ.get("MAPLOG", ROOT / "build/release/maplog")).parent
VERSION = re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M).group(1)

# A record goes in and comes out. The inner library has an error_set(), too: a program may have its own.
PROGRAM = r"""
#include <maplog.h>
#include <stdio.h>

int error_set(void)
{
    return 0;
}

int main(int argc, char **argv)
{
    maplog *log;
    maplog_producer *producer;
    maplog_consumer *consumer;
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    struct maplog_record record = {.value = "hello", .value_size = 5};
    struct maplog_message message;
    if (argc != 2 || error_set() || maplog_open(argv[1], &options, &log) ||
        maplog_topic_create(log, "words", 1, NULL) ||
        maplog_producer_open(log, "words", NULL, &producer) ||
        maplog_produce(producer, &record, NULL) || maplog_producer_close(producer) ||
        maplog_consumer_open(log, "words", NULL, &consumer) ||
        maplog_consume(consumer, &message, 0) != 1)
        return puts(maplog_error_text()), 1;
    printf("%.*s from %s\n", (int)message.value_size, (const char *)message.value, maplog_version());
    maplog_consumer_close(consumer);
    maplog_close(log);
    return 0;
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.13)
project(words C)
find_package(maplog %s REQUIRED CONFIG)
find_package(maplog CONFIG) # who is asked for twice is there once
foreach(kind maplog maplog_static)
  add_executable(by_${kind} program.c)
  target_link_libraries(by_${kind} maplog::${kind})
endforeach()
add_executable(whole program.c)
target_link_libraries(whole -static maplog::maplog_static)
"""


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def make(target, *variables):
    """Of what is built: nothing is compiled, whatever flags this test has in its environment."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MAKELEVEL", "DESTDIR", "PREFIX", "LIBDIR", "INCLUDEDIR")}
    return run("make", "-C", ROOT, f"OUT={BUILT}", "-o", "all", target, *variables, env=environment)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")
                  if path.is_symlink() or not path.is_dir())


def says(program, tmp_path, **environment):
    data = tmp_path / "data"
    shutil.rmtree(data, ignore_errors=True)
    assert run(program, data, env={**os.environ, **environment}) == f"hello from {VERSION}\n"


def needed(program):
    return re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program))


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """An installation that was moved to another place as a whole; the libraries are in lib/cpu."""
    folder = tmp_path_factory.mktemp("installed")
    before, after = folder / "before", folder / "after"
    make("install", f"PREFIX={before}", f"LIBDIR={before}/lib/cpu")
    before.rename(after)
    return after


@pytest.fixture
def source(tmp_path):
    (tmp_path / "program.c").write_text(PROGRAM)
    return tmp_path / "program.c"


def document(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "docs/installing.md").read_text(), re.M | re.S)


def compiler_flags(moved, *words):
    # A moved prefix is what pkg-config must be told; the places in it follow.
    return run("pkg-config", f"--define-variable=prefix={moved}", *words, "maplog",
               env={**os.environ, "PKG_CONFIG_PATH": f"{moved}/lib/cpu/pkgconfig"}).split()


# ---- files -----------------------------------------------------------------------------------------

def test_it_goes_where_it_is_told_and_leaves_nothing(tmp_path):
    variables = (f"DESTDIR={tmp_path}", "PREFIX=/opt/maplog", "LIBDIR=/opt/lib/cpu",
                 "INCLUDEDIR=/opt/headers", "UNITDIR=/units")
    strangers = ["opt/maplog/bin/other", "opt/maplog/share/doc/maplog/mine", "opt/lib/cpu/libother.so",
                 "opt/headers/other.h"]
    for name in strangers:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    make("install", *variables)
    installed = set(files(tmp_path)) - set(strangers)
    assert {name.split("/")[0] for name in installed} == {"opt", "units"}
    assert {os.path.basename(name) for name in installed if name.startswith("opt/headers/")} == \
        {path.name for path in (ROOT / "include").glob("*.h*")}
    assert {os.path.basename(name) for name in installed if "/share/man/man" in name} == \
        {path.name for path in (ROOT / "man").iterdir()}
    assert {name for name in installed if name.startswith("opt/lib/cpu/")} == {
        "opt/lib/cpu/" + name for name in (
            "libmaplog.a", "libmaplog.so", "libmaplog.so.0", f"libmaplog.so.{VERSION}",
            "pkgconfig/maplog.pc", "cmake/maplog/maplog-config.cmake",
            "cmake/maplog/maplog-config-version.cmake")}
    make("uninstall", *variables)
    assert files(tmp_path) == sorted(strangers)


def test_the_default_is_usr_local_and_no_folder_of_its_own_stays(tmp_path):
    make("install", f"DESTDIR={tmp_path}")
    assert {name.split("/bin/")[0] for name in files(tmp_path) if "/bin/" in name} == {"usr/local"}
    assert all(name.startswith("usr/local/") for name in files(tmp_path))
    make("uninstall", f"DESTDIR={tmp_path}")
    assert not files(tmp_path)
    assert not [path for path in tmp_path.rglob("maplog*")]


def test_nothing_is_owned_by_a_place_of_the_build(tmp_path):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    for name in files(tmp_path):
        path = tmp_path / name
        if not path.is_symlink():
            assert str(tmp_path).encode() not in path.read_bytes(), name
            assert path.stat().st_mode & 0o7777 in (0o644, 0o755), name


def test_the_instruments_are_found_from_the_program(moved):
    assert "maplog lab" in run(moved / "bin/maplog", "lab", "--help")


@pytest.mark.parametrize("name, command", [("maplog", "serve"), ("maplog-drain", "drain")])
def test_a_unit_starts_what_is_there_as_a_user_that_is_made(tmp_path, name, command):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/opt")
    unit = (tmp_path / f"opt/lib/systemd/system/{name}.service").read_text()
    program = re.search(rf"^ExecStart=(\S+) {command} ", unit, re.M).group(1)
    assert (tmp_path / program.lstrip("/")).exists()
    user = re.search(r"^User=(\S+)$", unit, re.M).group(1)
    assert re.search(rf"^u {user} ", (tmp_path / "opt/lib/sysusers.d/maplog.conf").read_text(), re.M)


def test_the_rule_gives_the_device_to_the_group_of_the_drain(tmp_path):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/opt")
    unit = (tmp_path / "opt/lib/systemd/system/maplog-drain.service").read_text()
    rule = (tmp_path / "opt/lib/udev/rules.d/60-maplog.rules").read_text()
    group = re.search(r"^Group=(\S+)$", unit, re.M).group(1)
    assert f'KERNEL=="maplog", GROUP="{group}", MODE="0660"' in rule


def test_the_image_has_the_libraries_that_the_programs_need(moved):
    installed = re.search(r"--no-install-recommends(.*?)&&", (ROOT / "deploy/Dockerfile").read_text(), re.S)
    there = set(installed.group(1).replace("\\\n", " ").split()) | {"libc6"}
    libraries = {*needed(moved / "bin/maplog"), *needed(moved / "libexec/maplog/maplog-lab")}
    owned = run("dpkg-query", "-S", *(f"*/{library}" for library in libraries))
    owners = {library: set(re.findall(rf"^([\w.+-]+)(?::\w+)?: .*/{re.escape(library)}$", owned, re.M))
              for library in libraries}
    assert {library for library in libraries if not there & owners[library]} == set(), owned


# ---- the version, the symbols ----------------------------------------------------------------------

def test_one_version_everywhere(moved):
    assert run(BUILT / "maplog", "--version") == f"maplog {VERSION}\n"
    assert compiler_flags(moved, "--modversion") == [VERSION]
    for page in (ROOT / "man").glob("*.1"):
        assert f'"maplog {VERSION}"' in page.read_text().splitlines()[0], page.name
    assert (ROOT / "debian/changelog").read_text().startswith(f"maplog ({VERSION}-")


def test_what_the_headers_declare_is_exported_with_a_version(moved):
    declared = set()
    for header in (ROOT / "include").glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        declared |= set(re.findall(r"\bMAPLOG_API\b[^;(]*?\b(maplog_\w+)\s*\(", text))
    exported = dict(re.findall(r"^\w+ [A-Za-z] (\w+)(?:@@(\w\S*))?$",
                               run("nm", "-D", "--defined-only", moved / "lib/cpu/libmaplog.so"), re.M))
    exported = {name: node for name, node in exported.items() if not name.startswith("MAPLOG_")}
    assert set(exported) == declared
    assert {name for name, node in exported.items() if not re.fullmatch(r"MAPLOG_0(\.\d+)?", node)} == set()


def test_the_archive_has_public_names_only_and_all(moved):
    def names(library, *options):
        text = run("nm", "-g", "--defined-only", *options, moved / "lib/cpu" / library)
        return set(re.findall(r"^\w+ [A-Za-z] (maplog_\w+|\w+)", text, re.M))
    shared = {name for name in names("libmaplog.so", "-D") if not name.startswith("MAPLOG_")}
    assert names("libmaplog.a") == shared


# ---- programs --------------------------------------------------------------------------------------

def test_pkg_config_shared(moved, source, tmp_path):
    run("gcc", "-o", tmp_path / "program", source, *compiler_flags(moved, "--cflags", "--libs"))
    assert needed(tmp_path / "program") == ["libmaplog.so.0", "libc.so.6"]
    says(tmp_path / "program", tmp_path, LD_LIBRARY_PATH=f"{moved}/lib/cpu")


def test_pkg_config_static(moved, source, tmp_path):
    flags = compiler_flags(moved, "--static", "--cflags", "--libs")
    run("gcc", "-static", "-o", tmp_path / "program", source, *flags)
    assert needed(tmp_path / "program") == []
    says(tmp_path / "program", tmp_path)


def test_the_archive_among_shared_libraries(moved, source, tmp_path):
    flags = [flag.replace("-lmaplog", "-l:libmaplog.a")
             for flag in compiler_flags(moved, "--static", "--cflags", "--libs")]
    run("gcc", "-o", tmp_path / "program", source, *flags)
    assert "libmaplog.so.0" not in needed(tmp_path / "program")
    says(tmp_path / "program", tmp_path)


@pytest.mark.parametrize("number", [0, 1])
def test_the_lines_of_the_document(moved, source, tmp_path, number):
    line = document("sh")[number].replace("pkg-config", f"pkg-config --define-variable=prefix={moved}")
    run("sh", "-euc", line, cwd=tmp_path, env={**os.environ, "PKG_CONFIG_PATH": f"{moved}/lib/cpu/pkgconfig"})
    says(tmp_path / "program", tmp_path, LD_LIBRARY_PATH=f"{moved}/lib/cpu")


def test_the_project_of_the_document(source, tmp_path):
    make("install", f"PREFIX={tmp_path}/there")
    (tmp_path / "CMakeLists.txt").write_text(document("cmake")[0])
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={tmp_path}/there")
    run("cmake", "--build", tmp_path / "build")
    says(tmp_path / "build/program", tmp_path)


def cmake(moved, tmp_path, wanted):
    (tmp_path / "CMakeLists.txt").write_text(PROJECT % wanted)
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-Dmaplog_DIR={moved}/lib/cpu/cmake/maplog"]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_cmake_finds_it_shared_and_static(moved, source, tmp_path):
    done = cmake(moved, tmp_path, "0.1")
    assert done.returncode == 0, done.stdout
    run("cmake", "--build", tmp_path / "build")
    build = tmp_path / "build"
    assert "libmaplog.so.0" in needed(build / "by_maplog")
    assert "libmaplog.so.0" not in needed(build / "by_maplog_static")
    assert needed(build / "whole") == []
    for program in ("by_maplog", "by_maplog_static", "whole"):
        says(build / program, tmp_path)


@pytest.mark.parametrize("wanted, served", [
    (VERSION + " EXACT", True), ("0.1...<0.9", True), ("0.1...0.1.9", False), ("0.99", False), ("1.0", False)])
def test_cmake_is_given_only_a_version_that_serves(moved, source, tmp_path, wanted, served):
    done = cmake(moved, tmp_path, wanted)
    assert (done.returncode == 0) == served, done.stdout
    if not served:
        assert f"version: {VERSION}" in done.stdout


def test_cmake_says_what_of_an_installation_is_missing(moved, source, tmp_path):
    part = tmp_path / "part"
    shutil.copytree(moved, part, symlinks=True)
    (part / "lib/cpu/libmaplog.a").unlink()
    done = cmake(part, tmp_path, "")
    assert done.returncode != 0 and "libmaplog.a is missing" in re.sub(r"\s+", " ", done.stdout)
