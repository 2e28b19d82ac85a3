"""The memory planner: live slots never share bytes, dead ones are used again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from flowgraph.dtypes import float32
from flowgraph.optimize.frozen import Node, Value
from flowgraph.optimize.strides import contiguous_strides
from flowgraph.plan.memory import ALIGNMENT, assign_offsets, last_uses, mark_fetch_slots, verify
from flowgraph.plan.plan import ARENA, FETCH, Instr, Operand, Plan, Slot


def make_plan(sizes, reads, fetched, reuse=()):
    """Instruction i writes slot i of ``sizes[i]`` floats and reads slots ``reads[i]``."""
    slots = [Slot(i, ARENA, 4 * size) for i, size in enumerate(sizes)]
    node = Node("Test", None, {}, (), "test")

    def operand(number):
        shape = (sizes[number],)
        return Operand(slots[number], float32, shape, contiguous_strides(shape))

    def key(number):
        return Value(node, number, float32, (sizes[number],))

    instrs = [
        Instr(
            None,
            (),
            0,
            (node,),
            {key(r): operand(r) for r in reads[i]},
            {key(i): operand(i)},
            reuse=tuple((slots[o], slots[s]) for o, s in reuse if o == i),
        )
        for i in range(len(sizes))
    ]
    return Plan(slots, instrs, [], [operand(f) for f in fetched], (), ())


@st.composite
def plans(draw):
    count = draw(st.integers(1, 14))
    sizes = draw(st.lists(st.integers(0, 60), min_size=count, max_size=count))
    reads = [
        draw(st.lists(st.integers(0, i - 1), max_size=3, unique=True)) if i else []
        for i in range(count)
    ]
    fetched = draw(st.lists(st.integers(0, count - 1), max_size=3, unique=True))
    pairs = [(i, r) for i in range(count) for r in reads[i]]
    reuse = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return make_plan(sizes, reads, fetched, reuse)


@settings(max_examples=200, deadline=None)
@given(plans())
def test_live_slots_never_overlap(plan):
    """Checked by brute force over every pair of rows, not by the planner's own verifier."""
    assign_offsets(plan)
    verify(plan)
    last = last_uses(plan)
    born = {slot: row for row, i in enumerate(plan.instrs) for slot in i.writes()}
    reuse = {pair for i in plan.instrs for pair in i.reuse}
    for a in born:
        assert a.offset % ALIGNMENT == 0
        assert a.offset + a.nbytes <= plan.arena_nbytes
        for b in born:
            if born[a] >= born[b] or last[a] < born[b]:
                continue
            if (b, a) in reuse and last[a] == born[b]:
                continue
            overlap = a.offset < b.offset + b.nbytes and b.offset < a.offset + a.nbytes
            assert not overlap or not a.nbytes or not b.nbytes


def test_a_chain_needs_two_buffers():
    plan = make_plan([16] * 10, [[i - 1] if i else [] for i in range(10)], [9])
    assign_offsets(plan)
    assert plan.arena_nbytes == 2 * 64


def test_a_chain_that_may_work_in_place_needs_one_buffer():
    reads = [[i - 1] if i else [] for i in range(10)]
    plan = make_plan([16] * 10, reads, [9], [(i, i - 1) for i in range(1, 10)])
    assign_offsets(plan)
    assert plan.arena_nbytes == 64


def test_a_fetched_slot_is_not_overwritten_in_place():
    plan = make_plan([16, 16], [[], [0]], [0, 1], [(1, 0)])
    assign_offsets(plan)
    assert plan.slots[0].offset != plan.slots[1].offset


def test_large_fetched_results_leave_the_arena():
    plan = make_plan([100_000, 4], [[], [0]], [0, 1])
    mark_fetch_slots(plan)
    assign_offsets(plan)
    assert [s.kind for s in plan.slots] == [FETCH, ARENA]
    assert plan.arena_nbytes == 64
