"""From rounds to a table."""

import math
import statistics


def number(value):
    """Three or four digits that mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def summary(workload, rounds):
    """Medians and spread; a ratio above 1 means that Kimberlite is faster."""
    entry = {"name": workload.name, "unit": workload.unit, "rounds": rounds, "bound": workload.bound}
    good = [r for r in rounds if "failed" not in r]
    entry["failed"] = next((r["failed"] for r in rounds if "failed" in r), None)
    if not good:
        return entry
    for side in ("postgres", "kimberlite"):
        entry[side] = statistics.median(r[side] for r in good)
    ratios = [ratio(workload, r) for r in good]
    entry["ratio"] = statistics.median(ratios)
    entry["ratio_min"], entry["ratio_max"] = min(ratios), max(ratios)
    return entry


def ratio(workload, one):
    """Of one round: our speed by theirs."""
    if workload.more_is_better:
        return one["kimberlite"] / one["postgres"]
    return one["postgres"] / one["kimberlite"]


def scan_total(entries):
    """The set of scans as one figure: geometric mean of their ratios."""
    scans = [e for e in entries if e["name"].startswith("scan-") and "ratio" in e]
    if not scans:
        return []
    mean = lambda key: math.exp(statistics.fmean(math.log(e[key]) for e in scans))
    return [{
        "name": "scan (geometric mean)", "unit": "", "rounds": [], "bound": 1.0, "failed": None,
        "ratio": mean("ratio"), "ratio_min": mean("ratio_min"), "ratio_max": mean("ratio_max"),
    }]


def row(entry):
    """One line of the table."""
    if "ratio" not in entry:
        return f"| {entry['name']} | | | failed: {entry['failed'][:80]} | | | |"
    cell = lambda side: f"{number(entry[side])} {entry['unit']}" if side in entry else ""
    bound = f"≥ {entry['bound']}" if entry["bound"] else ""
    met = ("yes" if entry["ratio"] >= entry["bound"] else "**no**") if entry["bound"] else ""
    note = f" ({entry['failed'][:80]})" if entry["failed"] else ""
    spread = f"{entry['ratio_min']:.2f}–{entry['ratio_max']:.2f}"
    return (
        f"| {entry['name']}{note} | {cell('postgres')} | {cell('kimberlite')} "
        f"| {entry['ratio']:.2f} | {spread} | {bound} | {met} |"
    )


def storage_lines(figures):
    """The figures that have no counterpart."""
    lines = []
    for name, figure in figures.items():
        if "failed" in figure:
            lines.append(f"- {name}: failed: {figure['failed']}")
        elif name == "verify":
            lines.append(
                f"- storage verify --full-scan without keys: {figure['bytes_per_second'] / 1e6:,.0f} MB/s "
                f"over {figure['bytes'] / 1e6:,.0f} MB, {figure['ratio']:.2f} of one core's SHA-256 "
                f"({figure['sha256_bytes_per_second'] / 1e6:,.0f} MB/s); bound ≥ {figure['bound']} "
                "(with keys, opening every event and comparing the projection: "
                f"{figure['with_keys_bytes_per_second'] / 1e6:,.0f} MB/s)"
            )
        elif name == "restart":
            theirs = figure["postgres_s"]
            lines.append(
                f"- restart after SIGKILL with a million rows: {figure['kimberlite_s']:.2f} s; bound < 5 s"
                + (f" (PostgreSQL: {theirs:.2f} s)" if theirs is not None else "")
            )
        else:
            lines.append(
                f"- projection rebuild: {figure['rows_per_second']:,.0f} rows/s over {figure['rows']:,} rows; "
                f"bound ≥ {figure['bound']:,}"
            )
    return lines


def markdown(result):
    """The report, to be read or committed."""
    m, o = result["machine"], result["options"]
    lines = [
        f"{m['cores']} × {m['cpu']}, {m['memory_gib']} GiB, Linux {m['kernel']}, {m['filesystem']}, "
        f"4 KiB write + fdatasync {m['fdatasync_4k_ms']} ms; revision {m['revision']}",
        "",
        f"{result['versions'][0]} against {result['versions'][1]}; {o['rounds']} alternating rounds of "
        f"{o['seconds']} s, pgbench scale {o['scale']}. Both on loopback TCP with TLS and the same certificate, "
        "both fsync every commit; clients share the machine's cores.",
        "",
        f"| workload | PostgreSQL (median) | {result['subject']} (median) | ratio (median) | min–max | bound | met |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [row(entry) for entry in result["workloads"] + scan_total(result["workloads"])]
    lines += ["", *storage_lines(result["storage"])]
    return "\n".join(lines)


def missed(result):
    """Names of bounds that were missed or could not be measured."""
    names = []
    for entry in result["workloads"] + scan_total(result["workloads"]):
        if entry["failed"] or (entry["bound"] and entry.get("ratio", 0) < entry["bound"]):
            names.append(entry["name"])
    for name, figure in result["storage"].items():
        good = "failed" not in figure and {
            "verify": lambda f: f["ratio"] >= f["bound"],
            "restart": lambda f: f["kimberlite_s"] < f["bound_s"],
            "rebuild": lambda f: f["rows_per_second"] >= f["bound"],
        }[name](figure)
        if not good:
            names.append(name)
    return names
