"""tf.cond as TensorFlow 1 writes it, Switch and Merge, is imported as plain operations."""

from __future__ import annotations

import pytest

import flowgraph as tf
from flowgraph.protos.text_format import Parse


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def node(name, op, *inputs, **attrs) -> str:
    lines = [f'name: "{name}" op: "{op}"', *(f'input: "{text}"' for text in inputs)]
    lines += [f'attr {{ key: "{key}" value {{ {value} }} }}' for key, value in attrs.items()]
    return f"node {{ {' '.join(lines)} }}\n"


FLOAT, BOOL = "type: DT_FLOAT", "type: DT_BOOL"


def constant(name, value, *controls) -> str:
    tensor = f"tensor {{ dtype: DT_FLOAT tensor_shape {{ }} float_val: {value} }}"
    return node(name, "Const", *controls, dtype=FLOAT, value=tensor)


def imported(text) -> tf.Session:
    tf.import_graph_def(Parse(text, tf.GraphDef()), name="")
    return tf.Session()


#: y = 10 x if p else x + 1
SIMPLE = (
    node("x", "Placeholder", dtype=FLOAT, shape="shape { unknown_rank: true }")
    + node("p", "Placeholder", dtype=BOOL, shape="shape { }")
    + node("c/pred_id", "Identity", "p", T=BOOL)
    + node("c/Switch", "Switch", "p", "p", T=BOOL)
    + node("c/switch_t", "Identity", "c/Switch:1", T=BOOL)
    + node("c/switch_f", "Identity", "c/Switch", T=BOOL)
    + node("c/mul/Switch", "Switch", "x", "c/pred_id", T=FLOAT)
    + constant("c/ten", 10, "^c/switch_t")
    + node("c/mul", "Mul", "c/mul/Switch:1", "c/ten", T=FLOAT)
    + node("c/add/Switch", "Switch", "x", "c/pred_id", T=FLOAT)
    + constant("c/one", 1, "^c/switch_f")
    + node("c/add", "AddV2", "c/add/Switch", "c/one", T=FLOAT)
)
MERGE = node("c/Merge", "Merge", "c/add", "c/mul", T=FLOAT, N="i: 2")


def test_a_branch() -> None:
    session = imported(SIMPLE + MERGE)
    for p, value, index in ((True, 20.0, 1), (False, 3.0, 0)):
        found = session.run(["c/Merge:0", "c/Merge:1"], {"x:0": 2.0, "p:0": p})
        assert found == [value, index]
    assert session.graph.get_operation_by_name("c/mul/Switch").type == "IdentityN"
    x, y = (session.graph.get_tensor_by_name(name) for name in ("x:0", "c/Merge:0"))
    (slope,) = tf.gradients(y, x)
    assert session.run(slope, {x: 2.0, "p:0": True}) == 10.0


def test_branches_inside_and_behind_one_another() -> None:
    text = SIMPLE + MERGE + (
        node("q", "Placeholder", dtype=BOOL, shape="shape { }")
        + node("d/x", "Switch", "c/Merge", "q", T=FLOAT)
        + node("d/p", "Switch", "p", "q", T=BOOL)
        + node("e/x", "Switch", "d/x:1", "d/p:1", T=FLOAT)
        + node("e/neg", "Neg", "e/x:1", T=FLOAT)
        + node("e/id", "Identity", "e/x", T=FLOAT)
        + node("e/Merge", "Merge", "e/id", "e/neg", T=FLOAT, N="i: 2")
        + node("d/square", "Square", "d/x", T=FLOAT)
        + node("d/Merge", "Merge", "d/square", "e/Merge", T=FLOAT, N="i: 2")
    )
    session = imported(text)
    for p, q, value in (
        (True, True, -20.0), (True, False, 400.0), (False, True, 3.0), (False, False, 9.0)
    ):  # fmt: skip
        assert session.run("d/Merge:0", {"x:0": 2.0, "p:0": p, "q:0": q}) == value


def test_writes_in_branches() -> None:
    text = (
        node("p", "Placeholder", dtype=BOOL, shape="shape { }")
        + node("v", "VariableV2", dtype=FLOAT, shape="shape { }")
        + constant("two", 2) + constant("nine", 9)
        + node("v/Assign", "Assign", "v", "two", T=FLOAT)
        + node("r/t", "RefSwitch", "v", "p", T=FLOAT)
        + node("n/t", "Switch", "two", "p", T=FLOAT)
        + node("add", "AssignAdd", "r/t:1", "n/t:1", T=FLOAT)
        + node("n/f", "Switch", "nine", "p", T=FLOAT)
        + node("set", "Assign", "r/t", "n/f", T=FLOAT)
        + node("done", "Merge", "set", "add", T=FLOAT, N="i: 2")
    )  # fmt: skip
    session = imported(text)
    session.run("v/Assign")
    session.run("done", {"p:0": True})
    assert session.run("v:0") == 4.0
    session.run("done", {"p:0": False})
    assert session.run("v:0") == 9.0


def test_effects_in_branches_are_refused() -> None:
    text = SIMPLE + MERGE + (
        node("v", "VariableV2", dtype=FLOAT, shape="shape { }")
        + node("step", "ApplyGradientDescent", "v", "c/ten", "c/mul", T=FLOAT)
    )
    with pytest.raises(NotImplementedError, match=r"effects .*'step' \(ApplyGradientDescent\)"):
        imported(text)
    with pytest.raises(NotImplementedError, match="'m' .*joins no two branches"):
        imported(SIMPLE + node("m", "Merge", "c/mul", "c/mul", T=FLOAT, N="i: 2"))
    assert not tf.get_default_graph().get_operations()
    loop = node("e", "Enter", "x", T=FLOAT, frame_name='s: "f"')
    with pytest.raises(tf.errors.NotFoundError, match=r"(?s)Enter \(1\): e.*Switch \(3\)"):
        imported(SIMPLE + loop)
