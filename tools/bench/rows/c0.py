"""C0: what ``import flowgraph`` costs: CPU seconds of a process that imports and ends.

They include the start of Python and of this benchmark's worker, the same for everyone (about
0.05 s); NumPy alone, which everyone imports, shows the floor.
"""

from tools.bench.row import CPU_SECONDS, Case, Figure, Row

ROW = Row(
    "C0",
    "start Python, import the library: CPU seconds",
    cases=(Case("import", figure=Figure(at_most=0.25, of=("numpy", 0.13))),),
    metric=CPU_SECONDS,
    left_out={"torch-compile": "as torch", "pytensor-c": "as pytensor"},
)


def reference(case):
    return []


def in_numpy(lib, case):
    return list


in_tf1 = in_jax = in_torch = in_pytensor = in_numpy
