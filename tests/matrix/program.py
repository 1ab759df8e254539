"""A client program: commands to its standard input, answers and events from its standard output."""
import json
import queue
import subprocess
import tempfile
import threading
import time

PATIENCE = 40


class ClientError(Exception):
    """What the client said when a command failed."""


class Program:
    def __init__(self, command, address):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([*map(str, command), address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True)
        self.lines = queue.Queue()
        self.events = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def tell(self, do, **words):
        self.process.stdin.write(json.dumps({"do": do, **words}) + "\n")
        self.process.stdin.flush()

    def next(self, deadline):
        try:
            line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            raise AssertionError(f"no answer; events: {self.events[-3:]}; {self.said()}") from None
        assert line is not None, "the client ended: " + self.said()
        return line

    def answer(self, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while True:
            line = self.next(deadline)
            if "event" in line:
                self.events.append(line)
            elif "error" in line:
                raise ClientError(line["error"])
            else:
                return line["ok"]

    def ask(self, do, **words):
        self.tell(do, **words)
        return self.answer()

    def wait(self, condition, seconds=PATIENCE):
        """Takes events until the condition holds; returns what it returned."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            line = self.next(min(deadline, time.monotonic() + 0.2)) if self.lines.qsize() else None
            if line:
                assert "event" in line, line
                self.events.append(line)
                continue
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain; events: {self.events[-3:]}; {self.said()}")
            assert self.process.poll() is None or self.lines.qsize(), "the client ended: " + self.said()
            time.sleep(0.02)
        return found

    def take(self):
        """Moves what has come since to the events."""
        while self.lines.qsize():
            line = self.lines.get()
            if line:
                self.events.append(line)

    def assigned(self):
        """The partitions that it holds now; None before the first assignment."""
        self.take()
        return next((set(event["partitions"]) for event in reversed(self.events) if event["event"] == "assigned"), None)

    def values(self):
        """Of the records that it was given as a group's member."""
        self.take()
        return [event["value"] for event in self.events if event["event"] == "record"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def said(self):
        self.errors.seek(0)
        return self.errors.read()[-3000:]

    def close(self):
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except (subprocess.TimeoutExpired, OSError):
            pass
        self.kill()
        self.errors.close()
