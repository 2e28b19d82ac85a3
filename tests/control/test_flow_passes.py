"""What leaves a loop, what moves into a branch, what is not carried: counted in the plan."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

import flowgraph as tf


def plan_of(fetches: Any, feeds: Any = None) -> Any:
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        made = sess.make_callable(fetches, list(feeds or {}))
        made(*(feeds or {}).values())
        (entry,) = [e for e in sess._entries if e.plan.feeds == list(feeds or {}) and e.plan.current
                    and e.plan.current.executable.plan.fetches]  # fmt: skip
        return entry.plan.current.executable.plan


def types_inside(plan: Any) -> Counter[str]:
    """Op types of the instructions that a loop repeats."""
    found: Counter[str] = Counter()
    for row, instr in enumerate(plan.instrs):
        if instr.jump is not None and instr.jump.target <= row:
            for inner in plan.instrs[instr.jump.target : row]:
                found.update(node.type for node in inner.nodes)
    return found


def test_what_does_not_change_is_computed_before_the_loop() -> None:
    x = tf.placeholder(tf.float32, [3, 3])
    y = tf.while_loop(
        lambda i, v: i < 5, lambda i, v: (i + 1, v + tf.matmul(tf.sin(x), x)), [0, tf.zeros([3, 3])]
    )[1]
    plan = plan_of(y, {x: np.eye(3)})
    assert types_inside(plan)["MatMul"] == 0 and types_inside(plan)["Sin"] == 0
    everywhere = Counter(n.type for i in plan.instrs for n in i.nodes)
    assert everywhere["MatMul"] == 1


def test_what_nobody_looks_at_is_not_carried() -> None:
    x = tf.placeholder(tf.float32, [3])
    _, y, z = tf.while_loop(
        lambda i, *_: i < 5, lambda i, v, w: (i + 1, v + x, tf.exp(w)), [0, x, x]
    )
    plan = plan_of(y, {x: np.ones(3)})
    assert types_inside(plan)["Exp"] == 0 and types_inside(plan)["AddV2"] == 2
    assert types_inside(plan_of(z, {x: np.ones(3)}))["Exp"] == 1


def test_the_update_of_a_variable_fuses_with_what_makes_it() -> None:
    x = tf.placeholder(tf.float32, [100])
    y = tf.while_loop(lambda i, v: i < 5, lambda i, v: (i + 1, tf.sin(v) * x + v), [0, x])[1]
    plan = plan_of(y, {x: np.ones(100)})
    (jump,) = [(i.jump.target, k) for k, i in enumerate(plan.instrs)
               if i.jump is not None and i.jump.target <= k]  # fmt: skip
    assert jump[1] - jump[0] == 2  # the counter with the condition; the variable


def test_what_one_branch_uses_moves_into_it() -> None:
    p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [3])
    expensive = tf.exp(tf.sin(x))
    shared = tf.cos(x)
    y = tf.cond(p, lambda: expensive * shared, lambda: shared)
    plan = plan_of(y, {p: False, x: np.ones(3)})
    first = next(k for k, i in enumerate(plan.instrs) if i.jump is not None)
    before = Counter(n.type for i in plan.instrs[:first] for n in i.nodes)
    assert before["Exp"] == before["Sin"] == 0 and before["Cos"] == 1
    # what is fetched as well must be there whatever is taken
    plan = plan_of([y, expensive], {p: False, x: np.ones(3)})
    first = next(k for k, i in enumerate(plan.instrs) if i.jump is not None)
    before = Counter(n.type for i in plan.instrs[:first] for n in i.nodes)
    assert before["Exp"] == 1


def test_a_branch_known_beforehand_is_all_that_is_left() -> None:
    x = tf.placeholder(tf.float32, [None])
    y = tf.cond(tf.shape(x)[0] > 2, lambda: tf.exp(x), lambda: tf.sin(x))
    plan = plan_of(y, {x: np.ones(3)})
    assert all(i.jump is None for i in plan.instrs)
    assert {n.type for i in plan.instrs for n in i.nodes} == {"Exp"}


def test_rows_are_written_straight_into_the_result() -> None:
    """scan: zeros at the start, no copy of the array in the loop or behind it."""
    x = tf.placeholder(tf.float32, [1000, 64])
    plan = plan_of(tf.scan(lambda a, b: a * 0.5 + b, x), {x: np.ones((1000, 64))})
    moved = sum(o.size * 4 for i in plan.instrs for o in i.outputs.values() if i.is_copy)
    assert moved < 1.1 * 1000 * 64 * 4
