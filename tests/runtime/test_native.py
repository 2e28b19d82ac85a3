"""The native table walk: codes, host rows, time stamps, threads."""

import threading
import time

import numpy as np
import pytest

from flowgraph.codegen.compile import addresses
from flowgraph.kernel.ir import TextKernel
from flowgraph.runtime import native

COUNT = TextKernel(
    "count",
    """\
def kernel(block, start, stop):
    put_slot(block, 0, slot(block, 0) + stop - start)
    return 0
""",
)
FAIL = TextKernel("fail", "def kernel(block, start, stop):\n    return stop\n")
SPIN = TextKernel(
    "spin",
    """\
def kernel(block, start, stop):
    begin = cycles()
    while cycles() - begin < stop:
        start += 1
    return 0
""",
)
END, HOST = (0, 0, 0, 0), (1, 0, 0, 0)


@pytest.fixture
def total():
    return np.zeros(1, np.int64)


def table(*rows):
    return np.array(rows, np.int64)


def by_ctypes(table_address, row):
    (address,) = addresses([native.EXECUTOR])
    return native.foreign(address)(table_address, row, 0)


def timed(table_address, row):
    times = np.zeros((99, 4), np.int64)
    return native.execute_timed(table_address, row, times.ctypes.data)


EXECUTES = [native.execute, native.execute_held, by_ctypes, timed]


@pytest.mark.parametrize("execute", EXECUTES)
def test_walk_stops_at_host_rows_failures_and_the_end(execute, total):
    count, fail = addresses([COUNT, FAIL])
    where = total.ctypes.data
    add = [(count, where, *bounds) for bounds in ((2, 5), (0, 1), (0, 10))]
    rows = table(add[0], add[1], HOST, add[2], (fail, 0, 0, 7), END)
    start = rows.ctypes.data
    assert execute(start, 0) == 2 * 256
    assert total[0] == 4
    assert execute(start, 3) == 4 * 256 + 7
    assert total[0] == 14
    assert execute(start, 5) == -1


def test_long_walks_let_other_threads_run_and_held_ones_do_not_break_them(total):
    (spin,) = addresses([SPIN])
    cycles = int(200e6 / native.nanoseconds_per_cycle())
    rows = table((spin, 0, 0, cycles), END)
    thread = threading.Thread(target=native.execute, args=(rows.ctypes.data, 0))
    begin = time.perf_counter()
    thread.start()
    time.sleep(0.01)
    seen = time.perf_counter() - begin
    thread.join()
    assert seen < 0.15 < time.perf_counter() - begin
    assert native.execute_held(rows.ctypes.data, 1) == -1


def test_time_stamps_measure_each_row():
    (spin,) = addresses([SPIN])
    unit = native.nanoseconds_per_cycle()
    wanted = [2e6, 8e6]
    rows = table(*((spin, 0, 0, int(ns / unit)) for ns in wanted), END)
    times = np.zeros((4, 4), np.int64)
    log = np.full((3, 3), -1, np.int64)
    times[0, :2] = log.ctypes.data, 3
    for _ in range(2):
        assert native.execute_timed(rows.ctypes.data, 0, times.ctypes.data) == -1
    first, last = times[1:3, 0], times[1:3, 1]
    assert ((last - first) * unit >= np.array(wanted) * 0.99).all()
    assert (times[1:3, 2] * unit >= np.array(wanted) * 1.98).all()
    assert times[1:, 3].tolist() == [2, 2, 0]
    assert log[:, 0].tolist() == [0, 1, 0], "the log ends where it is full"
    assert times[0, 2] == 3
    np.testing.assert_array_equal(log[:2, 1:], times[1:3, :2])
    assert 0.05 < unit < 100


def test_library_symbols():
    assert native.symbol_address("sgemm") != native.symbol_address("dgemm")
