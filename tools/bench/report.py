"""Measurements -> a Markdown table and JSON lines.

A line of the table is a case; its columns are the libraries' best samples, the ratio of flowgraph
to the best peer, and the figure to reach.  Absolute figures hold for one core of a quiet Zen 3 CPU;
"here" scales one by what its yardstick (Figure.of) needs on this machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TextIO

from tools.bench.libraries import LIBRARIES
from tools.bench.machine import Machine
from tools.bench.row import PEAK_BYTES, SECONDS, Figure, Row
from tools.bench.runner import TOLERATED_PACE, Measurement

#: Share of the core that others took, from which on a sample is called disturbed.
DISTURBED = 0.1


def quantity(number: float, metric: str) -> str:
    """A number with its unit, three digits."""
    if metric == PEAK_BYTES:
        return f"{number / 1e6:.0f} MB"
    if metric != SECONDS:
        return f"{number:.3g} s"
    unit, size = ("s", 1.0) if number >= 1 else ("ms", 1e-3) if number >= 1e-3 else ("µs", 1e-6)
    return f"{number / size:.3g} {unit}"


def best_peer(results: Iterable[Measurement]) -> Measurement | None:
    """The fastest library other than flowgraph and the baselines."""
    peers = [m for m in results if LIBRARIES[m.library].peer and m.samples]
    return min(peers, key=lambda m: m.best, default=None)


def ratio_to_best_peer(results: Sequence[Measurement]) -> float | None:
    """flowgraph / best peer, or None when one is missing."""
    peer = best_peer(results)
    own = next((m for m in results if m.library == "flowgraph" and m.samples), None)
    return own.best / peer.best if own and peer else None


def bounds(
    figure: Figure, row: Row, results: Sequence[Measurement]
) -> list[tuple[str, bool | None]]:
    """Every bound of a figure in words, and whether it is kept (None: not to be said)."""
    measured = {m.library: m.best for m in results if m.samples}
    own = measured.get("flowgraph")
    found: list[tuple[str, bool | None]] = []
    if figure.at_most is not None:
        text = f"≤ {quantity(figure.at_most, row.metric)}"
        found.append((text, None if own is None else own <= figure.at_most))
    if figure.at_most is not None and figure.of is not None and figure.of[0] in measured:
        scaled = figure.at_most * measured[figure.of[0]] / figure.of[1]
        text = f"here {quantity(scaled, row.metric)}"
        found.append((text, None if own is None else own <= scaled))
    if figure.ratio is not None:
        ratio = ratio_to_best_peer(results)
        found.append(
            (f"≤ {figure.ratio} of best peer", None if ratio is None else ratio <= figure.ratio)
        )
    if figure.fraction is not None:
        base = measured.get(row.baseline or "")
        text = f"≥ {figure.fraction} of {row.baseline}"
        if base is None or own is None:
            found.append((text, None))
        else:
            found.append((f"{text} ({base / own:.2f})", base / own >= figure.fraction))
    return found


def table(rows: Mapping[str, Row], results: Sequence[Measurement]) -> str:
    """The Markdown table of all cases."""
    names = [name for name in LIBRARIES if any(m.library == name for m in results)]
    head = ["row", *names, "ratio to best peer", "to reach", "reached"]
    lines = [head, ["---"] * len(head)]
    for (row_id, case_name), group in groupby(results, key=lambda m: (m.row, m.case)):
        row, here = rows[row_id], list(group)
        by_name = {m.library: m for m in here}
        ratio, peer = ratio_to_best_peer(here), best_peer(here)
        verdicts = bounds(row.case(case_name).figure, row, here)
        lines.append([
            f"{row_id} {case_name}",
            *(_cell(by_name.get(name)) for name in names),
            f"{ratio:.2f} ({peer.library})" if ratio is not None and peer else "",
            "; ".join(text for text, _ in verdicts),
            "; ".join({None: "?", True: "yes", False: "no"}[kept] for _, kept in verdicts),
        ])  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    padded = [[c.ljust(width) for c, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in padded)


def _cell(result: Measurement | None) -> str:
    if result is None:
        return ""
    if not result.samples:
        return "WRONG" if result.failure.startswith("WRONG") else "failed"
    return quantity(result.best, result.metric)


def notes(rows: Mapping[str, Row], results: Sequence[Measurement], machine: Machine) -> list[str]:
    """What a reader must know beside the numbers: failures, disturbance, what was left out."""
    found = []
    if machine.busy:
        found.append(
            f"WARNING: the load average was {machine.load:.1f} at the start; "
            "numbers are provisional."
        )
    disturbed = sum(m.busy > DISTURBED for m in results)
    if disturbed:
        found.append(
            f"WARNING: other work took more than {DISTURBED:.0%} of the core in a sample of "
            f"{disturbed} of the {len(results)} measurements."
        )
    best_pace = min((pace for m in results for pace in m.paces), default=0.0)
    slow = sorted({
        f"{m.row} {m.case}"
        for m in results
        if m.paces and min(m.paces) > TOLERATED_PACE * best_pace
    })  # fmt: skip
    if slow:
        found.append(
            "WARNING: every sample of some library was taken while the core ran slower than it can "
            f"(others share its hardware): {', '.join(slow)}"
        )
    found += [f"{m.row} {m.case}: {m.library}: {m.failure}" for m in results if m.failure]
    for row in rows.values():
        found += [f"{row.id}: {name} left out ({why})" for name, why in row.left_out.items()]
    return found


def write_json(
    file: TextIO, machine: Machine, versions: Mapping[str, str], results: Sequence[Measurement]
) -> None:
    """One line about the run, then one per case and library."""
    file.write(json.dumps({"machine": asdict(machine), "versions": dict(versions)}) + "\n")
    for result in results:
        line = asdict(result)
        if result.samples:
            line |= {"min": result.best, "median": result.median}
        file.write(json.dumps(line) + "\n")
