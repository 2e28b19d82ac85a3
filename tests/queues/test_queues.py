"""Queues: order, batches, closing, errors, and many threads at both ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture
def sess():
    with tf.Session() as session:
        yield session


class Thread(threading.Thread):
    """A thread that keeps what its function returned or raised."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.function, self.result, self.error = function, None, None
        self.start()

    def run(self) -> None:
        try:
            self.result = self.function()
        except Exception as error:  # noqa: BLE001
            self.error = error

    def outcome(self, seconds: float = 20.0) -> Any:
        self.join(seconds)
        assert not self.is_alive(), "the thread still waits"
        return self.result if self.error is None else self.error


def until_waiting(session: tf.Session, count: int = 1) -> None:
    """Return when so many runs of the session wait."""
    for _ in range(2000):
        if len(session._state.waiters) >= count:
            return
        time.sleep(0.005)
    raise AssertionError("nobody waits")


# ------------------------------------------------------------------------------- names and shapes


def test_names_types_and_shapes_of_the_operations():
    q = tf.FIFOQueue(10, [tf.int32, tf.float32], shapes=[[], [2]])
    q.enqueue([1, [1.0, 2.0]])
    q.enqueue_many([[1, 2], [[1.0, 2.0], [3, 4]]])
    one, many, some = q.dequeue(), q.dequeue_many(3), q.dequeue_up_to(4)
    q.size(), q.close(), q.close(True), q.is_closed()
    found = [
        (op.name, op.type)
        for op in tf.get_default_graph().get_operations()
        if op.type.startswith(("Queue", "FIFO"))
    ]
    assert found == [
        ("fifo_queue", "FIFOQueueV2"),
        ("fifo_queue_enqueue", "QueueEnqueueV2"),
        ("fifo_queue_EnqueueMany", "QueueEnqueueManyV2"),
        ("fifo_queue_Dequeue", "QueueDequeueV2"),
        ("fifo_queue_DequeueMany", "QueueDequeueManyV2"),
        ("fifo_queue_DequeueUpTo", "QueueDequeueUpToV2"),
        ("fifo_queue_Size", "QueueSizeV2"),
        ("fifo_queue_Close", "QueueCloseV2"),
        ("fifo_queue_Close_1", "QueueCloseV2"),
        ("fifo_queue_Is_Closed", "QueueIsClosedV2"),
    ]
    assert [t.shape.as_list() for t in one] == [[], [2]]
    assert [t.shape.as_list() for t in many] == [[3], [3, 2]]
    assert [t.shape.as_list() for t in some] == [[None], [None, 2]]
    assert q.name == "fifo_queue" and q.dtypes == [tf.int32, tf.float32] and q.names is None
    assert q.queue_ref.op.get_attr("shared_name") in ("", b"")


def test_shapes_of_padding_and_priority_queues():
    q = tf.PaddingFIFOQueue(5, [tf.int32, tf.string], [[None], [None, 2]])
    assert [t.shape.as_list() for t in q.dequeue()] == [[None], [None, 2]]
    assert [t.shape.as_list() for t in q.dequeue_many(2)] == [[2, None], [2, None, 2]]
    p = tf.PriorityQueue(3, [tf.int32], [[]])
    assert p.dtypes == [tf.int64, tf.int32]
    assert [s.as_list() for s in p.shapes] == [[], []]
    n = tf.placeholder(tf.int32, [])
    assert [t.shape.as_list() for t in p.dequeue_many(n)] == [[None], [None]]


@pytest.mark.parametrize(
    ("error", "match", "make"),
    [
        (ValueError, "same length as dtypes", lambda: tf.FIFOQueue(3, [tf.int32], [[], [1]])),
        (ValueError, "fully defined", lambda: tf.FIFOQueue(3, [tf.int32], [[None]])),
        (
            ValueError,
            "list of shapes must be provided",
            lambda: tf.PaddingFIFOQueue(3, [tf.int32], None),
        ),
        (
            ValueError,
            "received 1 dtypes and 2 shapes",
            lambda: tf.PaddingFIFOQueue(3, [tf.int32], [[], [1]]),
        ),
        (ValueError, "List of names", lambda: tf.FIFOQueue(3, tf.int32, [[]], names=["a", "b"])),
        (TypeError, "xpected int32", lambda: tf.FIFOQueue(3, tf.int32).enqueue(1.5)),
        (ValueError, "2 components, got 1", lambda: tf.FIFOQueue(3, [tf.int32] * 2).enqueue(1)),
        (ValueError, "incompatible", lambda: tf.FIFOQueue(3, tf.int32, [2]).enqueue([[1, 2, 3]])),
        (ValueError, "must have names", lambda: tf.FIFOQueue(3, tf.int32).enqueue({"a": 1})),
        (
            ValueError,
            "must enqueue a dictionary",
            lambda: tf.FIFOQueue(3, tf.int32, names=["a"]).enqueue(1),
        ),
        (
            ValueError,
            r"Dictionary: \['b'\],Queue: \['a'\]",
            lambda: tf.FIFOQueue(3, tf.int32, names=["a"]).enqueue({"b": 1}),
        ),
        (ValueError, "must be >= 0", lambda: tf.FIFOQueue(3, tf.int32, [[]]).dequeue_many(-1)),
        (TypeError, "list of queues", lambda: tf.QueueBase.from_list(0, [])),
        (
            TypeError,
            "matching component dtypes",
            lambda: tf.QueueBase.from_list(0, [tf.FIFOQueue(1, t) for t in (tf.int32, tf.int64)]),
        ),
        (ValueError, "rank", lambda: tf.FIFOQueue(3, tf.int32, [[]]).enqueue_many([1])),
    ],
)
def test_wrong_calls(error, match, make):
    with pytest.raises(error, match=match):
        make()


def test_eager_execution_is_refused():
    with tf.eager_mode(), pytest.raises(RuntimeError, match="tf.data"):
        tf.FIFOQueue(3, tf.int32)


# ---------------------------------------------------------------------------------- one at a time


def test_first_in_first_out(sess):
    q = tf.FIFOQueue(10, tf.int32, [[]])
    sess.run(q.enqueue(1))
    sess.run(q.enqueue_many([[2, 3, 4, 5, 6]]))
    one, size = q.dequeue(), q.size()
    assert [sess.run(one) for _ in range(2)] == [1, 2]
    np.testing.assert_array_equal(sess.run(q.dequeue_many(3)), [3, 4, 5])
    assert sess.run(size) == 1
    assert sess.run(q.dequeue_many(0)).shape == (0,)
    sess.run(q.enqueue_many([np.zeros([0], np.int32)]))
    assert sess.run(size) == 1


def test_elements_are_copies(sess):
    v = tf.Variable([1.0, 2.0])
    q = tf.FIFOQueue(10, tf.float32, [[2]])
    put, add, take = q.enqueue([v]), v.assign_add([1.0, 1.0]), q.dequeue()
    sess.run(v.initializer)
    sess.run(put)
    sess.run(add)
    first = sess.run(take)
    sess.run(put)
    np.testing.assert_array_equal(first, [1, 2])
    np.testing.assert_array_equal(sess.run(take), [2, 3])


def test_without_shapes_elements_differ(sess):
    q = tf.FIFOQueue(10, tf.float32)
    x = tf.placeholder(tf.float32)
    put, total = q.enqueue([x]), tf.reduce_sum(q.dequeue() * 2.0)
    for value in ([1.0], [[1.0, 2.0], [3.0, 4.0]], 5.0):
        sess.run(put, {x: value})
    assert [sess.run(total) for _ in range(3)] == [2.0, 20.0, 10.0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="specified shapes"):
        sess.run(q.dequeue_many(2))
    promised = q.dequeue()
    promised.set_shape([2])
    sess.run(put, {x: [1.0]})
    with pytest.raises(tf.errors.FailedPreconditionError, match=r"\[1\].*promises \[2\]"):
        sess.run(promised)


def test_dicts(sess):
    q = tf.FIFOQueue(10, [tf.int32, tf.float32], [[], []], names=["a", "b"])
    sess.run(q.enqueue({"b": 2.5, "a": 1}))
    sess.run(q.enqueue_many({"b": [1.0, 2.0], "a": [3, 4]}))
    assert sess.run(q.dequeue()) == {"a": 1, "b": 2.5}
    np.testing.assert_array_equal(sess.run(q.dequeue_many(2))["b"], [1, 2])


def test_padding(sess):
    q = tf.PaddingFIFOQueue(5, [tf.int32, tf.string, tf.bool], [[None], [None, 2], []])
    sess.run(q.enqueue([[1], [["a", "b"]], True]))
    sess.run(q.enqueue([[1, 2, 3], tf.zeros([0, 2], tf.string), False]))
    numbers, words, flags = sess.run(q.dequeue_many(2))
    np.testing.assert_array_equal(numbers, [[1, 0, 0], [1, 2, 3]])
    assert words.tolist() == [[[b"a", b"b"]], [[b"", b""]]]
    assert flags.tolist() == [True, False]
    x = tf.placeholder(tf.int32)
    bad = q.enqueue([x, [["a", "b"]], True])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected \[\?\], got \[1,1\]"):
        sess.run(bad, {x: [[1]]})


def test_priorities(sess):
    q = tf.PriorityQueue(10, tf.int32, [[]])
    sess.run(q.enqueue_many([[3, 1, -2, 1], [30, 10, 20, 11]]))
    assert sess.run(q.dequeue()) == [-2, 20]
    priorities, values = sess.run(q.dequeue_many(3))
    assert priorities.tolist() == [1, 1, 3] and priorities.dtype == np.int64
    assert values.tolist() == [10, 11, 30]  # of equal ones the older first


def test_random_order_is_tensorflows(sess):
    # what TensorFlow 2.21 gives for these seeds
    q = tf.RandomShuffleQueue(100, 0, tf.int32, [[]], seed=5)
    sess.run(q.enqueue_many([list(range(20))]))
    assert sess.run(q.dequeue_many(10)).tolist() == [11, 19, 6, 5, 8, 4, 1, 9, 15, 13]
    one = q.dequeue()
    rest = [int(sess.run(one)) for _ in range(10)]
    assert rest == [12, 17, 14, 18, 10, 2, 16, 3, 0, 7]
    tf.set_random_seed(7)
    q = tf.RandomShuffleQueue(100, 0, tf.int32, [[]], seed=5)
    sess.run(q.enqueue_many([list(range(20))]))
    assert sess.run(q.dequeue_many(10)).tolist() == [13, 0, 10, 14, 6, 8, 4, 7, 15, 16]


def test_min_after_dequeue_holds_until_closed(sess):
    q = tf.RandomShuffleQueue(100, 3, tf.int32, [[]])
    sess.run(q.enqueue_many([list(range(5))]))
    some = sess.run(q.dequeue_many(2))
    three = q.dequeue_many(3)
    close = q.close()
    waiting = Thread(lambda: sess.run(three))
    until_waiting(sess)
    sess.run(close)
    assert sorted([*some, *waiting.outcome()]) == [0, 1, 2, 3, 4]


def test_closed_queues(sess):
    for make in (
        lambda: tf.FIFOQueue(5, tf.int32, [[]]),
        lambda: tf.RandomShuffleQueue(5, 1, tf.int32, [[]]),
        lambda: tf.PaddingFIFOQueue(5, tf.int32, [[]]),
    ):
        q = make()
        put, many, some = q.enqueue(7), q.dequeue_many(2), q.dequeue_up_to(2)
        sess.run(put)
        assert not sess.run(q.is_closed())
        sess.run(q.close())
        assert sess.run(q.is_closed())
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            sess.run(put)
        with pytest.raises(tf.errors.CancelledError, match="already closed"):
            sess.run(q.close())
        with pytest.raises(
            tf.errors.OutOfRangeError,
            match=r"is closed and has insufficient elements \(requested 2, current size 1\)",
        ):
            sess.run(many)
        assert sess.run(q.size()) == 1
        assert sess.run(some).tolist() == [7]
        for empty in (some, many, q.dequeue()):
            with pytest.raises(tf.errors.OutOfRangeError, match="current size 0"):
                sess.run(empty)


def test_wrong_shapes_at_run(sess):
    q = tf.FIFOQueue(3, [tf.float32, tf.float32], [[2], []])
    x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"component 0. Expected \[2\]"):
        sess.run(q.enqueue([x, y]), {x: [1, 2, 3], y: 1})
    many = q.enqueue_many([x, y])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected \[1,2\], got \[1,3\]"):
        sess.run(many, {x: [[1, 2, 3]], y: [1]})
    with pytest.raises(tf.errors.InvalidArgumentError, match="Component 1 has 1, and should have"):
        sess.run(many, {x: [[1, 2]] * 3, y: [1]})
    n = tf.placeholder(tf.int32, [])
    with pytest.raises(tf.errors.InvalidArgumentError, match="requested -1 < 0"):
        sess.run(q.dequeue_many(n), {n: -1})
    assert sess.run(q.size()) == 0


def test_shared_names(sess):
    q = tf.FIFOQueue(3, tf.int32, [[]], shared_name="a")
    same = tf.FIFOQueue(3, tf.int32, [[]], shared_name="a")
    sess.run(q.enqueue(7))
    assert sess.run(same.dequeue()) == 7
    larger = tf.FIFOQueue(4, tf.int32, [[]], shared_name="a")
    with pytest.raises(tf.errors.InvalidArgumentError, match="capacity 3 but requested capacity"):
        sess.run(larger.size())
    other = tf.FIFOQueue(3, tf.float32, [[]], shared_name="a")
    with pytest.raises(tf.errors.InvalidArgumentError, match="component types"):
        sess.run(other.size())
    shapeless = tf.FIFOQueue(3, tf.int32, shared_name="a")
    with pytest.raises(tf.errors.InvalidArgumentError, match="component shapes"):
        sess.run(shapeless.size())
    random = tf.RandomShuffleQueue(3, 1, tf.int32, [[]], shared_name="a")
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected RandomShuffleQueue, found"):
        sess.run(random.size())


def test_sessions_have_queues_of_their_own(sess):
    q = tf.FIFOQueue(3, tf.int32, [[]])
    put, size = q.enqueue(1), q.size()
    sess.run(put)
    with tf.Session() as other:
        assert other.run(size) == 0
    assert sess.run(size) == 1


def test_one_of_a_list(sess):
    queues = [tf.FIFOQueue(3, tf.int32, [[2]]), tf.FIFOQueue(3, tf.int32, [[3]])]
    which = tf.placeholder(tf.int32, [])
    chosen = tf.QueueBase.from_list(which, queues)
    assert chosen.shapes[0].as_list() == [None]
    for k, q in enumerate(queues):
        sess.run(q.enqueue([[k] * (2 + k)]))
    got = chosen.dequeue()
    assert sess.run(got, {which: 1}).tolist() == [1, 1, 1]
    assert sess.run(got, {which: 0}).tolist() == [0, 0]


def test_in_a_branch_and_a_loop(sess):
    q = tf.FIFOQueue(20, tf.int32, [[]])
    sess.run(q.enqueue_many([list(range(10))]))
    which = tf.placeholder(tf.bool, [])
    chosen = tf.cond(which, lambda: q.dequeue(), lambda: tf.constant(-1))
    assert [int(sess.run(chosen, {which: w})) for w in (True, False, True)] == [0, -1, 1]
    total = tf.while_loop(
        lambda i, s: i < 3, lambda i, s: (i + 1, s + q.dequeue()), [tf.constant(0), tf.constant(0)]
    )
    assert sess.run(total)[1] == 2 + 3 + 4


# ------------------------------------------------------------------------------------- who waits


def test_waiting_for_elements_and_for_room(sess):
    q = tf.FIFOQueue(2, tf.int32, [[]])
    x = tf.placeholder(tf.int32, [])
    put, one, many = q.enqueue(x), q.dequeue(), q.dequeue_many(5)
    lots = q.enqueue_many([[10, 11, 12, 13]])
    taker = Thread(lambda: sess.run(one))
    until_waiting(sess)
    sess.run(put, {x: 1})
    assert taker.outcome() == 1
    # more than the capacity at both ends
    filler = Thread(lambda: sess.run(lots))
    until_waiting(sess)
    taker = Thread(lambda: sess.run(many))
    assert filler.outcome() is None
    sess.run(put, {x: 14})
    assert taker.outcome().tolist() == [10, 11, 12, 13, 14]


def test_waiters_are_served_in_order(sess):
    q = tf.FIFOQueue(5, tf.int32, [[]])
    one, three, many = q.dequeue(), q.dequeue_many(3), q.enqueue_many([[1, 2, 3]])
    first = Thread(lambda: sess.run(three))
    until_waiting(sess, 1)
    second = Thread(lambda: sess.run(one))
    until_waiting(sess, 2)
    sess.run(q.enqueue(0))
    assert second.is_alive() and first.is_alive()
    sess.run(many)
    assert first.outcome().tolist() == [0, 1, 2]
    assert second.outcome() == 3


def test_what_was_taken_comes_back_when_the_queue_is_closed(sess):
    q = tf.FIFOQueue(5, tf.int32, [[]])
    four, size, some = q.dequeue_many(4), q.size(), q.dequeue_up_to(3)
    taker = Thread(lambda: sess.run(four))
    until_waiting(sess)
    sess.run(q.enqueue_many([[1, 2]]))
    assert sess.run(size) == 0
    sess.run(q.close())
    assert isinstance(taker.outcome(), tf.errors.OutOfRangeError)
    assert "requested 4, current size 2" in str(taker.error)
    assert sess.run(some).tolist() == [1, 2]


def test_closing_waits_for_pending_enqueues_or_cancels_them(sess):
    for cancel in (False, True):
        q = tf.FIFOQueue(1, tf.int32, [[]])
        sess.run(q.enqueue(1))
        lots, close, closed = q.enqueue_many([[5, 6, 7]]), q.close(cancel), q.is_closed()
        one, size, take = q.dequeue(), q.size(), q.dequeue_many(4)
        filler = Thread(lambda op=lots: sess.run(op))
        until_waiting(sess)
        if cancel:
            sess.run(close)
            assert isinstance(filler.outcome(), tf.errors.CancelledError)
            assert "Enqueue operation was cancelled" in str(filler.error)
            assert sess.run(size) == 1 and sess.run(one) == 1
        else:
            closer = Thread(lambda op=close: sess.run(op))
            until_waiting(sess, 2)
            assert not sess.run(closed)
            assert sess.run(take).tolist() == [1, 5, 6, 7]
            assert filler.outcome() is None and closer.outcome() is None
        assert sess.run(closed)


def test_closing_the_session_wakes_everybody():
    session = tf.Session()
    empty, full = tf.FIFOQueue(5, tf.int32, [[]]), tf.FIFOQueue(1, tf.int32, [[]])
    session.run(full.enqueue(1))
    ops = [empty.dequeue(), empty.dequeue_many(2), full.enqueue(2), full.close()]
    threads = []
    for op in ops:  # closing comes after the enqueue that it waits for
        threads.append(Thread(lambda op=op: session.run(op)))
        until_waiting(session, len(threads))
    session.close()
    for thread in threads:
        assert isinstance(thread.outcome(), tf.errors.CancelledError), thread.error


def test_time_limits():
    q = tf.FIFOQueue(5, tf.int32, [[]])
    one, put = q.dequeue(), q.enqueue(3)
    with tf.Session() as session:
        before = time.monotonic()
        with pytest.raises(tf.errors.DeadlineExceededError, match="Timed out"):
            session.run(one, options=tf.RunOptions(timeout_in_ms=50))
        assert 0.04 < time.monotonic() - before < 5
        session.run(put)
        assert session.run(one, options=tf.RunOptions(timeout_in_ms=50)) == 3
        taker = session.make_callable(one, accept_options=True)
        with pytest.raises(tf.errors.DeadlineExceededError):
            taker(options=tf.RunOptions(timeout_in_ms=20))
    with tf.Session(config=tf.ConfigProto(operation_timeout_in_ms=50)) as session:
        with pytest.raises(tf.errors.DeadlineExceededError):
            session.run(one)
        session.run(put)
        assert session.run(one) == 3


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_interrupts_a_run_that_waits():
    program = """
import signal, sys, flowgraph as tf
signal.signal(signal.SIGINT, signal.default_int_handler)
q = tf.FIFOQueue(5, tf.int32, [[]])
one, put = q.dequeue(), q.enqueue(4)
sess = tf.Session()
sess.run(q.size())
print("waiting", flush=True)
try:
    sess.run(one)
except KeyboardInterrupt:
    sess.run(put)
    print("interrupted", sess.run(one), flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=os.getcwd()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.3)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted 4\n"
    assert time.monotonic() - before < 2
    assert process.wait(20) == 0


# ---------------------------------------------------------------------------------- many threads


@pytest.mark.parametrize("kind", ["fifo", "shuffle", "padding", "priority"])
def test_nothing_is_lost_or_doubled(sess, kind):
    makers, takers, each = 4, 3, 60
    make = {
        "fifo": lambda: tf.FIFOQueue(5, tf.int32, [[]]),
        "shuffle": lambda: tf.RandomShuffleQueue(7, 2, tf.int32, [[]]),
        "padding": lambda: tf.PaddingFIFOQueue(3, tf.int32, [[]]),
        "priority": lambda: tf.PriorityQueue(5, tf.int32, [[]]),
    }[kind]
    q = make()
    x = tf.placeholder(tf.int32, [None])
    rows = [tf.cast(x, tf.int64), x] if kind == "priority" else [x]
    put, close, taken = q.enqueue_many(rows), q.close(), q.dequeue_up_to(4)
    taken = taken[1] if kind == "priority" else taken
    doubled = taken * 2  # compiled code behind the wait, in a plan that several threads share

    def make_some(start: int) -> None:
        for k in range(0, each, 3):
            sess.run(put, {x: range(start + k, start + k + 3)})

    def take_all() -> list[int]:
        found: list[int] = []
        while True:
            try:
                found += (sess.run(doubled) // 2).tolist()
            except tf.errors.OutOfRangeError:
                return found

    consumers = [Thread(take_all) for _ in range(takers)]
    producers = [Thread(lambda k=k: make_some(k * each)) for k in range(makers)]
    for thread in producers:
        assert thread.outcome(60) is None
    sess.run(close)
    found = Counter(number for thread in consumers for number in thread.outcome(60))
    assert found == Counter(range(makers * each))


def test_order_of_each_producer_is_kept(sess):
    q = tf.FIFOQueue(4, [tf.int32, tf.int32], [[], []])
    who, what = tf.placeholder(tf.int32, []), tf.placeholder(tf.int32, [])
    put, close, taken = q.enqueue([who, what]), q.close(), q.dequeue()

    def make(name: int) -> None:
        for k in range(50):
            sess.run(put, {who: name, what: k})

    producers = [Thread(lambda k=k: make(k)) for k in range(3)]
    closer = Thread(lambda: [t.join() for t in producers] and sess.run(close))
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    with pytest.raises(tf.errors.OutOfRangeError):
        while True:
            name, number = sess.run(taken)
            seen[int(name)].append(int(number))
    assert closer.outcome() is None
    assert all(numbers == list(range(50)) for numbers in seen.values())


def test_plans_are_kept_for_the_next_wait(sess):
    """Threads that wait in one plan at one time each have memory of their own, made once."""
    q = tf.FIFOQueue(5, tf.float32, [[3]])
    x = tf.placeholder(tf.float32, [])
    put, total = q.enqueue([[x, x, x]]), tf.reduce_sum(q.dequeue() * x)
    for _ in range(3):
        threads = [Thread(lambda k=k: sess.run(total, {x: float(k)})) for k in range(4)]
        until_waiting(sess, 4)
        for _ in range(4):
            sess.run(put, {x: 2.0})
        assert [t.outcome() for t in threads] == [0.0, 6.0, 12.0, 18.0]
    (entry,) = [e for e in sess._entries if e.plan.feeds == [x] and e.plan.places == [0]]
    assert [len(stages) for stages in entry.plan.stages.values()] == [4]


def test_a_variable_resized_while_a_run_waits(sess):
    q = tf.FIFOQueue(5, tf.float32, [[]])
    v = tf.Variable([1.0, 2.0], validate_shape=False, expected_shape=None)
    longer = tf.assign(v, [1.0, 2.0, 3.0], validate_shape=False)
    w = tf.Variable(10.0)
    with tf.control_dependencies([q.dequeue()]):
        uses, other = v.read_value(), w.read_value()
    sess.run(tf.global_variables_initializer())
    threads = [Thread(lambda t=t: sess.run(t)) for t in (uses, other)]
    until_waiting(sess, 2)
    sess.run(longer)
    sess.run(q.enqueue_many([[1.0, 1.0]]))
    assert threads[1].outcome() == 10.0
    assert isinstance(threads[0].outcome(), (tf.errors.AbortedError, np.ndarray))


def test_a_run_inside_py_func_may_wait(sess):
    q = tf.FIFOQueue(5, tf.float32, [[]])
    one, put = q.dequeue(), q.enqueue(4.0)
    outer = tf.py_func(lambda: np.float32(sess.run(one) + 1), [], tf.float32)
    thread = Thread(lambda: sess.run(outer))
    until_waiting(sess)
    sess.run(put)
    assert thread.outcome() == 5.0


def test_random_operations_beside_waiting_runs(sess):
    """A wait does not disturb the streams of others."""
    q = tf.FIFOQueue(5, tf.float32, [[]])
    noise = tf.random_uniform([], seed=3)
    one, put = q.dequeue() + noise, q.enqueue(1.0)
    thread = Thread(lambda: sess.run(one))
    until_waiting(sess)
    drawn = [sess.run(noise) for _ in range(3)]
    sess.run(put)
    drawn.append(thread.outcome() - np.float32(1))
    with tf.Session() as other:
        expected = [other.run(noise) for _ in range(4)]
    np.testing.assert_allclose(sorted(drawn), sorted(expected), atol=1e-6)


def test_who_was_woken_comes_first(sess):
    """A thread that only fills does not take the session again before the one it has served."""
    q = tf.FIFOQueue(100_000, tf.int32, [[]])
    put, size = q.enqueue(1), q.size()
    one = q.dequeue()
    with tf.control_dependencies([one]):
        left = q.size()
    for _ in range(20):
        taker = Thread(lambda: sess.run(left))
        until_waiting(sess)
        for _ in range(50):
            sess.run(put)
        assert taker.outcome() == 0
        while sess.run(size):
            sess.run(one)


@pytest.mark.parametrize("end", ["close", "cancel", "session"])
def test_chaos(end):
    """Threads that come, wait, give up and are cancelled leave nothing behind, and nobody hangs."""
    sess = tf.Session()
    kinds = [
        tf.FIFOQueue(3, tf.int32, [[]]),
        tf.RandomShuffleQueue(5, 1, tf.int32, [[]]),
        tf.PaddingFIFOQueue(2, tf.int32, [[]]),
    ]
    x = tf.placeholder(tf.int32, [None])
    section = tf.CriticalSection()
    fetches = []
    for q in kinds:
        fetches += [q.enqueue_many([x]), q.enqueue(7), q.dequeue() * 2, q.dequeue_many(3) + 1]
        fetches += [q.dequeue_up_to(2), q.size(), section.execute(lambda q=q: q.dequeue() + 0)]
    ends = [q.close(end == "cancel") for q in kinds]
    stop = threading.Event()

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            limit = tf.RunOptions(timeout_in_ms=int(rng.choice([1, 5, 20])))
            try:
                fetch = fetches[rng.integers(len(fetches))]
                sess.run(fetch, {x: [1] * int(rng.integers(5))}, options=limit)
            except (
                tf.errors.DeadlineExceededError,
                tf.errors.CancelledError,
                tf.errors.OutOfRangeError,
            ):
                pass
            except RuntimeError as error:
                if "closed Session" not in str(error):
                    raise
                return

    threads = [Thread(lambda k=k: work(k)) for k in range(6)]
    time.sleep(0.3)
    state = sess._state
    if end == "session":
        sess.close()
    else:
        for op in ends:
            try:
                sess.run(op, options=tf.RunOptions(timeout_in_ms=100))
            except tf.errors.DeadlineExceededError:
                assert end == "close"
        time.sleep(0.1)
    stop.set()
    assert [thread.outcome() for thread in threads] == [None] * 6
    assert state.woken == 0 and not state.waiters
    sess.close()
