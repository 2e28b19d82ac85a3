"""Asks workers in turn and collects what they measure.

    start one worker per library  ->  build and check each case  ->  rounds: A B C A B C ...

A library that fails, takes too long or returns wrong results is reported as such and not timed.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tools.bench.libraries import LIBRARIES, Library
from tools.bench.row import CPU_AFTER_IMPORT, CPU_SECONDS, PEAK_BYTES, SECONDS, Case, Row

_WORKER = str(Path(__file__).with_name("worker.py"))
_ROOT = str(Path(__file__).resolve().parents[2])

#: Variables by which numeric libraries learn how many threads to use.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "FLOWGRAPH_NUM_THREADS",
)  # fmt: skip

#: Would change what is measured: another path, and every import compiling its source again.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")

#: A process that takes longer, in seconds, is started twice only.
_SLOW = 8.0

#: Metric of a process -> its name in a worker's report.
_ANSWERS = {CPU_SECONDS: "cpu", CPU_AFTER_IMPORT: "cpu_after_import", PEAK_BYTES: "peak"}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure.

    Attributes:
        interpreters: library name -> Python that has it.
        cores: CPUs that workers are pinned to.
        rounds: samples per case and library; up to PERSISTENCE times as many while the core runs
            slower than it has shown it can.   seconds: least length of a sample.
        patience: seconds that a library may take to answer before it is given up.
        quick: measure only the cases that are marked quick.
        clock: "wall", or "cpu" for a machine that others use: CPU seconds of all threads, which on
            one core are what the wall clock would show if nobody else ran.
        show: told about progress.   best_pace: the best of all samples so far, in a list of one.
    """

    interpreters: Mapping[str, str]
    cores: Sequence[int]
    rounds: int = 5
    seconds: float = 0.2
    patience: float = 300.0
    quick: bool = False
    clock: str = "wall"
    show: Any = print
    best_pace: list[float] = field(default_factory=lambda: [1.0])


@dataclass(slots=True)
class Measurement:
    """What was measured of one case in one library, in the row's unit.

    Attributes:
        samples: one number a round.
        busy: largest share of a sample's wall time in which this process did not run, since other
            work had the core.
        paces: of the samples, see worker.py.
        extra: further numbers: "loop", "first" (seconds to build and call first), "wall".
        failure: why there are no samples.
    """

    row: str
    case: str
    library: str
    metric: str
    samples: list[float] = field(default_factory=list)
    busy: float = 0.0
    paces: list[float] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    failure: str = ""

    @property
    def best(self) -> float:
        """The smallest sample: the one least disturbed."""
        return min(self.samples, default=float("nan"))

    @property
    def median(self) -> float:
        """Of the samples."""
        return statistics.median(self.samples) if self.samples else float("nan")


#: Rounds are repeated up to so many times as often, and then taken as they are.
PERSISTENCE = 4

#: A sample is slow when its pace is this much worse than the best seen.
TOLERATED_PACE = 1.15


def rounds(here: Sequence[Measurement], settings: Settings) -> Iterator[int]:
    """Count rounds until every library has ``settings.rounds`` samples taken at full speed."""
    limit = settings.rounds * (1 if settings.quick else PERSISTENCE)
    for number in range(limit):
        full_speed = [
            sum(pace <= TOLERATED_PACE * settings.best_pace[0] for pace in m.paces)
            for m in here
            if not m.failure and not _is_long(m)
        ]
        if number >= settings.rounds and min(full_speed, default=limit) >= settings.rounds:
            return
        yield number
        paces = [pace for m in here for pace in m.paces]
        settings.best_pace[0] = min([settings.best_pace[0], *paces])


def _is_long(result: Measurement) -> bool:
    """Whether this is a process that has been started often enough for what it takes."""
    return len(result.samples) >= 2 and result.extra.get("wall", [0.0])[-1] > _SLOW


class WorkerError(Exception):
    """A worker failed, was too slow or returned something wrong; the message says which."""


class Worker:
    """One process of worker.py; a context manager that ends it."""

    def __init__(
        self,
        row: Row,
        library: Library,
        settings: Settings,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.patience = settings.patience
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in __exit__
        threads = {name: str(len(settings.cores)) for name in _THREAD_VARIABLES}
        inherited = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
        inherited["PYTHONPATH"] = _ROOT  # compile workers of flowgraph need it as well
        command = [settings.interpreters[library.name], _WORKER, row.id, library.name, *arguments]
        if shutil.which("taskset"):
            command = ["taskset", "-c", ",".join(map(str, settings.cores)), *command]
        self.process = subprocess.Popen(  # noqa: S603  the user's own interpreters
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=inherited
            | threads
            | dict(library.env)
            | dict(environment or {})
            | {"BENCH_STARTED": repr(time.time())},
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:  # it died with a request unread
                continue

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(self._last_words()) from None
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for one line."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], self.patience)
        if not ready:
            self.process.kill()
            self.process.wait()
            raise WorkerError(f"no answer within {self.patience:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise WorkerError(self._last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _last_words(self) -> str:
        """Why the process died: the last line that it printed."""
        status = self.process.wait()
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors.read().splitlines() if line.strip()]
        return (lines[-1] if lines else f"exit status {status}")[:300]


def measure(module: ModuleType, settings: Settings, names: Iterable[str]) -> list[Measurement]:
    """Measure every case of a row in the libraries ``names``, as far as it declares them."""
    row: Row = module.ROW
    libraries = [
        LIBRARIES[name]
        for name in names
        if name in settings.interpreters
        and hasattr(module, f"in_{LIBRARIES[name].family}")
        and name not in row.left_out
    ]
    cases = [case for case in row.cases if case.quick or not settings.quick]
    run = _measure_calls if row.metric == SECONDS else _measure_processes
    return run(module, cases, libraries, settings)


def _wanted(case: Case, library: Library) -> bool:
    return case.only is None or library.name in case.only


def _measure_calls(
    module: ModuleType, cases: Sequence[Case], libraries: Sequence[Library], settings: Settings
) -> list[Measurement]:
    row: Row = module.ROW
    done: list[Measurement] = []
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        dead: dict[str, str] = {}
        for library in libraries:
            worker = stack.enter_context(Worker(row, library, settings))
            try:
                worker.answer()
                workers[library.name] = worker
            except WorkerError as error:
                dead[library.name] = str(error)
        for case in cases:
            expected = module.reference(case)
            here = []
            for library in libraries:
                if not _wanted(case, library):
                    continue
                result = Measurement(row.id, case.name, library.name, row.metric)
                here.append(result)
                result.failure = dead.get(library.name, "")
                if not result.failure:
                    _prepare(workers[library.name], row, case, expected, result, settings)
                settings.show(f"{row.id} {case.name}: {library.name} {result.failure or 'ready'}")
                if library.name in workers and workers[library.name].process.poll() is not None:
                    dead[library.name] = result.failure
            del expected
            for _ in rounds(here, settings):
                for result in here:
                    _sample(workers[result.library], result, settings.clock)
            done += here
    return done


def _prepare(
    worker: Worker,
    row: Row,
    case: Case,
    expected: Sequence[Any],
    result: Measurement,
    settings: Settings,
) -> None:
    """Build the case in a worker, check its results and find the length of its loop."""
    try:
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            result.extra["first"] = worker.ask(do="build", case=case.name, to=file.name)["took"]
            result.failure = _difference(file.name, expected, row)
        if not result.failure:
            result.extra |= worker.ask(do="calibrate", seconds=settings.seconds)
    except WorkerError as error:
        result.failure = str(error)


def _sample(worker: Worker, result: Measurement, clock: str) -> None:
    if result.failure:
        return
    try:
        answer = worker.ask(do="sample", loop=result.extra["loop"])
    except WorkerError as error:
        result.failure = str(error)
        return
    result.samples.append(answer[clock] / result.extra["loop"])
    result.paces.append(answer["pace"])
    result.busy = max(result.busy, 1 - answer["cpu"] / answer["wall"])


def _measure_processes(
    module: ModuleType, cases: Sequence[Case], libraries: Sequence[Library], settings: Settings
) -> list[Measurement]:
    row: Row = module.ROW
    done = []
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases:
            expected = module.reference(case)
            here = [
                Measurement(row.id, case.name, library.name, row.metric)
                for library in libraries
                if _wanted(case, library)
            ]
            for result in here:  # writes bytecode and, where wanted, fills the compile cache
                result.failure = _once(row, case, result, expected, settings, scratch, keep=False)
                settings.show(f"{row.id} {case.name}: {result.library} {result.failure or 'ready'}")
            for _ in rounds(here, settings):
                for result in here:
                    if not result.failure and not _is_long(result):
                        result.failure = _once(row, case, result, expected, settings, scratch)
            done += here
    return done


def _once(
    row: Row,
    case: Case,
    result: Measurement,
    expected: Sequence[Any],
    settings: Settings,
    scratch: str,
    *,
    keep: bool = True,
) -> str:
    """Measure one process and, if ``keep``, note the sample; returns what went wrong, or ""."""
    library = LIBRARIES[result.library]
    with tempfile.TemporaryDirectory() as fresh, tempfile.NamedTemporaryFile() as file:
        cache = fresh if case.cache == "empty" else f"{scratch}/{library.name}"
        environment = {name: text.format(cache) for name, text in library.caches.items()}
        environment["BENCH_RESULTS"] = file.name
        with Worker(row, library, settings, [case.name], environment) as worker:
            try:
                answer = worker.answer()
            except WorkerError as error:
                return str(error)
        wrong = _difference(file.name, expected, row)
    if wrong or not keep:
        return wrong
    result.samples.append(answer[_ANSWERS[row.metric]])
    result.paces.append(answer["pace"])
    walls = result.extra.setdefault("wall", [])
    walls.append(answer["wall"])
    return ""


def _difference(path: str, expected: Sequence[Any], row: Row) -> str:
    """What is wrong with the results saved in ``path``, or ""."""
    with np.load(path) as file:
        results = [file[name] for name in file.files]
    if len(results) != len(expected):
        return f"WRONG: {len(results)} results instead of {len(expected)}"
    for index, (got, want) in enumerate(zip(results, map(np.asarray, expected), strict=True)):
        if got.shape != want.shape:
            return f"WRONG: result {index} has shape {got.shape} instead of {want.shape}"
        if not np.allclose(got, want, rtol=row.rtol, atol=row.atol):
            worst = np.max(np.abs(got - want)) if got.size else 0.0
            return f"WRONG: result {index} differs by up to {worst:.3g}"
    return ""


def find_libraries(interpreters: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Library name -> (the first interpreter that has it, its version)."""
    program = (
        "import importlib.metadata as m, importlib.util as u, json, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "found = {}\n"
        "for name, module, distributions in json.loads(sys.argv[2]):\n"
        "    if u.find_spec(module):\n"
        "        versions = []\n"
        "        for d in distributions:\n"
        "            try: versions.append(m.version(d))\n"
        "            except m.PackageNotFoundError: pass\n"
        "        found[name] = (versions or [''])[0]\n"
        "print(json.dumps(found))\n"
    )
    table = [(x.name, x.module, x.distributions) for x in LIBRARIES.values()]
    found: dict[str, tuple[str, str]] = {}
    for interpreter in interpreters:
        output = subprocess.run(  # noqa: S603  the user's own interpreters
            [interpreter, "-c", program, _ROOT, json.dumps(table)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for name, version in json.loads(output).items():
            found.setdefault(name, (interpreter, version))
    return found


def progress(message: str) -> None:
    """One line on stderr."""
    print(message, file=sys.stderr, flush=True)
