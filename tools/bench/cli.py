"""The command line: arguments -> rows x libraries -> table, notes, JSON lines."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.bench import machine, report, runner
from tools.bench.libraries import LIBRARIES
from tools.bench.row import row_ids, row_module

#: Measured with --quick when --rows does not say otherwise; the others start too many processes.
_QUICK_ROWS = ("L1", "L1c", "L1d", "E1", "M1", "T1", "C0")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a library returned wrong results or flowgraph failed."""
    options = _parser().parse_args(arguments)
    wanted = options.rows or (_QUICK_ROWS if options.quick else tuple(row_ids()))
    modules = {module.ROW.id: module for module in map(row_module, wanted)}
    found = runner.find_libraries([options.python, *options.peers])
    names = [
        name
        for name in LIBRARIES
        if name in found
        and (name in options.libraries if options.libraries else _by_default(name, options.quick))
    ]
    cores = sorted(os.sched_getaffinity(0))
    cores = cores if options.cores == "all" else [cores[-1]]
    settings = runner.Settings(
        interpreters={name: found[name][0] for name in names},
        cores=cores,
        rounds=options.rounds or (3 if options.quick else 7),
        seconds=0.05 if options.quick else 0.2,
        patience=options.patience,
        quick=options.quick,
        clock=options.clock,
        show=runner.progress,
    )
    here = machine.describe(cores)
    results = []
    for module in modules.values():
        results += runner.measure(module, settings, names)
    rows = {row_id: module.ROW for row_id, module in modules.items()}
    versions = {name: found[name][1] for name in names}
    print(f"Machine: {here}")
    print("Versions: " + ", ".join(f"{name} {text}".strip() for name, text in versions.items()))
    print(
        f"Best of {settings.rounds} samples of at least {settings.seconds} s, taken in turn, "
        f"by the {settings.clock} clock.\n"
    )
    print(report.table(rows, results))
    print("".join(f"\n- {note}" for note in report.notes(rows, results, here)))
    if options.json:
        with Path(options.json).open("w", encoding="utf-8") as file:
            report.write_json(file, here, versions, results)
    wrong = [m for m in results if m.failure.startswith("WRONG")]
    broken = [m for m in results if m.failure and m.library == "flowgraph"]
    return 1 if wrong or broken else 0


def _by_default(name: str, quick: bool) -> bool:
    return not (quick and LIBRARIES[name].variant)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _row_names(text: str) -> tuple[str, ...]:
    known = {name.lower(): name for name in row_ids()}
    unknown = [name for name in _names(text) if name.lower() not in known]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no row {', '.join(unknown)}; there are {', '.join(known.values())}"
        )
    return tuple(known[name.lower()] for name in _names(text))


def _library_names(text: str) -> tuple[str, ...]:
    unknown = [name for name in _names(text) if name not in LIBRARIES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no library {', '.join(unknown)}; there are {', '.join(LIBRARIES)}"
        )
    return _names(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Measure flowgraph beside its peers, in one run, as ratios.",
    )
    add = parser.add_argument
    add("--rows", type=_row_names, help="ids separated by commas, e.g. L1,T1; default: all")
    add("--libraries", type=_library_names, help="names separated by commas; default: all found")
    add("--python", default=sys.executable, help="interpreter of flowgraph; default: this one")
    add("--peers", action="append", default=[], metavar="PYTHON", help="interpreter of peers")
    add("--quick", action="store_true", help="fewer rows, sizes, variants and samples")
    add("--rounds", type=int, help="samples per case and library; default 7, with --quick 3")
    add("--cores", choices=("1", "all"), default="1", help="CPUs for a worker; default 1")
    add("--clock", choices=("wall", "cpu"), default="wall", help="cpu: for a machine in use")
    add("--patience", type=float, default=300.0, help="seconds until a library is given up")
    add("--json", metavar="FILE", help="write every sample there, one JSON object a line")
    return parser
