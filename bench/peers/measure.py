"""What a process tree costs: CPU time, memory, bytes on disk, calls that sync; and whether the machine is quiet."""
import contextlib
import mmap
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

MADV_POPULATE_WRITE = 23  # of linux/mman.h, from 5.14 on
CPUCLOCK_SCHED = 2  # of linux/posix-timers: runtime by the scheduler, in nanoseconds
SYNCS = ("fsync", "fdatasync", "msync", "sync_file_range", "syncfs", "sync")
QUIET = 0.10  # of all CPUs' time; above it something else runs
ATTACH_SECONDS = 10


def read(path):
    """The text of a file of /proc; "" once its process has gone."""
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def cpu_seconds(pids):
    """User and system time of all threads, also of those that have ended: each process's own CPU clock, whose
    number the kernel makes of the pid (as clock_getcpuclockid() does)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # it has gone
            total += time.clock_gettime_ns(~pid << 3 | CPUCLOCK_SCHED)
    return total / 1e9


def memory(pids):
    """Bytes: private memory, and apart from it what is mapped from files and shared memory (page cache)."""
    kinds = {"Pss_Anon": 0, "Pss_File": 0, "Pss_Shmem": 0}
    for pid in pids:
        for kind, size in re.findall(r"^(Pss_\w+):\s+(\d+) kB", read(f"/proc/{pid}/smaps_rollup"), re.M):
            kinds[kind] = kinds.get(kind, 0) + int(size) * 1024
    return {"private": kinds["Pss_Anon"], "page_cache": kinds["Pss_File"] + kinds["Pss_Shmem"]}


class Reserve:
    """Memory that is backed by the machine below, until a run needs it. In a virtual machine the first use of a page
    costs a fault of its host, some microseconds each, and what is free for some seconds is given back to the host,
    which takes time as well: either would be charged to whoever runs just then. In huge pages, since what is freed in
    large pieces is taken first."""
    PIECE = 2 << 20

    def __init__(self, size):
        self.size, self.given = min(size, available_memory() // 4) // self.PIECE * self.PIECE, 0
        self.memory = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError):  # a kernel without them
            self.memory.madvise(mmap.MADV_HUGEPAGE)
        self.hold()

    def hold(self):
        """Takes what is missing: after files were deleted, or when more is needed than is left."""
        with contextlib.suppress(OSError):  # a kernel before 5.14
            self.memory.madvise(MADV_POPULATE_WRITE)
        self.given = 0

    def give(self, size):
        """Frees so much of it, or all, for what is about to run."""
        size = min(self.size, (size + self.PIECE - 1) // self.PIECE * self.PIECE)
        if size > self.size - self.given:
            self.hold()
        self.memory.madvise(mmap.MADV_DONTNEED, self.given, size)
        self.given += size


def available_memory():
    return int(re.search(r"^MemAvailable:\s+(\d+) kB", read("/proc/meminfo"), re.M)[1]) * 1024


class Peak:
    """The most private memory that a tree had meanwhile."""

    def __init__(self, pids, every=0.2):
        self.pids, self.every, self.private, self.end = pids, every, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while True:
            self.private = max(self.private, memory(self.pids())["private"])
            if self.end.wait(self.every):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()


def disk_bytes(folder):
    """What the files take on the disk, also what is only reserved."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_blocks * 512
            except OSError:
                pass  # it was deleted meanwhile
    return total


class Syncs:
    """Counts the calls that sync, of all threads of a tree, by strace; `calls` when it has ended."""

    def __init__(self, pids, folder):
        if not shutil.which("strace"):
            raise RuntimeError("strace is not installed")
        self.pids, self.file = pids, pathlib.Path(folder) / "syncs"
        self.calls, self.process = {}, None

    def __enter__(self):
        words = ["strace", "-f", "-c", "-o", str(self.file), "-e", "trace=" + ",".join(SYNCS)]
        for pid in self.pids:
            words += ["-p", str(pid)]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + ATTACH_SECONDS
        while not all(self.traced(pid) for pid in self.pids):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError("strace cannot attach: " + self.process.communicate()[1].strip()[-200:])
            time.sleep(0.01)
        return self

    @staticmethod
    def traced(pid):
        """Every thread of it; one that begins later is followed."""
        statuses = [path.read_text() for path in pathlib.Path(f"/proc/{pid}/task").glob("*/status")]
        return all(re.search(r"TracerPid:\s+[1-9]", status) for status in statuses)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=ATTACH_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        self.calls = parse_counts(read(self.file))

    def total(self):
        return sum(self.calls.values())


def parse_counts(table):
    """{call: how often} of the table that strace -c prints."""
    found = {}
    for line in table.splitlines():
        words = line.split()
        if len(words) >= 5 and words[-1] in SYNCS and words[3].isdigit():
            found[words[-1]] = int(words[3])
    return found


def busy(seconds=1.0):
    """The part of all CPUs' time that something uses while nothing is measured."""
    def times():
        fields = [int(word) for word in read("/proc/stat").splitlines()[0].split()[1:9]]
        return fields[3] + fields[4], sum(fields)
    idle, total = times()
    time.sleep(seconds)
    later_idle, later = times()
    return 1 - (later_idle - idle) / max(later - total, 1)


def machine():
    """What the figures were measured on."""
    cpus = re.findall(r"model name\s*:\s*(.*)", read("/proc/cpuinfo"))
    total = re.search(r"MemTotal:\s+(\d+)", read("/proc/meminfo"))
    part = busy()
    ahead = [int(read(path)) for path in pathlib.Path("/sys/block").glob("*/queue/read_ahead_kb")]
    return {"read_ahead_kb": max(ahead, default=0), "cpu": cpus[0] if cpus else os.uname().machine, "cpus": os.cpu_count(), "kernel": os.uname().release,
            "memory_bytes": int(total.group(1)) * 1024 if total else 0, "load_before": read("/proc/loadavg").split()[:3],
            "busy_before": round(part, 3), "quiet": part <= QUIET, "time": time.strftime("%Y-%m-%d %H:%M:%S %Z")}
