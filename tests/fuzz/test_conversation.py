"""Conversations with something wrong in them, against a live server under ASan: it goes on serving
good clients, its memory stays bounded, and it ends well, without a leak.

FUZZ_SECONDS (15) how long; MAPLOG_SEED the first conversation, to tell the same ones again.
"""
import os
import pathlib
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from conversation import converse  # noqa: E402
from kafka_server import Server  # noqa: E402
from kafka_wire import batch  # noqa: E402

SECONDS = int(os.environ.get("FUZZ_SECONDS", 15))
SEED = int(os.environ.get("MAPLOG_SEED", int(time.time()) if os.environ.get("MAPLOG_LONG") else 1))
PROGRAM = os.environ.get("MAPLOG_ASAN", str(ROOT / "build/asan/maplog"))
MEMORY = 700 << 20  # bytes, with ASan's own
SPEAKERS = 4


@pytest.fixture
def server():
    with Server(program=PROGRAM, settings=["queued.max.request.bytes=16777216",
                                           "socket.request.max.bytes=8388608"]) as server:
        yield server


def good_client(server, number):
    """What a well-behaved client says is answered as ever."""
    with server.peer() as peer:
        value = b"good %d" % number
        answer = peer.produce("well-behaved", batch([value]))
        assert answer["ErrorCode"] == 0, answer
        part = peer.fetch("well-behaved", answer["BaseOffset"])
        assert part["ErrorCode"] == 0 and value in part["Records"], part


class Speakers:
    """Several at a time, each with seeds of its own."""

    def __init__(self, server):
        self.server, self.until, self.failure, self.told = server, time.monotonic() + SECONDS, None, 0
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(SPEAKERS)]
        for thread in self.threads:
            thread.start()

    def run(self, first):
        seed = SEED * 1_000_000 + first
        while time.monotonic() < self.until and not self.failure:
            try:
                converse((self.server.host, self.server.port), seed)
                self.told += 1
            except Exception as error:
                self.failure = f"conversation {seed}: {error!r}"
            seed += SPEAKERS

    def watch(self):
        number = 0
        while any(thread.is_alive() for thread in self.threads):
            good_client(self.server, number)
            assert self.server.memory() < MEMORY, "its memory grows"
            number += 1
            time.sleep(0.2)
        assert not self.failure, self.failure + "\n" + self.server.text()[-3000:]


def test_conversations_with_something_wrong(server):
    with server.peer() as peer:
        assert peer.create("well-behaved", max_message_bytes=1048588) == 0
    speakers = Speakers(server)
    try:
        speakers.watch()
    finally:
        speakers.until = 0
        for thread in speakers.threads:
            thread.join()
    assert speakers.told > 10 * SPEAKERS
    good_client(server, -1)
    server.stop()
    print(speakers.told, "conversations")
