"""Results as tables, sentences and pictures. What is said of a difference follows from the spreads."""
import re
import shutil
import subprocess

import rounds
import sheets

BEGIN, END = "<!-- begin: bench/peers -->", "<!-- end: bench/peers -->"
LESS = ("us", "s", "s/GB", "s/million", "bytes", "CPUs", "calls", "records", "")  # units of which less is better
OWN, ROOF = "maplog", "sendfile"
# What helps to understand a row, and is nobody's merit.
BESIDE = ("late_p99", "client_cpu", "page_cache", "rate_reached", "producer_rate", "syncs_per_record")
PICTURES = [("peers-produce", "produced, records/s", "rate", ["produce_memory_100b_1", "produce_memory_1kib_1",
                                                             "produce_memory_16kib_1"]),
            ("peers-consume", "consumed, records/s", "rate", ["consume_100b", "consume_1kib", "consume_16kib"]),
            ("peers-latency", "p99 of latency, us", "p99", ["latency_1k", "latency_50k", "latency_200k"]),
            ("peers-start", "seconds to the first message", "seconds_to_first_message", ["start", "restart"]),
            ("peers-memory", "private memory, bytes", "private_memory", ["idle", "load"]),
            ("peers-cpu", "the server's CPU, s/GB", "server_cpu_per_gb", ["produce_memory_1kib_1", "consume_1kib"])]


def number(value):
    """Three digits that matter, with a word for the thousands."""
    for limit, unit, word in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if abs(value) >= limit:
            return f"{value / unit:.3g}{word}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{round(value, -1):.0f}"


def more_is_better(record):
    return record["unit"] not in LESS


def groups(records):
    """{(workload, metric): records}, in their order."""
    found = {}
    for record in records:
        found.setdefault((record["workload"], record["metric"]), []).append(record)
    return found


def name(record):
    return record["peer"] + ("" if record["profile"] in ("default", "") else f" ({record['profile']})")


def verdict(record, own):
    """How maplog stands to this peer."""
    if own is None or record is own or record["metric"] in BESIDE or not own["values"] or not record["values"]:
        return ""
    said = rounds.compare(own, record, more_is_better(record))
    return said if said == rounds.NO_DIFFERENCE else f"maplog {said}"


def row(record, own):
    if record["values"]:
        cells = [f"{number(record['median'])} {record['unit']}".strip(),
                 f"{number(record['min'])} to {number(record['max'])}", str(len(record["values"])), verdict(record, own)]
    else:
        cells = ["", "", "0", ""]
    cells[-1] = "; ".join(text for text in [cells[-1], *record.get("notes", [])] if text)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def table(records):
    lines = ["| workload | metric | peer | median | spread | runs | |", "|---|---|---|--:|--:|--:|---|"]
    for (workload, metric), rows in groups(records).items():
        own = next((record for record in rows if record["peer"] == OWN), None)
        for i, record in enumerate(rows):
            first = f"| {workload} | {metric} " if i == 0 else "| | "
            lines.append(f"{first}| {name(record)} {row(record, own)}")
    return lines


def lost(records):
    """A sentence for each row in which a peer beats maplog beyond the spread."""
    lines = []
    for (workload, metric), rows in groups(records).items():
        own = next((record for record in rows if record["peer"] == OWN and record["values"]), None)
        for record in rows:
            if own and record["peer"] not in (OWN, ROOF) and "worse" in (said := verdict(record, own)):
                lines.append(f"- {workload}, {metric}: {name(record)} wins, {said}.")
    return lines


def about(document):
    machine = document["machine"]
    lines = [f"{machine['cpus']} CPUs ({machine['cpu']}), {machine['memory_bytes'] / 2**30:.0f} GiB, "
             f"Linux {machine['kernel']}, read-ahead of its disks {machine['read_ahead_kb']} KiB, {machine['time']}; "
             f"{machine['busy_before']:.0%} busy before, load {' '.join(machine['load_before'])}."]
    runs = [len(record["values"]) for record in document["results"] if record["values"]]
    if runs:
        lines.append(f"{max(set(runs), key=runs.count)} rounds.")
    if not machine["quiet"]:
        lines.append("The machine was not quiet: compare within a row, do not quote.")
    if document["quick"]:
        lines.append("A quick run: less work, fewer rounds.")
    if not document["complete"]:
        lines.append("The run was interrupted.")
    return [" ".join(lines), ""]


def peers(document):
    lines = ["| peer | version | settings |", "|---|---|---|"]
    for key, peer in document["peers"].items():
        if "absent" in peer:
            lines.append(f"| {key} | absent: {peer['absent']} | |".replace("\n", " "))
            continue
        lines.append(f"| {peer['title']} ({key}) | {peer['version']} | "
                     + "; ".join(f"{profile}: {', '.join(words)}" for profile, words in peer["settings"].items()) + " |")
    clients = [f"- {key}: {'; '.join(peer['client'])}" for key, peer in document["peers"].items() if peer.get("client")]
    return lines + (["", "Clients of the load:", "", *clients] if clients else [])


def versions(document):
    lines = [f"- {peer['title']} ({key}): " + (f"absent: {peer['absent']}" if "absent" in peer else peer["version"])
             for key, peer in document["peers"].items()]
    return ["Versions; the settings of each, every figure and the commands stand in [peers.md](peers.md):", "",
            *(line.replace("\n", " ") for line in lines)]


def commands(records):
    """One command a workload; the peers' differ in name and address."""
    seen = {}
    for record in records:
        for command in record.get("commands", []):
            seen.setdefault(record["workload"], command)
    return [f"    {command}" for command in seen.values()]


def who_wins(record):
    """Whether more is better; None where it is nobody's merit."""
    return None if record["metric"] in BESIDE else more_is_better(record)


def text(document):
    """For docs/benchmarks.md: a row for each peer."""
    lines = [*about(document), *sheets.sheets(document, (name, number, who_wins)), *versions(document)]
    return "\n".join(lines) + "\n"


def details(document):
    """Every figure with its spread, who wins, and the commands."""
    records = document["results"]
    behind = lost(records)
    lines = [*about(document), *peers(document), "", *table(records), ""]
    lines += ["Where a peer wins:", "", *behind, ""] if behind else []
    lines += ["Commands, the first of each workload:", "", *commands(records)]
    return "\n".join(lines) + "\n"


# ---- pictures --------------------------------------------------------------------------------------

def picture(out, title, metric, workloads, records):
    """Bars with the spread as an error bar, a group for each workload; None where nothing was measured."""
    chosen = [record for record in records
              if record["metric"] == metric and record["workload"] in workloads and record["values"]]
    if not chosen:
        return None
    names = list(dict.fromkeys(name(record) for record in chosen))
    known = {(name(record), record["workload"]): record for record in chosen}
    blocks = []
    for one in names:
        cells = [known.get((one, workload)) for workload in workloads]
        lines = [f'"{workload}" {cell["median"]} {cell["min"]} {cell["max"]}' if cell else f'"{workload}" NaN NaN NaN'
                 for workload, cell in zip(workloads, cells)]
        blocks.append("\n".join([f'"{one}"', *lines]))
    plots = ", ".join(f"$data index {i} using 2:3:4:xtic(1) title {quoted(one)}" for i, one in enumerate(names))
    return "\n".join(["set terminal svg size 900,420 dynamic background rgb 'white'", f"set output '{out}'",
                      f"set title {quoted(title)} noenhanced", "set style data histograms",
                      "set style histogram errorbars gap 2 lw 1", "set style fill solid 0.7", "set logscale y",
                      "set xtics noenhanced", "set key outside noenhanced", "set grid y",
                      "$data << EOD", "\n\n\n".join(blocks), "EOD", f"plot {plots}"]) + "\n"


def quoted(words):
    return "'" + words.replace("'", "''") + "'"


def pictures(document, out):
    """The files that were drawn."""
    drawn = []
    if not shutil.which("gnuplot"):
        return drawn
    for stem, title, metric, workloads in PICTURES:
        path = out / f"{stem}.svg"
        script = picture(path, title, metric, workloads, document["results"])
        if script:
            done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, timeout=60, check=False)
            if done.returncode:
                print(f"gnuplot: {done.stderr.strip()[-300:]}")
            else:
                drawn.append((path, title))
    return drawn


def shown(drawn, place=""):
    return "".join(f"![{title}]({place}{path.name})\n" for path, title in drawn)


def write(document, out):
    """The details, with pictures beside them."""
    drawn = pictures(document, out)
    (out / "peers.md").write_text("# maplog and its peers\n\n" + details(document) + "\n" + shown(drawn))


def into(docs, document):
    """Renews docs/peers.md, docs/pictures, and what stands between the markers of docs/benchmarks.md, which are put at
    its end the first time."""
    drawn = pictures(document, docs / "pictures")
    (docs / "peers.md").write_text("# All figures of bench/peers\n\nWhat they say stands in [benchmarks.md](benchmarks.md)."
                                   "\n\n" + details(document))
    path = docs / "benchmarks.md"
    block = f"{BEGIN}\n{text(document)}\n{shown(drawn, 'pictures/')}{END}"
    old = path.read_text()
    if BEGIN in old:
        new = re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: block, old, flags=re.S)
    else:
        new = old.rstrip("\n") + "\n\n## Beside its peers\n\n" + block + "\n"
    path.write_text(new)
