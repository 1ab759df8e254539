"""The results as tables with a row for each peer, as a reader compares them."""
import rounds

SIZES = (("100 B", "100b"), ("1 KiB", "1kib"), ("16 KiB", "16kib"))
MADE = [(f"{words}{size}", f"{key}_{count}") for count, words in ((1, ""), (8, "8 x ")) for size, key in SIZES]
READ = [(size, f"consume_{key}") for size, key in SIZES] + [("fan-out to 8", "fanout_8"), ("behind a producer", "catchup")]
RATES = (("1 k/s", "1k"), ("50 k/s", "50k"), ("200 k/s", "200k"))
QUANTILES = (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"))
PACED = (("100 k/s", "local_latency_100k"), ("1 M/s", "local_latency_1m"))


def each(metric, columns, prefix=""):
    return [(title, prefix + workload, metric) for title, workload in columns]


def paced(columns, prefix=""):
    return [(f"{rate} {name}", prefix + workload, metric) for rate, workload in columns for name, metric in QUANTILES]


# (title, [(column, workload, metric)])
SHEETS = [
    ("Produced, records/s; acknowledged from memory", each("rate", MADE, "produce_memory_")),
    ("The server's CPU time for that, s/GB", each("server_cpu_per_gb", MADE, "produce_memory_")),
    ("and s per million records", each("server_cpu_per_million", MADE, "produce_memory_")),
    ("Produced, records/s; each record on the disk before it is acknowledged", each("rate", MADE, "produce_disk_")),
    ("The server's CPU time for that, s/GB; calls that sync, a record sent by itself",
     each("server_cpu_per_gb", MADE, "produce_disk_") + [("syncs", "syncs", "syncs_per_record")]),
    ("Consumed, records/s; all but the first three: of 1 KiB", each("rate", READ)),
    ("The server's CPU time for that, s/GB", each("server_cpu_per_gb", READ)),
    ("From when a record was due until the consumer has it, us", paced(RATES, "latency_")),
    ("Start, and start after kill -9 with much data, until a record was read back", [
        ("start, s", "start", "seconds_to_first_message"), ("restart, s", "restart", "seconds_to_first_message"),
        ("acknowledged records lost", "restart_check", "records_lost")]),
    ("Memory, and bytes on the disk for each byte of records (running: with what is reserved)", [
        ("private, idle", "idle", "private_memory"), ("private, under load", "load", "private_memory"),
        ("page cache, idle", "idle", "page_cache"), ("page cache, load", "load", "page_cache"),
        ("disk, running", "load", "disk_bytes_per_byte"), ("disk, stopped", "load", "disk_bytes_per_byte_stopped")]),
    ("1,000 topics", [("create, s", "topics_1000", "create_seconds"), ("a record each, s", "topics_1000", "produce_seconds"),
                      ("read all, s", "topics_1000", "consume_seconds"),
                      ("private memory a topic", "topics_1000", "private_memory_per_topic")]),
    ("Other clients, records/s: Kafka's own perf tools and librdkafka's", [
        (f"{title} {size}", f"{tool}_{key}", "rate") for size, key in SIZES[:2] for title, tool in
        (("Java produce", "kafka_producer_perf"), ("Java consume", "kafka_consumer_perf"),
         ("librdkafka produce", "rdkafka_produce"), ("librdkafka consume", "rdkafka_consume"))]),
    ("In one machine without a server: records/s from one process to another, and read again", [
        ("100 B", "local_throughput_100", "rate"), ("1 KiB", "local_throughput_1024", "rate"),
        ("again, 100 B", "local_throughput_100", "replay_rate"), ("again, 1 KiB", "local_throughput_1024", "replay_rate"),
        ("on the disk, bytes/record", "local_throughput_100", "disk_bytes")]),
    ("In one machine without a server: one way, 100 B, both spinning, us", paced(PACED)),
    ("What a record of maplog costs more than a slot of the bare ring, which keeps nothing", [
        ("ns each, 100 B", "local_throughput_100", "price"), ("ns each, 1 KiB", "local_throughput_1024", "price"),
        ("p50, us, 100 k/s", "local_latency_100k", "price_p50"), ("p50, us, 1 M/s", "local_latency_1m", "price_p50")]),
]
MARKS = ("Medians, ± half of what lies between the least and the most. **Bold**: better than the first row of maplog, beyond "
         "both spreads. ~: no difference seen. The rest: maplog is better, or it is a matter of taste.")


def known(records):
    """{(workload, metric, subject): record}; subjects in their order."""
    found, subjects = {}, []
    for record in records:
        subject = record["peer"], record["profile"]
        if subject not in subjects:
            subjects.append(subject)
        found[record["workload"], record["metric"], subject] = record
    return found, subjects


def spread(record):
    if not record["median"]:
        return ""
    return f" ±{(record['max'] - record['min']) / 2 / abs(record['median']):.0%}"


def mark(record, own, text, rule):
    """rule(record): whether more is better; None where nobody wins."""
    better = rule(record)
    if own is None or record is own or better is None or not own["values"]:
        return text
    said = rounds.compare(own, record, better)
    if said == rounds.NO_DIFFERENCE:
        return text + " ~"
    return f"**{text}**" if "worse" in said else text


def reasons(columns, found, subject, name):
    """Why a cell is empty, or what is to be known of it."""
    lines = []
    for title, workload, metric in columns:
        for place in (metric, "result"):
            record = found.get((workload, place, subject))
            lines += [f"{name(record)}, {title}: {note}" for note in record["notes"] if record] if record else []
    return lines


def sheet(title, columns, document, style):
    """A table; [] where nothing of it was measured. style: (name of a record, number, rule as of mark())."""
    name, number, rule = style
    found, subjects = known(document["results"])
    own_subject = next((subject for subject in subjects if subject[0] == "maplog"), None)
    rows, notes = [], []
    for subject in subjects:
        cells = []
        for _, workload, metric in columns:
            record = found.get((workload, metric, subject))
            own = found.get((workload, metric, own_subject))
            cells.append(mark(record, own, number(record["median"]) + spread(record), rule)
                         if record and record["values"] else "")
        notes += reasons(columns, found, subject, name)
        if any(cells):
            rows.append(f"| {name({'peer': subject[0], 'profile': subject[1]})} | " + " | ".join(cells) + " |")
    if not rows:
        return []
    head = [f"**{title}**", "", "| | " + " | ".join(column for column, _, _ in columns) + " |",
            "|---|" + "--:|" * len(columns)]
    return [*head, *rows, "", *(f"- {line}".replace("\n", " ") for line in dict.fromkeys(notes)), *([""] if notes else [])]


def sheets(document, style):
    lines = [MARKS, ""]
    for title, columns in SHEETS:
        lines += sheet(title, columns, document, style)
    return lines
