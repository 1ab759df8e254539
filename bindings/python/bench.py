#!/usr/bin/env python3
"""How fast the Python package is, and what else Python has for two processes, in the same run.

usage: bench.py [--json] [--quick]

Lines are `name value unit roof ratio` (--json: JSON lines). Records have 100 bytes; the log lies in
/dev/shm, in fresh pages. Rates: the roof is the least that Python can do to the same bytes: b"".join()
of the list for producing, len() of each item of a list for consuming. Round trips: two processes,
medians in microseconds; the roof is a number that both spin on in shared memory. "spinning" polls,
"sleeping" waits in the kernel. iceoryx2 is measured when it is installed.
"""
import ctypes
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from multiprocessing import shared_memory

import maplog

QUICK = "--quick" in sys.argv
RECORDS = 200_000 if QUICK else 2_000_000
SINGLES = 50_000 if QUICK else 500_000
TRIPS = 2_000 if QUICK else 20_000
RUNS = 3
VALUE = b"x" * 100
BATCH = 16 << 10


def report(name, value, unit, roof=0, rate=True):
    ratio = (value / roof if rate else roof / value) if roof and value else 0
    if "--json" in sys.argv:
        print(json.dumps({"name": name, "value": value, "unit": unit, "roof": roof, "ratio": ratio}))
    else:
        print(f"{name:<32} {value:>10.4g} {unit:<12} {roof:>8.4g} {ratio:>6.2f}")
    sys.stdout.flush()


def best_rate(count, run):
    """Millions a second, the median of several runs."""
    rates = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        run()
        rates.append(count / (time.perf_counter() - begin) / 1e6)
    return statistics.median(rates)


# ---- producing and consuming in one process -----------------------------------------------------------

def rates(folder):
    values = [VALUE] * RECORDS
    buffer = VALUE * RECORDS
    joined = best_rate(RECORDS, lambda: b"".join(values))
    with maplog.open(folder, create=True) as log:
        log.create_topic("rates", configs={"segment.bytes": 1 << 28})

        def produced(name, count, run, **options):
            with log.producer("rates", **options) as producer:
                def flushed():
                    run(producer)
                    producer.flush()
                report(name, best_rate(count, flushed), "M records/s", joined)
            log.delete_records("rates")

        def one_by_one(producer):
            produce = producer.produce
            for value in values[:SINGLES]:
                produce(value)

        produced("produce_many_batches", RECORDS, lambda p: p.produce_many(values), batch_bytes=BATCH)
        produced("produce_many_each_visible", RECORDS, lambda p: p.produce_many(values))
        produced("produce_buffer_batches", RECORDS, lambda p: p.produce_buffer(buffer, record_size=100),
                 batch_bytes=BATCH)
        produced("produce_one_by_one_batches", SINGLES, one_by_one, batch_bytes=BATCH)
        produced("produce_one_by_one", SINGLES, one_by_one)

        with log.producer("rates", batch_bytes=BATCH) as producer:
            producer.produce_many(values)

        def sizes(messages):
            total = 0
            for message in messages:
                total += len(message.value)
            assert total == 100 * RECORDS

        def in_lists(consumer):
            while found := consumer.consume_many(1000):
                for message in found:
                    message.value

        def listed():
            total = 0
            for value in values:
                total += len(value)

        consume_roof = best_rate(RECORDS, listed)
        for name, run in (("consume_iterate_values", sizes), ("consume_many_values", in_lists),
                          ("consume_iterate_only", lambda consumer: [None for _ in consumer])):
            with log.consumer("rates", timeout=0) as consumer:
                def again():
                    consumer.seek(maplog.BEGIN)
                    run(consumer)
                report(name, best_rate(RECORDS, again), "M records/s", consume_roof)


# ---- round trips between two processes: each gives (send, receive) for one side ----------------------

def shared_number(name, side):
    memory = shared_memory.SharedMemory(name)
    words = memory.buf.cast("Q")
    mine, other, turn = side, 1 - side, 0

    def send():
        words[mine * 8] += 1

    def receive():
        nonlocal turn
        turn += 1
        while words[other * 8] < turn:
            pass

    return send, receive, (memory, words)


def maplog_side(path, side, spinning):
    log = maplog.open(path)
    topics = ["there", "back"] if side == 0 else ["back", "there"]
    producer, consumer = log.producer(topics[0]), log.consumer(topics[1])
    following = consumer.next

    def send():
        producer.produce(VALUE)

    def spin():
        while (message := following(0)) is None:
            pass
        return message.value

    return send, spin if spinning else lambda: following(60).value, (log, producer, consumer)


def iceoryx2_side(name, side):
    import iceoryx2

    class Payload(ctypes.Structure):
        _fields_ = [("bytes", ctypes.c_uint8 * 100)]

    iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
    node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
    services = [node.service_builder(iceoryx2.ServiceName.new(f"{name}/{way}"))
                .publish_subscribe(Payload).open_or_create() for way in ("there", "back")]
    publisher = services[side].publisher_builder().create()
    subscriber = services[1 - side].subscriber_builder().create()
    payload = Payload()

    def send():
        publisher.loan_uninit().write_payload(payload).send()

    def receive():
        while (sample := subscriber.receive()) is None:
            pass
        return sample.payload().contents.bytes

    return send, receive, (node, services, publisher, subscriber)


def queue_side(queues, side):
    return lambda: queues[side].put(VALUE), queues[1 - side].get, None


def pipe_side(ends, side):
    return lambda: ends[side].send_bytes(VALUE), ends[side].recv_bytes, None


def socket_side(ends, side):
    return lambda: ends[side].send(VALUE), lambda: ends[side].recv(200), None


def answer(make, arguments, ready, trips):
    send, receive, kept = make(*arguments, 1)
    ready.set()
    for _ in range(trips):
        receive()
        send()
    del send, receive
    time.sleep(0.2)


def round_trip(make, *arguments, trips=TRIPS):
    """The median, in microseconds."""
    send, receive, kept = make(*arguments, 0)
    ready = CONTEXT.Event()
    process = CONTEXT.Process(target=answer, args=(make, arguments, ready, trips), daemon=True)
    process.start()
    ready.wait()
    time.sleep(0.05)
    times = []
    for _ in range(trips):
        begin = time.perf_counter_ns()
        send()
        receive()
        times.append(time.perf_counter_ns() - begin)
    process.join()
    return statistics.median(times) / 1000


def spinning_maplog(path, side):
    return maplog_side(path, side, True)


def sleeping_maplog(path, side):
    return maplog_side(path, side, False)


def fresh(folder, name):
    path = f"{folder}/{name}"
    with maplog.open(path, create=True) as log:
        log.create_topic("there")
        log.create_topic("back")
    return path


def has_iceoryx2():
    try:
        import iceoryx2  # noqa: F401
    except ImportError:
        return False
    return True


def round_trips(folder):
    memory = shared_memory.SharedMemory(create=True, size=4096)
    bare = round_trip(shared_number, memory.name)
    memory.close()
    memory.unlink()
    report("trip_shared_number_spinning", bare, "us", bare, rate=False)

    def tell(name, make, *arguments, trips=TRIPS):
        report(name, round_trip(make, *arguments, trips=trips), "us", bare, rate=False)

    tell("trip_maplog_spinning", spinning_maplog, fresh(folder, "spinning"))
    tell("trip_maplog_waiting", sleeping_maplog, fresh(folder, "sleeping"))
    if has_iceoryx2():
        tell("trip_iceoryx2_spinning", iceoryx2_side, f"maplog bench {os.getpid()}")
    else:
        print("trip_iceoryx2_spinning: absent (pip install iceoryx2)", file=sys.stderr)
    tell("trip_unix_socket", socket_side, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    tell("trip_multiprocessing_pipe", pipe_side, CONTEXT.Pipe())
    tell("trip_multiprocessing_queue", queue_side, [CONTEXT.Queue(), CONTEXT.Queue()], trips=TRIPS // 4)


# Spawned, so that nobody inherits another's handles; descriptors are passed on by multiprocessing.
CONTEXT = multiprocessing.get_context("spawn")


def main():
    if set(sys.argv[1:]) - {"--json", "--quick"}:
        sys.exit(__doc__)
    folder = tempfile.mkdtemp(prefix="maplog-bench-", dir="/dev/shm")
    try:
        rates(folder + "/rates")
        shutil.rmtree(folder + "/rates")
        round_trips(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
