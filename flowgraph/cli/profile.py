"""``flowgraph profile script.py`` and ``flowgraph explain script.py``: programs, watched.

    flowgraph profile --by line --trace trace.json train.py --epochs 3

The table goes to standard error when the program ends, however it ends.

Read next: run.py (how the program is run), profile/profiler.py.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from flowgraph.cli.run import run

_BY = ("op", "type", "scope", "line")
_SORT = ("time", "calls", "flops", "bytes", "gflops", "gbytes", "name")


def _options(arguments: Sequence[str], parser: argparse.ArgumentParser) -> argparse.Namespace:
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="SCRIPT [ARGUMENTS]")
    found = parser.parse_args(list(arguments))
    if not found.program:
        parser.error("give the script to run, or -m and a module")
    return found


def profile(arguments: Sequence[str]) -> int:
    """Run a program, and show where its time went.

    Args:
        arguments: options (see ``--help``), the script's path or ``-m`` and a module, and the
            program's own arguments.

    Returns:
        As ``run``.
    """
    parser = argparse.ArgumentParser(
        "flowgraph profile", description="Run a program unchanged and show where its time went."
    )
    add = parser.add_argument
    add("--by", choices=_BY, default="op", help="what a row is (default: a kernel)")
    add("--sort", choices=_SORT, default="time", help="what rows are sorted by")
    add("--limit", type=int, default=30, metavar="N", help="rows shown (default: 30)")
    add("--depth", type=int, default=1, metavar="N", help="levels of name scopes, by scope")
    add("--details", action="store_true", help="list the operations inside of kernels")
    add("--memory", action="store_true", help="also show the memory and its owners")
    add("--trace", metavar="FILE", help="write the last run as JSON for ui.perfetto.dev")
    add("--roofline", metavar="FILE", help="draw the kernels against the machine's roof")
    add("-m", dest="module", action="store_true", help="SCRIPT is the name of a module")
    options = _options(arguments, parser)
    found = importlib.import_module("flowgraph.profile").Profile()
    found.start()
    try:
        return run(["-m", *options.program] if options.module else options.program)
    finally:
        found.stop()
        _show(found, options)


def _show(found: Any, options: argparse.Namespace) -> None:
    write = sys.stderr.write
    if not found.runs:
        write("\nflowgraph profile: the program ran nothing in a session\n")
        return
    table = found.table(
        by=options.by, sort_by=options.sort, row_limit=options.limit, scope_depth=options.depth,
        details=options.details,
    )  # fmt: skip
    write(f"\n{found.summary()}\n{table}")
    if options.memory and table.rows:
        write(f"\n{found.memory()}")
    if options.trace:
        found.save_chrome_trace(options.trace)
        write(f"wrote {options.trace}\n")
    if options.roofline:
        view = importlib.import_module("flowgraph.view")
        view.plot_roofline(options.roofline, found.run_metadata)
        write(f"wrote {options.roofline}\n")


class _Explainer:
    """Explains every plan when it runs first."""

    def __init__(self, limit: int) -> None:
        self.seen: set[Any] = set()
        self.limit = limit
        self.explain = importlib.import_module("flowgraph.profile.explaining").explain

    def run(self, plan: Any, values: tuple) -> list[Any]:
        """Explain a plan that is new, and run it."""
        executor = importlib.import_module("flowgraph.runtime.executor")
        if plan not in self.seen and len(self.seen) < self.limit:
            self.seen.add(plan)
            names = ", ".join(leaf.name for leaf in plan.fetched[:4])
            more = ", ..." if len(plan.fetched) > 4 else ""
            sys.stderr.write(f"\n== session.run of {names}{more}\n")
            try:
                feed = dict(zip(plan.feeds, values, strict=True))
                sys.stderr.write(str(self.explain(plan.fetched, feed, session=plan.session)))
            except Exception as error:  # noqa: BLE001 - the program's run tells what is wrong
                sys.stderr.write(f"(not explained: {error})\n")
        results: list[Any] = plan.run(values, executor.Executable.run)
        return results

    def walk(self, executable: Any) -> list[Any]:
        """Run an operation that is executed eagerly."""
        results: list[Any] = executable.run()
        return results

    def note(self, parts: Any, took: int) -> None:
        """Times are for others."""


def explain(arguments: Sequence[str]) -> int:
    """Run a program, and explain every ``Session.run`` that is new: passes, kernels, memory.

    Args:
        arguments: as of ``profile``.

    Returns:
        As ``run``.
    """
    parser = argparse.ArgumentParser(
        "flowgraph explain",
        description="Run a program unchanged and tell what the compiler did with each new run.",
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="runs told, default: 20")
    parser.add_argument("-m", dest="module", action="store_true", help="SCRIPT is a module's name")
    options = _options(arguments, parser)
    runplan = importlib.import_module("flowgraph.runplan")
    explainer = _Explainer(options.limit)
    runplan.observe(explainer)
    try:
        return run(["-m", *options.program] if options.module else options.program)
    finally:
        runplan.OBSERVERS.remove(explainer)
