"""A mapped file as Python sees it."""
import gc
import os
import pickle

import maplog
import numpy
import pytest


@pytest.fixture
def name(tmp_path):
    return str(tmp_path / "file")


def is_mapped(name):
    with open("/proc/self/maps") as maps:
        return any(name in line for line in maps)


def test_stores_are_in_the_file(name):
    with maplog.open_file(name, create=True, size=5000) as file:
        assert file and file.size == 5000 and os.path.getsize(name) == 5000
        file.view[:5] = b"hello"
        file.write(4995, b"world")
        file.write(5000, b"")
        assert file.read(0, 5) == b"hello" and file.read(4990) == bytes(5) + b"world"
        with maplog.open_file(name) as other:
            assert bytes(other.view[:5]) == b"hello"
            other.view[0] = ord("j")
        assert file.view[0] == ord("j")
        try:
            file.sync()
        except maplog.NotPersistent:
            pass  # the tests' folder is in memory
    with open(name, "rb") as plain:
        assert plain.read(5) == b"jello"


def test_it_grows_in_place(name):
    with maplog.open_file(name, create=True, size=1) as file:
        first = file.view
        address = numpy.frombuffer(first, "u1").ctypes.data
        for size in (4096, 100_000, 10_000_000):
            file.grow(size)
            assert file.size == size
            assert numpy.frombuffer(file.view, "u1").ctypes.data == address
        first[0] = 7
        file.view[9_999_999] = 8
        assert file.read(0, 1) == b"\7" and len(first) == 1
        with maplog.open_file(name) as other:
            file.grow(20_000_000)
            assert other.size == 10_000_000 and other.refresh() == other.size == 20_000_000
    with maplog.open_file(name, reserve=30_000_000) as file, pytest.raises(maplog.Limit):
        file.grow(40_000_000)


def test_it_shrinks_when_nobody_looks(name):
    with maplog.open_file(name, create=True, size=100_000) as file:
        view = file.view[90_000:]
        with pytest.raises(maplog.Busy):
            file.shrink(50_000)
        array = numpy.frombuffer(view, "u1")
        del view
        with pytest.raises(maplog.Busy):
            file.shrink(50_000)
        del array
        with maplog.open_file(name), pytest.raises(maplog.Busy):
            file.shrink(50_000)
        gc.collect()
        file.shrink(50_000)
        assert file.size == os.path.getsize(name) == 50_000
        file.shrink(60_000)
        assert file.size == 50_000


def test_views_outlive_the_handle(name):
    file = maplog.open_file(name, create=True, size=4096)
    view = file.view
    file.close()
    file.close()
    assert file.closed and "closed" in repr(file)
    view[:4] = b"late"
    assert is_mapped(name)
    view.release()
    del view
    gc.collect()
    assert not is_mapped(name)
    with open(name, "rb") as plain:
        assert plain.read(4) == b"late"
    for use in (lambda: file.view, lambda: file.size, lambda: file.read(), lambda: file.write(0, b""),
                lambda: file.grow(1), lambda: file.shrink(1), file.refresh, file.sync,
                lambda: file.advise("cold"), lambda: file.punch(0, 1), lambda: file.fill(0, 1)):
        with pytest.raises(maplog.Closed):
            use()
    with pytest.raises(TypeError, match="path"):
        pickle.dumps(file)


def test_read_only_and_private(name):
    with maplog.open_file(name, create=True, size=4096) as file:
        file.write(0, "ours")
        with maplog.open_file(name, read_only=True) as reader:
            assert reader.read(0, 4) == b"ours" and reader.view.readonly
            with pytest.raises(TypeError):
                reader.view[0] = 1
            for use in (lambda: reader.write(0, b"x"), lambda: reader.grow(9999), lambda: reader.shrink(1)):
                with pytest.raises(maplog.Denied):
                    use()
        with maplog.open_file(name, private=True) as private:
            private.view[:4] = b"mine"
            assert private.read(0, 4) == b"mine" and file.read(0, 4) == b"ours"
            with pytest.raises(maplog.Denied):
                private.grow(9999)


def test_space_and_advice(name):
    with maplog.open_file(name, create=True, size=1 << 20) as file:
        file.write(0, b"x" * (1 << 20))
        for advice in ("will_need", "populate", "random", "sequential", "dont_need", "cold"):
            try:
                file.advise(advice, 0, 1 << 20)
            except maplog.Unsupported:
                pass  # an older kernel
        try:
            file.punch(4096, 8192)
        except maplog.Unsupported:
            return
        assert file.read(4095, 8194) == b"x" + bytes(8192) + b"x"
        file.fill(4096, 8192)
        file.write(4096, b"y")


def test_odd_arguments(name, tmp_path):
    with pytest.raises(maplog.NotFound):
        maplog.open_file(name)
    with pytest.raises(maplog.Invalid):
        maplog.open_file(tmp_path)
    with pytest.raises(maplog.Invalid):
        maplog.open_file(name, create=True, read_only=True)
    with pytest.raises(OverflowError):
        maplog.open_file(name, create=True, size=-1)
    with pytest.raises(TypeError):
        maplog.open_file(None)
    with maplog.open_file(name, create=True, size=100) as file:
        for position, length in ((101, 0), (0, 101), (-1, 1), (50, 51), (2**70, 1), (0, -2)):
            with pytest.raises(maplog.Invalid):
                file.read(position, length)
        for position in (-1, 100, 2**70):
            with pytest.raises(maplog.Invalid):
                file.write(position, b"x")
        with pytest.raises(TypeError):
            file.write(0, 7)
        with pytest.raises(maplog.Invalid):
            file.advise("everything")
        with pytest.raises(maplog.Invalid):
            file.advise("cold", 101)
        with pytest.raises(OverflowError):
            file.grow(2**64)
        with pytest.raises(maplog.MaplogError):
            file.grow(2**63)


def test_a_file_cut_by_a_stranger_is_an_error(run, name):
    """In a process of its own: it installs a handler of SIGBUS."""
    assert run("""
import os, sys, maplog
file = maplog.open_file(sys.argv[1], create=True, size=1 << 20)
file.write(500_000, b"there")
os.truncate(sys.argv[1], 4096)
for use in (lambda: file.read(), lambda: file.read(500_000, 5), lambda: file.write(500_000, b"gone")):
    try:
        use()
        print("no error")
    except maplog.InputOutput as error:
        print(error.name)
print(file.refresh(), len(file.read()))
""", name).split() == ["MAPLOG_IO"] * 3 + ["4096", "4096"]


def test_after_fork(name):
    file = maplog.open_file(name, create=True, size=4096)
    view = file.view
    child = os.fork()
    if child == 0:
        code = 1
        try:
            view[0] = 1
            try:
                file.grow(10_000)
            except maplog.Forked:
                file.close()
                code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert file.read(0, 1) == b"\1"
    file.close()
