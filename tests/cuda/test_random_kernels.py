"""Random kernels: CUDA text in the simulator against the kernel's NumPy meaning, bit for bit."""

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

#: Thresholds that make tiny rows take each schedule.
SCHEDULES = {
    "as shipped": {},
    "blocks": {"SHORT_ROW": 1, "LONG_ROW": 1 << 40, "MANY_COLUMNS": 1, "MAX_SPLITS": 1},
    "split": {"SHORT_ROW": 1, "LONG_ROW": 2, "MANY_COLUMNS": 1 << 40, "MAX_SPLITS": 3},
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_random_kernels_mean_what_the_oracle_says(schedule, monkeypatch):
    for name, value in SCHEDULES[schedule].items():
        monkeypatch.setattr(cuda, name, value)

    @QUICK
    @given(cases(reducing=schedule != "as shipped"))
    def check(case):
        expected = [array.copy() for array in case.arrays]
        status = interpret(case.kernel, expected, case.extents, case.strides, case.offsets)
        assert run(case) == status
        for number, (got, want) in enumerate(zip(case.arrays, expected, strict=True)):
            np.testing.assert_array_equal(got, want, err_msg=f"b{number} of {case.kernel}")

    check()
