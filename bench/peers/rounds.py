"""Runs that take turns, and what may be said of their figures."""
import statistics

RUNS, QUICK_RUNS = 5, 3
NO_DIFFERENCE = "no difference seen"
LEAST = 1.02  # a smaller ratio is nobody's reason to pick anything


def order(subjects, number):
    """Those of round `number` (from 0): every second round goes the other way, so that nobody is always first."""
    return list(subjects) if number % 2 == 0 else list(reversed(subjects))


def summary(values):
    """Median and spread."""
    return {"values": values, "median": statistics.median(values), "min": min(values), "max": max(values)}


def overlap(one, other):
    return one["min"] <= other["max"] and other["min"] <= one["max"]


def compare(one, other, more_is_better=True):
    """How `one` stands to `other`, in words; both as from summary()."""
    if overlap(one, other):
        return NO_DIFFERENCE
    if not min(one["median"], other["median"]) > 0:
        return "better" if (one["median"] > other["median"]) == more_is_better else "worse"
    ratio = one["median"] / other["median"]
    if max(ratio, 1 / ratio) < LEAST:
        return NO_DIFFERENCE
    good = (ratio > 1) == more_is_better
    return f"{max(ratio, 1 / ratio):.3g} times {'better' if good else 'worse'}"


class Book:
    """Figures by workload, peer, profile and metric, in the order in which they first came."""

    def __init__(self):
        self.rows, self.versions = {}, {}

    def row(self, workload, peer, profile, metric, unit):
        key = workload, peer, profile, metric
        if key not in self.rows:
            self.rows[key] = {"unit": unit, "values": [], "commands": [], "notes": []}
        return self.rows[key]

    def add(self, workload, subject, metric, unit, value, command=None):
        row = self.row(workload, *subject, metric, unit)
        row["values"].append(value)
        if command and not row["commands"]:
            row["commands"].append(command)
        return row

    def note(self, workload, subject, text, metric="result", unit=""):
        """A row that says why there is no figure, or what is to be known of one."""
        row = self.row(workload, *subject, metric, unit)
        if text not in row["notes"]:
            row["notes"].append(text)

    def records(self):
        found = []
        for (workload, peer, profile, metric), row in self.rows.items():
            known = summary(row["values"]) if row["values"] else {"values": [], "median": None, "min": None, "max": None}
            found.append({"workload": workload, "peer": peer, "version": self.versions.get(peer, ""), "profile": profile,
                          "metric": metric, "unit": row["unit"], **known, "commands": row["commands"],
                          "notes": row["notes"]})
        return found
