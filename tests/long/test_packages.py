"""`make deb`: the packages are made, checked by lintian, and installed on a copy of this system."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/tools"))
from test_install import PROGRAM, PROJECT, VERSION  # noqa: E402

PACKAGES = ("libmaplog-dev", "libmaplog0", "maplog", "python3-maplog")
# Runs its arguments on a copy of this system, whose changes go with it: what is in memory lies above
# all that is on the disk.
ON_A_COPY = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/changes" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/root"
mount --bind /proc "$1/root/proc"
mount --bind /dev "$1/root/dev"
root=$1/root
shift
exec chroot "$root" "$@"
"""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent",
               "DEBIAN_FRONTEND": "noninteractive", "PYTHONDONTWRITEBYTECODE": "1"}
# What is on this system already, from whichever source, is not there on the copy.
REMOVE = """
rm -rf /usr/local/include/maplog* /usr/local/lib/libmaplog* /usr/local/lib/pkgconfig/maplog.pc \
    /usr/local/lib/cmake/maplog /usr/local/bin/maplog /usr/local/lib/python3*/dist-packages/maplog*
dpkg --purge --force-depends %s >/dev/null 2>&1 || true
! getent passwd maplog >/dev/null || deluser --quiet maplog
"""
INSTALL = "dpkg --install --force-depends %s\n"
PYTHON = """
import maplog
with maplog.open("/tmp/by-python", create=True) as log:
    log.create_topic("words")
    with log.producer("words") as producer:
        producer.produce(b"hello")
    print(*(bytes(message.value) for message in log.consumer("words", timeout=0)), maplog.__version__)
"""


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def build(folder):
    if not shutil.which("dh"):
        pytest.skip("debhelper is not installed")
    run(ROOT / "tools/deb", folder)
    return folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return build(tmp_path_factory.mktemp("packages"))


@pytest.fixture
def installed(packages, tmp_path):
    """A function that runs a script on a copy of this system with the packages installed there."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    files = [str(next(packages.glob(f"{name}_*.deb"))) for name in PACKAGES]

    def on_a_copy(script):
        (tmp_path / "upper").mkdir()
        (tmp_path / "program.c").write_text(PROGRAM)
        (tmp_path / "CMakeLists.txt").write_text(PROJECT % VERSION)
        (tmp_path / "words.py").write_text(PYTHON)
        text = (f"set -eu\n{REMOVE % ' '.join(PACKAGES)}\n{INSTALL % ' '.join(files)}\n"
                f"cd {tmp_path}\n{script}\n")
        return run("unshare", "--mount", "--propagation", "private", "sh", "-eu", "-c", ON_A_COPY,
                   "sh", tmp_path / "upper", "sh", "-c", text, env=ENVIRONMENT)

    probe = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-eu", "-c", ON_A_COPY,
                            "sh", tmp_path, "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip("no overlay of this system: " + probe.stderr.strip())
    return on_a_copy


def test_all_packages_are_made(packages):
    made = {path.name.split("_")[0] for path in packages.glob("*.deb")}
    assert {name for name in made if not name.endswith("-dbgsym")} == set(PACKAGES)
    for path in packages.glob("*.deb"):
        assert path.name.split("_")[1].startswith(VERSION + "-")


def test_lintian_finds_nothing(packages):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed")
    done = subprocess.run(["lintian", "--allow-root", "--info", "--display-info", next(packages.glob("*.changes"))],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_programs_are_hardened(packages, tmp_path):
    run("dpkg-deb", "-x", next(packages.glob("maplog_*.deb")), tmp_path)
    run("dpkg-deb", "-x", next(packages.glob("libmaplog0_*.deb")), tmp_path)
    library = next(tmp_path.glob(f"usr/lib/*/libmaplog.so.{VERSION}"))
    for path in (tmp_path / "usr/bin/maplog", tmp_path / "usr/libexec/maplog/maplog-lab", library):
        dynamic, names = run("readelf", "-dW", path), run("readelf", "-W", "--dyn-syms", path)
        assert "BIND_NOW" in dynamic or re.search(r"FLAGS.*NOW", dynamic), path
        assert "GNU_RELRO" in run("readelf", "-lW", path), path
        assert "__stack_chk_fail" in names and "_chk@GLIBC" in names, path
    assert "DYN (Position-Independent Executable" in run("readelf", "-h", tmp_path / "usr/bin/maplog")


def test_the_same_files_give_the_same_packages(packages, tmp_path):
    again = build(tmp_path / "elsewhere")
    for path in packages.glob("*.deb"):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_who_asks_for_too_new_a_function_is_told_by_dpkg(packages, tmp_path):
    """What a package that uses a function depends on follows from the function's version node."""
    run("dpkg-deb", "-e", next(packages.glob("libmaplog0_*.deb")), tmp_path)
    symbols = (tmp_path / "symbols").read_text()
    assert re.search(r"^ maplog_open@MAPLOG_0 0\.1\.0$", symbols, re.M)
    assert re.search(r"^ maplog_hold_covers@MAPLOG_0\.2 0\.2\.0$", symbols, re.M)


def test_the_command_and_its_service(installed):
    said = installed("""
        printf 'one\\ntwo\\n' | maplog produce words --data /tmp/words
        maplog consume words --data /tmp/words
        maplog lab --help | head -n 1
        test -s /etc/maplog/server.properties
        dpkg-query --showformat '${Conffiles}\\n' --show maplog
        getent passwd maplog
        getent group maplog
        sed -n 's/^ExecStart=//p' /lib/systemd/system/maplog.service
        ls /etc/systemd/system/*/maplog.service 2>/dev/null || echo "not enabled"
        zcat /usr/share/man/man1/maplog.1.gz | head -n 1
    """)
    assert "\none\ntwo\n" in said
    assert "/etc/maplog/server.properties" in said
    assert re.search(r"^maplog:x:\d+:\d+:maplog message log[,]*:/var/lib/maplog:", said, re.M)
    assert re.search(r"^maplog:x:\d+:$", said, re.M)
    assert "/usr/bin/maplog serve --data /var/lib/maplog" in said
    assert "not enabled" in said


def test_the_service_runs_as_its_user(installed):
    """As the unit would: its folder, its user, its settings; a client comes in by the group."""
    said = installed("""
        install -d -m 2770 -o maplog -g maplog /var/lib/maplog
        umask 007
        sed -i 's/^listeners=.*/listeners=localhost:0/' /etc/maplog/server.properties
        setpriv --reuid maplog --regid maplog --clear-groups \
            maplog serve --data /var/lib/maplog --config /etc/maplog/server.properties >server.log 2>&1 &
        server=$!
        for i in $(seq 100); do ! grep -q listening server.log || break; sleep 0.1; done
        cat server.log
        echo hello | setpriv --reuid nobody --regid nogroup --groups maplog \
            maplog produce words --data /var/lib/maplog
        setpriv --reuid nobody --regid nogroup --groups maplog \
            maplog consume words --data /var/lib/maplog
        find /var/lib/maplog ! -group maplog
        kill -TERM $server
        wait $server
        echo "ended well"
    """)
    assert said.endswith("\nhello\nended well\n")  # and no file is another group's


def test_programs_are_built_and_run(installed):
    said = installed("""
        gcc -o shared program.c $(pkg-config --cflags --libs maplog)
        gcc -static -o static program.c $(pkg-config --static --cflags --libs maplog)
        cmake -S . -B build >/dev/null
        cmake --build build >/dev/null
        for program in shared static build/by_maplog build/by_maplog_static build/whole; do
            rm -rf /tmp/log && ./$program /tmp/log
        done
    """)
    assert said.count(f"hello from {VERSION}\n") == 5


def test_python_imports_it(installed):
    said = installed("/usr/bin/python3 words.py")
    assert f"b'hello' {VERSION}\n" in said


def test_what_was_installed_goes(installed):
    said = installed("""
        mkdir -p /var/lib/maplog && touch /var/lib/maplog/records
        dpkg --purge %s >/dev/null
        echo left:
        find /etc /lib /usr/bin /usr/include /usr/lib /usr/libexec /usr/share /var/lib/maplog \
            -name '*maplog*' -o -path '/var/lib/maplog/*'
    """ % " ".join(PACKAGES))
    assert said[said.index("left:\n"):].split() == ["left:", "/var/lib/maplog", "/var/lib/maplog/records"]
