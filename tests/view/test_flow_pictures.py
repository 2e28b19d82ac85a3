"""Branches and loops in pictures: frames of their own, results that flow into If and While."""

from __future__ import annotations

import flowgraph as tf
from flowgraph.view.picture import make_picture


def test_bodies_are_frames_and_their_results_flow_into_the_loop() -> None:
    x = tf.placeholder(tf.float32, [3], name="x")
    outside = tf.sin(x, name="outside")

    def body(i: tf.Tensor, h: tf.Tensor) -> tuple:
        return i + 1, tf.cond(h[0] > 0, lambda: tf.tanh(h) + outside, lambda: h)

    _, h = tf.while_loop(lambda i, h: i < 5, body, [0, x])
    picture = make_picture(h, depth=9)
    frames = {scope.name for scope in picture.boxes}
    assert {"while/cond", "while/body", "while/body/cond/then"} <= frames
    inside = {
        box.op.name: scope.name for scope, boxes in picture.boxes.items() for box in boxes if box.op
    }
    assert inside["while/cond/Tanh"] == "while/body/cond/then"
    assert inside["while/LoopCond"] == "while/cond"
    into = {
        (edge.tail.op.name, edge.head.op.name)
        for edge in picture.edges
        if edge.tail.op is not None and edge.head.op is not None
    }
    assert ("while/LoopCond", "while/While") in into
    assert ("while/cond/Merge", "while/While") in into
    # what a body uses from outside is drawn there, not at the loop
    assert ("outside", "while/cond/AddV2") in into or ("outside", "while/cond/add") in into
    assert ("outside", "while/While") not in into


def test_closed_frames_show_what_flows_through() -> None:
    x = tf.placeholder(tf.float32, [3], name="x")
    y = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.exp(x), lambda: x)
    picture = make_picture(y, depth=9, closed=["cond/then"])
    boxes = {box.title for box in picture.all_boxes()}
    assert "then" in boxes
    assert any(edge.tail.title == "then" and edge.head.title == "If" for edge in picture.edges)
