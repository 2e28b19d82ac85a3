"""M1: a square float32 matrix product, as a fraction of OpenBLAS called by pointer.

The operands are resident (variables, device arrays), the product is fetched.  OpenBLAS writes into
an array that exists already, so a library pays here for its result's memory and for the call.
"""

import ctypes

import numpy as np

from tools.bench.row import Case, Figure, Row, generator

_FIGURE = Figure(fraction=0.97)

ROW = Row(
    "M1",
    "matrix product of two resident n x n float32 matrices",
    cases=(
        Case("512", 512, _FIGURE),
        Case("1024", 1024, _FIGURE, quick=False),
        Case("2048", 2048, _FIGURE, quick=False),
    ),
    rtol=1e-3,
    atol=1e-3,  # sums of n products of either sign
    baseline="openblas",
)


def _operands(case):
    random = generator()
    return [random.randn(case.size, case.size).astype(np.float32) for _ in range(2)]


def reference(case):
    a, b = _operands(case)
    return [a.astype(np.float64) @ b.astype(np.float64)]


def in_openblas(lib, case):
    library = ctypes.CDLL(lib.module.get_lib_dir() + "/" + lib.module.get_library(fullname=True))
    gemm = library.scipy_cblas_sgemm
    a, b = _operands(case)
    c = np.empty_like(a)
    n = case.size
    size, one, zero = ctypes.c_int(n), ctypes.c_float(1), ctypes.c_float(0)
    pa, pb, pc = (x.ctypes.data_as(ctypes.c_void_p) for x in (a, b, c))  # keep their arrays alive
    layout = 101, 111, 111  # row-major, neither operand transposed

    def call():
        gemm(*layout, size, size, size, one, pa, size, pb, size, zero, pc, size)
        return [c]

    return call


def in_tf1(lib, case):
    tf = lib.module
    a, b = (tf.Variable(x) for x in _operands(case))
    product = tf.matmul(a, b)
    session = lib.session()
    session.run(tf.global_variables_initializer())
    function = session.make_callable(product, [])
    return lambda: [function()]


def in_jax(lib, case):
    jnp = lib.module.numpy
    function = lib.module.jit(jnp.matmul)
    a, b = (jnp.asarray(x) for x in _operands(case))
    return lambda: [function(a, b).block_until_ready()]


def in_torch(lib, case):
    function = lib.jit(lib.module.mm)
    a, b = (lib.module.from_numpy(x) for x in _operands(case))
    return lambda: [function(a, b)]


def in_pytensor(lib, case):
    a, b = (lib.module.shared(x) for x in _operands(case))
    function = lib.module.function([], lib.module.tensor.dot(a, b))
    return lambda: [function()]
