"""Random kernels: CUDA text in the simulator against the NumPy meaning of the kernel, bit for bit."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from random_kernels import cases
from simulated import run

from flowgraph.codegen import cuda
from flowgraph.kernel.interpret import interpret

QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

#: Thresholds that make tiny rows take each schedule: (SHORT_ROW, LONG_ROW, MANY_COLUMNS, MAX_SPLITS)
SCHEDULES = {
    "as shipped": (32, 4096, 16384, 1024),
    "blocks": (0, 1 << 40, 1, 1),
    "split": (1, 2, 1 << 40, 3),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_random_kernels_mean_what_the_oracle_says(schedule, monkeypatch):
    short, long, many, splits = SCHEDULES[schedule]
    monkeypatch.setattr(cuda, "LONG_ROW", long)
    monkeypatch.setattr(cuda, "MANY_COLUMNS", many)
    monkeypatch.setattr(cuda, "MAX_SPLITS", splits)
    # SHORT_ROW divides rows of columns; with 0 every row counts as long
    monkeypatch.setattr(cuda, "SHORT_ROW", max(short, 1))

    @QUICK
    @given(cases(reducing=schedule != "as shipped"))
    def check(case):
        expected = [array.copy() for array in case.arrays]
        status = interpret(case.kernel, expected, case.extents, case.strides, case.offsets)
        assert run(case) == status
        for number, (got, want) in enumerate(zip(case.arrays, expected, strict=True)):
            np.testing.assert_array_equal(got, want, err_msg=f"b{number} of {case.kernel}")

    check()
