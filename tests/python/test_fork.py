"""Handles do not survive fork(); messages do."""
import multiprocessing
import os

import maplog
import pytest


def in_child(work):
    """Runs work() in a forked child, which must end well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_inherited_handles_answer_forked(path, log):
    producer, consumer = log.producer("t", batch_bytes=1000), log.consumer("t", timeout=0)
    producer.produce("before")
    producer.flush()
    message = consumer.next(0)
    producer.produce("only the parent's")

    def child():
        for use in (log.topics, log.sync, lambda: log.producer("t"), lambda: producer.produce("x"),
                    lambda: producer.produce_many(["x"]), producer.flush, lambda: consumer.next(0),
                    lambda: consumer.seek(0), consumer.position, consumer.fileno):
            with pytest.raises(maplog.Forked):
                use()
        assert bytes(message.value) == b"before"
        producer.close()
        consumer.close()
        log.close()
        with maplog.open(path) as own, own.producer("t") as other:
            other.produce("the child's")
        assert bytes(message.value) == b"before"

    in_child(child)
    producer.close()
    assert [bytes(m.value) for m in consumer] == [b"the child's", b"only the parent's"]
    in_child(consumer.close)
    consumer.close()


def test_an_anonymous_log_is_handed_to_a_child():
    with maplog.open_anonymous() as log:
        descriptor = log.descriptor  # the child must not ask the inherited log

        def child():
            with maplog.attach(descriptor) as own, own.producer("anonymous") as producer:
                producer.produce("from the child")

        in_child(child)
        assert bytes(log.consumer("anonymous").next(10).value) == b"from the child"


def work(path, queue):
    with maplog.open(path) as log, log.consumer("t", timeout=0) as consumer:
        queue.put(sum(len(message.value) for message in consumer))


def test_forked_workers_of_multiprocessing(path, log):
    with log.producer("t") as producer:
        producer.produce_many([b"12345"] * 1000)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=work, args=(path, queue)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert [queue.get(timeout=60) for _ in workers] == [5000] * 3
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert log.describe_partition("t").end_offset == 1000


def test_handles_left_open_at_the_end(run, path, log):
    run("""
import sys, maplog
log = maplog.open(sys.argv[1])
producer = log.producer("t", batch_bytes=1 << 16)
producer.produce("flushed at the end")
consumer = log.consumer("t")
message = consumer.next(0)
""", path)
    assert [bytes(m.value) for m in log.consumer("t", timeout=0)] == [b"flushed at the end"]
