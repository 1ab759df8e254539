"""A virtual machine for the tests of the kernel module: an initramfs is made, Debian's kernel boots in
qemu (always TCG: in a machine that is virtual itself /dev/kvm may be there and stall the guest), /init
runs what it is told to, and what became of it has one of the names below."""
import os
import re
import stat
import subprocess
import time

PASSED = "passed"
TESTS_FAILED = "tests failed"
NOT_LOADED = "the module does not load"
PANIC = "kernel panic"
HANG = "hang"
COMPLAINT = "the kernel complained"
STOPPED = "the machine stopped by itself"

# What the kernel prints when something is wrong with it. The words stand in the messages of
# lib/bug.c, kernel/panic.c, mm/slub.c, mm/page_alloc.c and others.
COMPLAINTS = re.compile(r"\b(BUG|WARNING|Oops|INFO: task|rcu: INFO|general protection|stack segment"
                        r"|divide error|Objects remaining|memory leak|unreferenced object"
                        r"|refcount_t|nobody cared|double fault)\b")
WRONG_KERNEL = re.compile(r".*(version magic '.*|disagrees about version of symbol.*|Unknown symbol.*)")
# Exit codes of the guest's init, through isa-debug-exit: qemu ends with twice that and one.
EXITS = {0: PASSED, 1: TESTS_FAILED, 2: NOT_LOADED}
# The module comes and goes without waiting for others, and the kernel's own watchdogs allow for a machine
# that has to share its CPUs.
PATIENT = "rcupdate.rcu_expedited=1 rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60 "
QEMU = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-no-user-config",
        "-monitor", "none", "-display", "none", "-no-reboot",
        "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]


class Outcome:
    """kind is one of the names above, reason a sentence; console is what the kernel printed, output
    what the tests did."""

    def __init__(self, kind, reason, console, output, seconds):
        self.kind, self.reason, self.seconds = kind, reason, seconds
        self.console, self.output = console, output


# ---- initramfs -------------------------------------------------------------------------------------

class Archive:
    """A cpio archive in the form that the kernel unpacks (newc)."""

    def __init__(self):
        self.parts, self.names = [], set()

    def add(self, name, mode, content=b"", device=(0, 0)):
        for folder in range(1, name.count("/") + 1):
            above = name.rsplit("/", folder)[0]
            if above not in self.names:
                self.add(above, stat.S_IFDIR | 0o755)
        if name in self.names:
            return
        self.names.add(name)
        path = name.encode() + b"\0"
        fields = [len(self.names), mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(path), 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self.parts += [head, bytes(-len(head) % 4), content, bytes(-len(content) % 4)]

    def add_file(self, name, path, mode=0o755):
        with open(path, "rb") as file:
            self.add(name, stat.S_IFREG | mode, file.read())

    def add_program(self, name, path):
        """A program, and the shared libraries that it is linked with, where it looks for them."""
        self.add_file(name, path)
        listed = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            self.add_file(library[1:], library)

    def write(self, path):
        self.add("dev", stat.S_IFDIR | 0o755)
        self.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
        self.add("TRAILER!!!", 0)
        with open(path, "wb") as file:
            file.writelines(self.parts)


# ---- a boot ----------------------------------------------------------------------------------------

def boot(kernel, initramfs, logs, cpus=1, words="", limit=120):
    """Boots with what `words` adds to the kernel's command line; init finds NAME=VALUE of them in its
    environment. The kernel's log and the output of the tests are kept in logs.console, logs.output."""
    command = QEMU + ["-smp", str(cpus), "-kernel", kernel, "-initrd", initramfs,
                      "-serial", f"file:{logs}.console", "-serial", f"file:{logs}.output",
                      "-append", "console=ttyS0 panic=-1 quiet nokaslr " + PATIENT + words]
    begin = time.monotonic()
    try:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=limit,
                              preexec_fn=lambda: os.nice(10)).returncode
    except subprocess.TimeoutExpired:
        code = None
    seconds = time.monotonic() - begin
    console, output = read_log(logs + ".console"), read_log(logs + ".output")
    kind, reason = judge(code, console, limit)
    return Outcome(kind, reason, console, output, seconds)


def excerpt(text, most=100):
    """The last lines, and before them those in which the kernel complains."""
    lines = text.splitlines()
    before = [line for line in lines[:-most] if COMPLAINTS.search(line)]
    return "\n".join(before[:most] + lines[-most:])


def judge(code, console, limit):
    """What became of the machine, the worst first."""
    if panic := re.search(r"Kernel panic - not syncing.*", console):
        return PANIC, panic.group()
    if code is None:
        return HANG, f"the machine did not end within {limit} s"
    if complaint := next((line for line in console.splitlines() if COMPLAINTS.search(line)), None):
        return COMPLAINT, complaint
    kind = EXITS.get(code >> 1, STOPPED) if code & 1 else STOPPED
    if kind == NOT_LOADED:
        refusal = WRONG_KERNEL.search(console)
        return kind, ("it was built for another kernel: " + refusal.group(1)) if refusal else \
            "the kernel's log may say why"
    return kind, f"qemu exit {code}"


def read_log(path):
    if not os.path.exists(path):
        return ""
    with open(path, "rb") as file:
        return file.read().decode(errors="replace").replace("\r", "")
