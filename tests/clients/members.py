"""Members of groups, each a process: member.py with one of the clients, or kcat.

All have: assigned() -> the partitions it holds, None before the first assignment; records() ->
[(partition, offset, value)]; revocations(); committed() -> {partition: offset}; kill(), leave().
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

from conftest import TIMEOUT, wait_until

PROGRAM = pathlib.Path(__file__).with_name("member.py")
SESSION = 1500  # milliseconds; as member.py has it


class Process:
    """What it prints lies in files, which are read from where the last look ended."""

    def __init__(self, command):
        self.output, self.errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=self.output,
                                        stderr=self.errors)
        self.place = {self.output: 0, self.errors: 0}

    def new_lines(self, file):
        text = os.pread(file.fileno(), 1 << 26, self.place[file])
        whole = text.rfind(b"\n") + 1
        self.place[file] += whole
        return text[:whole].decode().splitlines()

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGSTOP: it is there, and does nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        if self.process.poll() is None:
            self.go_on()
        self.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.output.close()
        self.errors.close()


class Member(Process):
    def __init__(self, client, address, group, topic="t", **options):
        super().__init__([sys.executable, "-W", "ignore", PROGRAM, client, address, group, topic,
                          json.dumps(options)])
        self.events = []

    def take(self):
        self.events += [json.loads(line) for line in self.new_lines(self.output)]
        return self.events

    def told(self, what):
        return [event[what] for event in self.take() if what in event]

    def assigned(self):
        told = self.told("assigned")
        return set(told[-1]) if told else None

    def records(self):
        return [tuple(record) for record in self.told("record")]

    def revocations(self):
        return [each for each in self.told("revoked") if each]

    def committed(self):
        merged = {}
        for each in self.told("committed"):
            merged.update({int(partition): offset for partition, offset in each.items()})
        return merged

    def leave(self):
        """Returns when it has left."""
        self.process.stdin.close()
        assert self.process.wait(TIMEOUT) == 0, self.said()
        assert self.told("left") == [True]


class KcatMember(Process):
    def __init__(self, address, group, topic="t", instance=None, strategy="range", session=SESSION, commit=True):
        settings = {"session.timeout.ms": session, "heartbeat.interval.ms": 150, "auto.offset.reset": "earliest",
                    "partition.assignment.strategy": strategy, "enable.auto.commit": str(commit).lower(),
                    "auto.commit.interval.ms": 50, "topic.metadata.refresh.interval.ms": 500,
                    "reconnect.backoff.max.ms": 500}
        if instance:
            settings["group.instance.id"] = instance
        options = [word for name, value in settings.items() for word in ("-X", f"{name}={value}")]
        super().__init__(["kcat", "-b", address, "-G", group, "-E", "-u", "-f", "%p %o %s\n", *options, topic])
        self.came, self.now, self.gone = [], None, []

    def assigned(self):
        for line in self.new_lines(self.errors):
            if match := re.search(r"rebalanced .*: (assigned|revoked): (.*)", line):
                partitions = {int(number) for number in re.findall(r"\[(\d+)\]", match.group(2))}
                if match.group(1) == "assigned":
                    self.now = partitions
                elif partitions:
                    self.gone.append(sorted(partitions))
                    self.now = set()
        return self.now

    def records(self):
        for line in self.new_lines(self.output):
            partition, offset, value = line.split(" ", 2)
            self.came.append((int(partition), int(offset), value))
        return self.came

    def revocations(self):
        self.assigned()
        return self.gone

    def leave(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(TIMEOUT) == 0, self.said()


def join(client, address, group, topic="t", **options):
    if client == "kcat":
        return KcatMember(address, group, topic, **options)
    return Member(client, address, group, topic, **options)


def wait_assigned(*wanted):
    """Each of (member, partitions): until all hold exactly these; partitions may also be a number."""
    def settled():
        for member, partitions in wanted:
            now = member.assigned()
            assert member.process.poll() is None, member.said()
            if now is None or (len(now) if isinstance(partitions, int) else now) != partitions:
                return False
        together = [member.assigned() for member, _ in wanted]
        return sum(map(len, together)) == len(set().union(*together))  # nobody shares
    wait_until(settled)


def wait_values(values, *members):
    """Until the members have seen all of these values between them."""
    try:
        wait_until(lambda: set(values) <= {value for member in members for _, _, value in member.records()})
    except AssertionError:
        seen = {value for member in members for _, _, value in member.records()}
        raise AssertionError(f"not seen: {sorted(set(values) - seen)[:5]}, {len(seen)} were") from None
