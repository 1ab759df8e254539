"""Who may do what: directories and file systems that are read-only, users of a group, strangers."""
import contextlib
import grp
import os
import pathlib
import pwd
import shutil
import subprocess

import pytest

from conftest import PROGRAM, Maplog
from filesystems import ext4, fuse, needs_root, run

NOBODY = pwd.getpwnam("nobody")


def as_user(maplog, uid, gid, *words, input=b"", status=0, umask=0o007):
    """Runs the program as somebody else."""
    def become():
        os.umask(umask)
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)

    done = subprocess.run(maplog.command(*words), input=input, capture_output=True, timeout=60,
                          preexec_fn=become, cwd="/")
    assert done.returncode == status, f"{words}: {done.returncode}, {done.stderr.decode()}"
    return done


@pytest.fixture
def shared(maplog):
    """A directory that everybody finds, with a program that everybody may run."""
    needs_root()
    os.chmod(maplog.directory, 0o711)
    return maplog


@contextlib.contextmanager
def read_only_mount(path):
    run("mount", "--bind", str(path), str(path))
    try:
        run("mount", "-o", "remount,ro,bind", str(path))
        yield
    finally:
        run("umount", str(path))


def runnable(maplog):
    """The programs may lie where only root looks: copies of them beside the data."""
    for name in ("maplog", "maplog-lab"):
        shutil.copy(pathlib.Path(PROGRAM).with_name(name), maplog.directory)
        os.chmod(maplog.directory / name, 0o755)
    copy = maplog.directory / "maplog"
    maplog.command = lambda *words: [str(copy), *map(str, words), "--data", str(maplog.data)]


def snapshot(path):
    return {str(file.relative_to(path)): (file.stat().st_mtime_ns, file.read_bytes())
            for file in sorted(pathlib.Path(path).rglob("*"))
            if file.is_file() and file.name != "maplog.control"}


def test_a_read_only_directory_is_read(shared):
    runnable(shared)
    shared.produce("t", b"a\nb\n")
    for path in [shared.data, *shared.data.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = snapshot(shared.data)
    user = (NOBODY.pw_uid, NOBODY.pw_gid)
    assert as_user(shared, *user, "consume", "t").stdout == b"a\nb\n"
    as_user(shared, *user, "inspect")
    as_user(shared, *user, "topic", "list")
    as_user(shared, *user, "ps")
    for words in (["produce", "t"], ["topic", "create", "u"], ["topic", "delete", "t"]):
        refused = as_user(shared, *user, *words, input=b"c\n", status=1)
        assert b"ermission denied" in refused.stderr or b"read-only" in refused.stderr
        assert str(shared.data).encode() in refused.stderr
    assert snapshot(shared.data) == before
    assert shared.values("t") == [b"a", b"b"]


def test_a_directory_that_may_not_even_be_read_is_named(shared):
    runnable(shared)
    shared.produce("t", b"a\n")
    shared.data.chmod(0o700)
    user = (NOBODY.pw_uid, NOBODY.pw_gid)
    for words in (["consume", "t"], ["produce", "t"], ["topic", "list"], ["inspect"]):
        refused = as_user(shared, *user, *words, status=1)
        assert b"denied" in refused.stderr and str(shared.data).encode() in refused.stderr


def test_a_read_only_mount_is_read(maplog):
    needs_root()
    maplog.produce("t", b"a\nb\n")
    with read_only_mount(maplog.data):
        assert maplog.values("t") == [b"a", b"b"]
        maplog.run("inspect")
        for words in (["produce", "t"], ["topic", "create", "u"]):
            refused = maplog.run(*words, input=b"c\n", status=1)
            assert str(maplog.data).encode() in refused.stderr
            assert b"ead-only" in refused.stderr
    maplog.produce("t", b"c\n")
    assert maplog.values("t") == [b"a", b"b", b"c"]


def test_a_file_system_that_is_read_only_is_read(request):
    """Also one that was not left well: nobody vouches for the end, so it is looked for."""
    with ext4(24) as system:
        maplog = Maplog(system.point)
        maplog.produce("t", b"a\nb\n")
        system.unmount()
        system.mount("-o", "ro")
        assert maplog.values("t") == [b"a", b"b"]
        maplog.run("inspect")
        refused = maplog.produce("t", b"c\n", status=1)
        assert b"ead-only" in refused.stderr and str(maplog.data).encode() in refused.stderr
        system.unmount()
        system.mount()
        maplog.produce("t", b"c\n")
        assert maplog.values("t") == [b"a", b"b", b"c"]


@pytest.mark.parametrize("set_group", [True, False])
def test_two_users_of_a_group_share_a_directory(shared, set_group):
    """Files are 0660 and directories 0770, less the umask: who is of the group takes part."""
    runnable(shared)
    gid = grp.getgrnam("games").gr_gid
    os.chown(shared.directory, 0, gid)
    os.chmod(shared.directory, 0o2771 if set_group else 0o771)
    users = [(NOBODY.pw_uid, gid), (pwd.getpwnam("daemon").pw_uid, gid)]
    as_user(shared, *users[0], "topic", "create", "t", "--config", "segment.bytes=16384")
    for turn in range(4):
        lines = b"".join(b"%d %d " % (turn, i) + b"x" * 500 + b"\n" for i in range(50))
        as_user(shared, *users[turn % 2], "produce", "t", input=lines)
    text = as_user(shared, *users[1], "consume", "t", "--group", "g").stdout
    assert text.count(b"\n") == 200
    as_user(shared, *users[0], "topic", "alter", "t", "--config", "segment.bytes=32768")
    as_user(shared, *users[1], "inspect")
    for path in shared.data.rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o770 if path.is_dir() else 0o660), f"{path}: {mode:o}"
    stranger = as_user(shared, 12345, 12345, "consume", "t", status=1)
    assert b"denied" in stranger.stderr
    as_user(shared, *users[1], "topic", "delete", "t")
    as_user(shared, *users[0], "produce", "t", input=b"again\n")


def test_a_group_that_may_only_read_reads(shared):
    """umask 027: files are 0640."""
    runnable(shared)
    gid = grp.getgrnam("games").gr_gid
    os.chown(shared.directory, NOBODY.pw_uid, gid)
    os.chmod(shared.directory, 0o2771)
    as_user(shared, NOBODY.pw_uid, gid, "produce", "t", input=b"a\nb\n", umask=0o027)
    reader = (pwd.getpwnam("daemon").pw_uid, gid)
    assert as_user(shared, *reader, "consume", "t").stdout == b"a\nb\n"
    refused = as_user(shared, *reader, "produce", "t", input=b"c\n", status=1)
    assert b"ermission denied" in refused.stderr


def test_a_network_file_system_is_refused(maplog):
    """FUSE counts as one, and needs no server elsewhere."""
    with fuse() as point:
        maplog.data = point
        for words in (["produce", "t"], ["consume", "t"], ["topic", "create", "t"]):
            refused = maplog.run(*words, input=b"a\n", status=1)
            assert b"network file system" in refused.stderr and str(point).encode() in refused.stderr


def test_durable_requests_in_memory_are_refused(in_memory):
    in_memory.run("topic", "create", "t")
    refused = in_memory.produce("t", b"a\n", "--acks", "disk", status=1)
    assert b"memory" in refused.stderr
    assert in_memory.values("t") == []
    in_memory.produce("t", b"b\n")
    assert in_memory.values("t") == [b"b"]
