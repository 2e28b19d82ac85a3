"""passes(): levels, recomputation, and where stores and requires stand."""

from flowgraph.kernel.builder import BodyBuilder
from flowgraph.kernel.ir import Buffer
from flowgraph.kernel.passes import passes

FULL, ROW = ("s", "1"), ("1", "0")
F32_IN, F32_OUT = Buffer("float32", "in", FULL), Buffer("float32", "out", FULL)


def named(kernel, p):
    """The passes with op names in place of statement numbers."""
    return [
        tuple(kernel.body[n].op for n in group)
        for group in (p.rows, p.full, p.reductions, p.stores, p.row_stores)
    ]


def test_elementwise_is_one_pass_of_row_statements():
    s = BodyBuilder()
    s.store(1, s.exp(s.load(0, "float32")))
    kernel = s.build(("map", "map"), (F32_IN, F32_OUT))
    (only,) = passes(kernel)
    assert not only.loops
    assert named(kernel, only) == [("load", "exp"), (), (), (), ("store",)]


def test_layer_norm_has_three_passes_and_hoists_row_values():
    s = BodyBuilder()
    x, gain = s.load(0, "float32"), s.load(1, "float32")
    count = s.reduce_sum(s.const(1.0, "float32"))
    mean = s.reduce_sum(x) / count
    centred = x - mean
    var = s.reduce_sum(centred * centred) / count
    s.store(2, centred * s.rsqrt(var + 1e-5) * gain)
    s.store(3, mean)
    kernel = s.build(
        ("map", "reduce"),
        (F32_IN, Buffer("float32", "in", ("0", "1")), F32_OUT, Buffer("float32", "out", ROW)),
    )
    first, second, third = passes(kernel)
    assert named(kernel, first) == [("const", "const"), ("load",), ("reduce_sum",) * 2, (), ()]
    assert named(kernel, second) == [("div",), ("load", "sub", "mul"), ("reduce_sum",), (), ()]
    assert named(kernel, third) == [
        ("div", "add", "rsqrt"),
        ("load", "load", "sub", "mul", "mul"),
        (),
        ("store",),
        ("store",),
    ]


def test_full_store_waits_for_the_last_loop_so_that_it_may_overwrite_its_input():
    s = BodyBuilder()
    x = s.load(0, "float32")
    shifted = x - s.reduce_max(x)
    s.store(0, x * 2.0)  # computable in pass 0, but pass 1 loads b0 again
    s.store(1, s.reduce_sum(shifted))
    buffers = (Buffer("float32", "inout", FULL), Buffer("float32", "out", ROW))
    kernel = s.build(("map", "reduce"), buffers)
    first, second, third = passes(kernel)
    assert first.stores == () and len(second.stores) == 1
    assert not third.loops and len(third.row_stores) == 1


def test_row_value_stored_along_the_reduce_axis_needs_a_loop():
    s = BodyBuilder()
    s.store(1, s.reduce_sum(s.load(0, "float32")))
    kernel = s.build(("map", "reduce"), (F32_IN, F32_OUT))
    first, second = passes(kernel)
    assert first.reductions and not first.stores
    assert second.loops and second.stores and not second.full


def test_dead_statements_are_dropped_and_requires_stay_before_what_they_guard():
    s = BodyBuilder()
    x, y = s.load(0, "int32"), s.load(1, "int32")
    s.reduce_max(s.neg(x))  # nobody wants it
    s.require(s.ne(y, 0), 1)
    s.store(2, s.floordiv(x, y))
    buffers = tuple(Buffer("int32", mode, FULL) for mode in ("in", "in", "out"))
    kernel = s.build(("map", "reduce"), buffers)
    (only,) = passes(kernel)
    assert named(kernel, only) == [
        ("const",), ("load", "load", "ne", "require", "floordiv"), (), ("store",), ()
    ]
