"""The process that measures one row in one library: ``python worker.py ROW LIBRARY [CASE]``.

Without CASE it obeys requests, one JSON object a line on stdin, one answer a line on stdout:

    {"do": "build", "case": c, "to": file}   build, call ROW.check_calls times, save the results
    {"do": "calibrate", "seconds": s}        -> {"loop": calls that take at least s}
    {"do": "sample", "loop": n}              -> {"wall": s, "cpu": s, "pace": s} of n calls

With CASE it imports, builds and calls once, and reports what the process has used until then:
{"cpu": s, "cpu_after_import": s, "wall": s, "peak": bytes, "pace": s}, with its results in the file
BENCH_RESULTS; it was started at time BENCH_STARTED.

"pace" is how long a fixed loop of Python takes meanwhile: cores that share their hardware with
others (hyperthreads, virtual machines) run at half speed at times, and no clock shows it.

It runs in every library's environment, so it imports NumPy and the standard library only.
"""

import dataclasses
import gc
import json
import os
import resource
import sys
import time
import traceback
from itertools import repeat
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])


def build(row_module, library, case):
    """The row's call in this library."""
    from tools.bench.libraries import LIBRARIES

    function = getattr(row_module, f"in_{LIBRARIES[library.name].family}")
    return function(library, case)


def save(path, results):
    """One entry per array: the calls' results, one after the other."""
    import numpy as np

    with Path(path).open("wb") as file:
        np.savez(file, *[np.asarray(array) for array in results])


def timed(call, loop):
    """Wall and CPU seconds of ``loop`` calls; a few calls before fill the caches again."""
    for _ in repeat(None, loop // 20 + 1):
        call()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in repeat(None, loop):
        call()
    return time.perf_counter() - wall, time.process_time() - cpu


def pace():
    """Seconds for a fixed piece of work."""
    best = 1.0
    for _ in range(3):
        started = time.perf_counter()
        for _ in repeat(None, 30_000):
            pass
        best = min(best, time.perf_counter() - started)
    return best


def calibrate(call, seconds):
    """How many calls take at least ``seconds``."""
    loop = 1
    while True:
        wall, _ = timed(call, loop)
        if wall >= seconds:
            return loop
        # a tenth more than needed, and at most tenfold: the first calls may be slow
        loop = max(loop + 1, min(10 * loop, int(1.1 * loop * seconds / max(wall, 1e-9))))


def serve(row_module, library, answer):
    """Obey requests until stdin ends."""
    call = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "build":
                call = None  # the case before may hold much memory
                gc.collect()
                started = time.perf_counter()
                call = build(row_module, library, row_module.ROW.case(request["case"]))
                results = [array for _ in range(row_module.ROW.check_calls) for array in call()]
                took = time.perf_counter() - started
                save(request["to"], results)
                answer({"took": took})
            elif request["do"] == "calibrate":
                answer({"loop": calibrate(call, request["seconds"])})
            else:
                before = pace()
                wall, cpu = timed(call, request["loop"])
                answer({"wall": wall, "cpu": cpu, "pace": max(before, pace())})
        except Exception as error:  # noqa: BLE001  whatever a library raises is reported
            traceback.print_exc()
            text = next((x for x in str(error).splitlines() if x.strip()), "")
            answer({"error": f"{type(error).__name__}: {text}"[:300]})


def once(row_module, library, case, answer):
    """Build and call once; report what the process has used."""
    if case.after:
        build(row_module, library, dataclasses.replace(case, size=case.after))()
    before, imported = resident("VmRSS"), cpu_seconds()
    with Path("/proc/self/clear_refs").open("w") as file:
        file.write("5")  # VmHWM starts again from what is resident now
    call = build(row_module, library, case)
    results = [array for _ in range(row_module.ROW.check_calls) for array in call()]
    cpu = cpu_seconds()
    peak = resident("VmHWM") - before
    wall = time.time() - float(os.environ["BENCH_STARTED"])
    report = {"cpu": cpu, "cpu_after_import": cpu - imported, "wall": wall, "peak": peak}
    report["pace"] = pace()
    save(os.environ["BENCH_RESULTS"], results)
    answer(report)


def cpu_seconds():
    """CPU time of this process and its descendants until now."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + living_children()


def resident(field):
    """A size of this process in bytes: VmRSS now, VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(field)))


def living_children():
    """CPU seconds of descendants that nobody has waited for yet (compile workers)."""
    processes = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                processes[int(entry.name)] = _stat(entry.name)
            except OSError:  # ended meanwhile
                continue
    total, parents = 0, {os.getpid()}
    while parents:
        parents = {pid for pid, fields in processes.items() if int(fields[1]) in parents}
        total += sum(int(ticks) for pid in parents for ticks in processes[pid][11:15])
    return total / os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """Fields of /proc/<pid>/stat from the third on: [1] is the parent, [11:15] CPU ticks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def main():
    # libraries and their compilers print: keep the answers apart
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(message):
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    from tools.bench.libraries import load

    row_id, name = sys.argv[1:3]
    library = load(name)
    from tools.bench.row import row_module

    module = row_module(row_id)
    if len(sys.argv) > 3:
        once(module, library, module.ROW.case(sys.argv[3]), answer)
    else:
        answer({"ready": True})
        serve(module, library, answer)
    # no teardown: some libraries' threads take seconds to end, or crash
    channel.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
