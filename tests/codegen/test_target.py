"""Kernel text: what it can say, and what it is told when it says it wrongly."""

import numpy as np
import pytest
from harness import native

from flowgraph.codegen.intrinsics import PRIMITIVES, KernelTextError
from flowgraph.codegen.llvm_text import Tuning
from flowgraph.codegen.target import lowered
from flowgraph.kernel.ir import TextKernel


def evaluate(text, a=0, start=0, stop=0):
    """The status of ``def kernel(block, start, stop)`` with the body or module ``text``."""
    if "def kernel" not in text:
        text = "def kernel(a, start, stop):\n" + "\n".join("    " + x for x in text.splitlines())
    return native(TextKernel("t", text + "\n"))(a, start, stop)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("total = 0\nfor i in range(start, stop):\n    total += i\nreturn total", 3 + 4 + 5 + 6),
        ("total = 0\nfor i in range(stop, start, -2):\n    total += i\nreturn total", 7 + 5),
        ("total = 0\nfor i in range(1, stop, 3):\n    total += i\nreturn total", 1 + 4),
        ("while stop > start:\n    stop -= 3\nreturn stop", 1),
        ("for i in range(100):\n    if i == stop:\n        break\nreturn i", 7),
        ("n = 0\nfor i in range(stop):\n    if i < 3:\n        continue\n    n += 1\nreturn n", 4),
        ("return stop if start == 3 else 0", 7),
        ("if start > 2 and stop > 2:\n    return 1\nreturn 2", 1),
        ("if start > 9 or not stop > 9:\n    return 1\nreturn 2", 1),
        ("if (start > 9) & (stop > 9):\n    return 1\nreturn 2", 2),
        ("x, y = stop, start\nx, y = y, x\nreturn x - y", -4),
        ("return -7 // 2 + -7 % 4", -4 + 1),
        ("return truncdiv(start - 10, 2)", -3),
        ("return 2 ** 0 if False else start << 4 >> 1 ^ 1", 3 << 4 >> 1 ^ 1),
        ("return ~start", -4),
        ("return maximum(start, stop) * 10 + minimum(start, stop) + absolute(-5)", 78),
        ("return int64(int8(200 + start))", -53),
        ("return int64(uint8(200 + start))", 203),
        ("return int64(float32(-2.75))", -2),
        ("return int64(bits(float32(1.0)))", 0x3F800000),
        ("return int64(from_bits(uint64(4611686018427387904)))", 2),
        ("return int64(select(start == 3, float64(stop), 0.5))", 7),
        ("return int64(bool_(start)) + int64(isnan(nan)) * 2 + int64(inf > 1e300) * 4", 7),
        ("return int64(uint64(0) - uint64(1) > uint64(5))", 1),
        ("return int64(uint32(4000000000))", 4000000000),
        ("x = start\nx -= 1\nx *= stop\nx //= 3\nx |= 8\nx &= 13\nx <<= 1\nreturn x", 24),
    ],
)
def test_expressions_and_statements(text, expected):
    assert evaluate(text, 0, 3, 7) == expected


def test_helper_functions_of_several_types():
    text = """\
def twice(x):
    return x + x


def clipped(x, low):
    if x < low:
        return low
    return twice(x)


def kernel(a, start, stop):
    return clipped(start, stop) + int64(clipped(float32(1.5), float32(0))) + twice(stop)
"""
    assert evaluate(text, 0, 9, 5) == 18 + 3 + 10


def test_memory():
    words = np.arange(8, dtype=np.int64)
    text = """\
p = float32_pointer(a)
store(p, 1, load(p, 0) + float32(1))
put_slot(a, 1, slot(a, 3) * 10)
move_bytes(a + 24, a + 16, 24)
copy_bytes(a + 56, a + 8, 8)
fill_bytes(a + 48, 1, 4)
q = offset(int64_pointer(a), 3)
return load(q, 0) + (address(q) - a)
"""
    assert evaluate(text, words.ctypes.data) == 2 + 24
    assert words[1:6].tolist() == [30, 2, 2, 3, 4]
    assert words[6:].tolist() == [0x01010101, 30]
    assert words[:1].view(np.float32).tolist() == [0, 1]


def test_bool_memory_is_one_byte():
    data = np.array([0, 1, 0, 7], np.uint8)
    text = "p = bool_pointer(a)\nstore(p, 0, load(p, 1) & load(p, 3))\nreturn int64(load(p, 2))"
    assert evaluate(text, data.ctypes.data) == 0
    assert data.tolist() == [1, 1, 0, 7]


def test_stack_arrays_live_through_the_kernel():
    text = """\
squares = int32_stack(10)
for i in independent(10):
    store(squares, i, int32(i * i))
total = int32(0)
for i in reducing(start, 10):
    total += load(squares, i)
return int64(total)
"""
    assert evaluate(text, 0, 2) == sum(i * i for i in range(2, 10))


def test_long_loops_keep_their_note():
    """Jumps over more than 255 code units start one unit before their target."""
    lines = "\n".join(f"    store(p, i, load(p, i) + {k})" for k in range(60))
    body = f"p = int64_pointer(a)\nfor i in independent(stop):\n{lines}\nreturn 0"
    text = "def kernel(a, start, stop):\n" + body.replace("\n", "\n    ").replace(
        "p =", "    p =", 1
    )
    assert "!llvm.loop !" in lowered(text, "kernel", Tuning())[0]
    data = np.zeros(5, np.int64)
    evaluate(text, data.ctypes.data, 0, 4)
    assert data.tolist() == [1770] * 4 + [0]


def test_variable_of_the_first_block_is_seen_in_later_ones():
    text = "x = 5\nif start > 0:\n    x = 6\nelse:\n    y = 1\nreturn x"
    assert evaluate(text, 0, 1) == 6
    assert evaluate(text, 0, 0) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("return start + 1.0", r"add does not take \(int64, float64\)"),
        ("return float32(1) + 1", "line 2"),
        ("if start > 0:\n    x = 1\nelse:\n    x = 2.0\nreturn 0", "x"),
        ("return 1.0", "int64 status"),
        ("return nonesuch(1)", "line 2.*nonesuch"),
        ("return len('abc')", "line 2.*len"),
        ("if start:\n    return 1\nreturn 0", "must be bool"),
        ("for i in range(0, 9, stop):\n    pass\nreturn 0", "literal"),
        ("for i in range(1.0):\n    pass\nreturn 0", "int64"),
        ("store(float32_pointer(block), 0, 1.0)\nreturn 0", "store"),
        ("x = float32_stack(stop)\nreturn 0", "literal"),
        ("return maximum(start, y=1)", "keyword|know|maximum"),
        ("return [1, 2][0]", "cannot do"),
        ("return '", "no kernel"),
    ],
)
def test_wrong_text_is_explained(text, message):
    text = "def kernel(block, start, stop):\n" + "\n".join("    " + x for x in text.splitlines())
    with pytest.raises(KernelTextError, match=message):
        lowered(text, "k", Tuning())


def test_text_without_kernel():
    with pytest.raises(KernelTextError, match="no kernel"):
        lowered("x = 1\n", "k", Tuning())


def test_the_names_of_kernel_text_are_documented():
    from flowgraph.codegen import intrinsics

    for name in PRIMITIVES:
        family = name.partition("_")[2] in ("pointer", "stack") or name.startswith(("int", "uint"))
        assert family or name in intrinsics.__doc__, name
