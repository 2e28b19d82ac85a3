import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tools.bench import report, runner
from tools.bench.libraries import LIBRARIES
from tools.bench.row import CPU_SECONDS, SECONDS, Case, Figure, Row, row_ids, row_module

ROOT = Path(__file__).parents[2]
FAMILIES = {library.family for library in LIBRARIES.values()}


def test_every_row_is_declared_for_flowgraph_and_has_figures():
    ids = row_ids()
    assert {"L1", "L1c", "L1d", "E1", "M1", "T1", "C0", "C1", "C2"} <= set(ids)
    for row_id in ids:
        module = row_module(row_id)
        assert module.__doc__.startswith(row_id)
        assert callable(module.in_tf1)
        assert any(case.quick for case in module.ROW.cases) or row_id == "C4"
        functions = {name[3:] for name in vars(module) if name.startswith("in_")}
        assert functions <= FAMILIES, row_id
        for case in module.ROW.cases:
            assert case.figure != Figure()
            assert case.figure.of is None or case.figure.of[0] in LIBRARIES
            assert (case.figure.fraction is None) == (module.ROW.baseline is None)


@pytest.mark.parametrize("row_id", ["L1", "L1c", "L1d", "T1"])
def test_reference_is_float64(row_id):
    module = row_module(row_id)
    results = module.reference(module.ROW.cases[0])
    assert all(np.asarray(result).dtype == np.float64 for result in results)
    assert all(np.isfinite(result).all() for result in results)


def test_reference_of_t1_descends_its_gradient():
    """Learning a few batches by heart lowers their loss; a wrong gradient would not."""
    module = row_module("T1")
    losses = module.losses(48)
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:8])


def test_reference_gradient_of_c2_is_the_derivative():
    module = row_module("C2")
    case = Case("tiny", 12)
    _, dy = module.reference(case)
    original, step = module._X.astype(np.float64), 1e-6
    end = lambda x: module._chain(12, x, 1.0, 0.0, np.tanh, np.sin)
    numeric = (end(original + step) - end(original - step)) / (2 * step)
    np.testing.assert_allclose(dy, numeric, rtol=1e-7)


@pytest.mark.slow
def test_quick_row_with_flowgraph_alone(tmp_path):
    path = tmp_path / "lines.jsonl"
    command = [sys.executable, "-m", "tools.bench", "--rows", "l1,C0", "--quick", "--rounds", "2"]
    command += ["--libraries", "flowgraph", "--json", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| L1 run " in done.stdout
    head, *lines = map(json.loads, path.read_text().splitlines())
    assert head["machine"]["pinned"]
    assert [(line["row"], line["case"]) for line in lines] == [
        ("L1", "run"), ("L1", "callable"), ("C0", "import"),
    ]  # fmt: skip
    for line in lines:
        assert not line["failure"]
        assert len(line["samples"]) == 2
        assert 0 < line["min"] <= line["median"]
        assert 1e-8 < line["min"] < 10


def measurement(library, *samples, failure="", row="R", case="c"):
    return runner.Measurement(row, case, library, SECONDS, list(samples), failure=failure)


def test_bounds_are_judged():
    row = Row("R", "", (), baseline="openblas")
    results = [
        measurement("flowgraph", 4e-6, 2e-6),
        measurement("tensorflow", 9e-5),
        measurement("jax", 5e-6, 4e-6),
        measurement("openblas", 1.9e-6),
        measurement("torch", failure="x"),
    ]
    judge = lambda **figure: report.bounds(Figure(**figure), row, results)
    assert report.best_peer(results).library == "jax"
    assert report.ratio_to_best_peer(results) == pytest.approx(0.5)
    assert judge(ratio=0.5) == [("≤ 0.5 of best peer", True)]
    assert judge(ratio=0.49) == [("≤ 0.49 of best peer", False)]
    assert judge(at_most=1.9e-6, of=("jax", 2e-6)) == [("≤ 1.9 µs", False), ("here 3.8 µs", True)]
    assert judge(fraction=0.9) == [("≥ 0.9 of openblas (0.95)", True)]
    assert judge(fraction=0.96) == [("≥ 0.96 of openblas (0.95)", False)]
    assert report.bounds(Figure(ratio=0.5), row, results[1:]) == [("≤ 0.5 of best peer", None)]


def test_table_shows_failures_and_wrong_results():
    rows = {"R": Row("R", "", (Case("c", figure=Figure(ratio=1.0)),))}
    results = [
        measurement("flowgraph", 1e-3),
        measurement("jax", failure="WRONG: result 0 differs by up to 1"),
        measurement("torch", failure="no answer"),
    ]
    *_, line = report.table(rows, results).splitlines()
    assert [cell.strip() for cell in line.split("|")[1:-1]] == [
        "R c", "1 ms", "WRONG", "failed", "", "≤ 1.0 of best peer", "?",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("got", "wrong"),
    [
        ([np.ones(3)], ""),
        ([np.ones(3) * (1 + 1e-5)], ""),
        ([np.ones(3) * 1.01], "differs"),
        ([np.array([1, 1, math.nan])], "differs"),
        ([np.ones((3, 1))], "shape"),
        ([], "0 results"),
    ],
)
def test_wrong_results_are_found(tmp_path, got, wrong):
    path = tmp_path / "results.npz"
    np.savez(path, *got)
    row = Row("R", "", (), rtol=1e-4)
    found = runner._difference(str(path), [np.ones(3)], row)
    assert found == "" if not wrong else wrong in found


def test_rounds_go_on_while_the_core_is_slow():
    """One library met a slow core twice: two more rounds; never more than fourfold."""
    settings = runner.Settings(interpreters={}, cores=[0], rounds=3)
    paces = {"jax": iter([2.0, 1.0, 1.0, 2.0, 1.1]), "torch": iter([1.0] * 5)}
    here = [measurement("jax"), measurement("torch"), measurement("tensorflow", failure="x")]
    count = 0
    for _ in runner.rounds(here, settings):
        count += 1
        for result in here[:2]:
            result.paces.append(next(paces[result.library]))
    assert count == 5
    here[1].extra["wall"] = [99.0]
    here[1].samples, here[1].paces = [1.0, 1.0], []  # long: it needs no third sample
    assert len(list(runner.rounds(here, settings))) == 3
    settings.best_pace[0] = 0.5
    assert len(list(runner.rounds(here, settings))) == 3 * runner.PERSISTENCE


def test_quantities():
    assert report.quantity(1.234e-6, SECONDS) == "1.23 µs"
    assert report.quantity(2.5e-8, SECONDS) == "0.025 µs"
    assert report.quantity(0.25, SECONDS) == "250 ms"
    assert report.quantity(12.0, CPU_SECONDS) == "12 s"
    assert report.quantity(4.8e7, "peak_bytes") == "48 MB"
