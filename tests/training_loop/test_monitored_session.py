"""Monitored sessions: hooks, coordinators, checkpoints, recovery; orders are TensorFlow's."""

from __future__ import annotations

import inspect
import json
import logging
import threading
import time

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def log():
    """The lines logged so far."""
    lines = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    logger, keep = tf.get_logger(), Keep()
    level = logger.level
    logger.addHandler(keep)
    logger.setLevel("INFO")
    yield lines
    logger.removeHandler(keep)
    logger.setLevel(level)


def counter():
    step = tf.train.create_global_step()
    return step, tf.assign_add(step, 1)


# ----------------------------------------------------------------------------------- coordinators


def test_the_first_error_is_raised_by_join():
    coord = tf.train.Coordinator()
    coord.request_stop(ValueError("first"))
    coord.request_stop(KeyError("second"))
    with pytest.raises(ValueError, match="first"):
        coord.join()
    assert coord.joined and coord.should_stop()
    with pytest.raises(KeyError):  # nobody would see it any more
        coord.request_stop(KeyError("late"))
    coord.clear_stop()
    assert not coord.joined and not coord.should_stop()
    coord.raise_requested_exception()


def test_an_error_after_the_stop_does_not_count():
    coord = tf.train.Coordinator()
    coord.request_stop()
    coord.request_stop(ValueError("late"))
    coord.join()


def test_request_stop_takes_exc_info_and_refuses_the_rest():
    coord = tf.train.Coordinator()
    with pytest.raises(TypeError, match="exc_info"):
        coord.request_stop("because")
    assert not coord.should_stop()
    error = KeyError("k")
    coord.request_stop((KeyError, error, None))
    with pytest.raises(KeyError):
        coord.join()


def test_clean_ends():
    coord = tf.train.Coordinator()
    with coord.stop_on_exception():
        raise tf.errors.OutOfRangeError(None, None, "the end")
    coord.join()
    coord = tf.train.Coordinator(clean_stop_exception_types=(KeyError,))
    with coord.stop_on_exception():
        raise KeyError("k")
    coord.join()


def test_threads_that_go_on():
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="lazy", daemon=True)
    thread.start()
    coord = tf.train.Coordinator()
    coord.request_stop()
    with pytest.raises(RuntimeError, match="threads still running: lazy"):
        coord.join([thread], stop_grace_period_secs=0.02)
    assert coord.joined
    coord.join([thread], stop_grace_period_secs=0.02, ignore_live_threads=True)
    release.set()
    coord.register_thread(thread)
    coord.join()
    assert not thread.is_alive()


def test_looper_threads():
    coord, calls = tf.train.Coordinator(), []

    def call(what):
        calls.append(what)
        if len(calls) == 3:
            coord.request_stop()

    tf.train.LooperThread.loop(coord, 0.001, call, args=("a",))
    assert coord.wait_for_stop(10)
    coord.join()
    assert calls == ["a"] * 3

    class Steps(tf.train.LooperThread):
        def start_loop(self):
            calls.append("start")

        def run_loop(self):
            coord.request_stop()

        def stop_loop(self):
            calls.append("stop")

    coord.clear_stop()
    Steps(coord, None).start()
    coord.join()
    assert calls[3:] == ["start", "stop"]
    with pytest.raises(ValueError, match="must be a Coordinator"):
        tf.train.LooperThread(3, 1)


def test_the_error_of_a_looper_thread():
    coord = tf.train.Coordinator()
    tf.train.LooperThread.loop(coord, None, lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        coord.join()


# ------------------------------------------------------------------------------------------- hooks


def test_order_of_calls(graph):
    calls = []

    class Hook(tf.train.SessionRunHook):
        def begin(self):
            calls.append("begin")

        def after_create_session(self, session, coord):
            assert isinstance(coord, tf.train.Coordinator)
            calls.append(type(session))

        def before_run(self, run_context):
            calls.append(run_context.original_args)

        def after_run(self, run_context, run_values):
            calls.append(run_values.results)

        def end(self, session):
            calls.append("end")

    x = tf.constant(1.0)
    with tf.train.MonitoredSession(hooks=[Hook()]) as sess:
        assert graph.finalized and sess.graph is graph
        assert tf.get_default_session() is None
        assert sess.run([x]) == [1.0]
        sess.run_step_fn(lambda step_context: step_context.session.run(x))
        assert sess.run_step_fn(lambda step_context: step_context.run_with_hooks(x)) == 1.0
    arguments = tf.train.SessionRunArgs
    assert calls == [
        "begin", tf.Session, arguments([x]), None, arguments(x), None, "end"
    ]  # fmt: skip
    assert not graph.finalized and sess.graph is None and sess.should_stop()
    for use in (lambda: sess.run(x), sess.close):
        with pytest.raises(RuntimeError, match="already closed"):
            use()


def test_fetches_of_hooks_have_their_structure():
    x, seen = tf.constant(2.0), []

    class Hook(tf.train.SessionRunHook):
        def __init__(self, fetches):
            self.fetches = fetches

        def before_run(self, run_context):
            return tf.train.SessionRunArgs(self.fetches)

        def after_run(self, run_context, run_values):
            seen.append(run_values.results)

    structures = [x, [x, x], (x,), {"a": x, "b": [x]}, [], "Const:0", None]
    with tf.train.MonitoredSession(hooks=[Hook(s) for s in structures]) as sess:
        assert sess.run({"mine": [x]}) == {"mine": [2.0]}
        assert sess.run((x, [x])) == (2.0, [2.0])
    expected = [2.0, [2.0, 2.0], (2.0,), {"a": 2.0, "b": [2.0]}, [], 2.0, None]
    assert seen == expected * 2


def test_feeds_of_hooks():
    p = tf.placeholder(tf.float32, [])
    feed = tf.train.FeedFnHook(lambda: {p: 7.0})
    with tf.train.SingularMonitoredSession(hooks=[feed]) as sess:
        assert sess.run(p) == 7.0
        with pytest.raises(RuntimeError, match="fed by a SessionRunHook and user"):
            sess.run(p, {p: 1.0})
    with (
        tf.train.SingularMonitoredSession(hooks=[feed, feed]) as sess,
        pytest.raises(RuntimeError, match="fed by two hooks"),
    ):
        sess.run(p)


def test_options_of_hooks_trace():
    seen = []

    class Hook(tf.train.SessionRunHook):
        def before_run(self, run_context):
            options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
            return tf.train.SessionRunArgs(None, options=options)

        def after_run(self, run_context, run_values):
            seen.append(len(run_values.run_metadata.step_stats.dev_stats))

    p = tf.placeholder(tf.float32, [3])
    double = p * 2.0
    with tf.train.MonitoredSession(hooks=[Hook()]) as sess:
        np.testing.assert_array_equal(sess.run(double, {p: [1, 2, 3]}), [2, 4, 6])
    assert seen == [1]


def test_stop_at_step():
    _step, up = counter()
    values = []
    with tf.train.MonitoredSession(hooks=[tf.train.StopAtStepHook(num_steps=3)]) as sess:
        while not sess.should_stop():
            values.append(sess.run(up))
        with pytest.raises(RuntimeError, match="after should_stop requested"):
            sess.run(up)
    assert values == [1, 2, 3]
    with tf.train.MonitoredSession(hooks=[tf.train.StopAtStepHook(last_step=2)]) as sess:
        while not sess.should_stop():
            values.append(sess.run([up])[0])
    assert values[3:] == [1, 2]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda t: t.StopAtStepHook(), "One of num_steps or last_step must be specified."),
        (lambda t: t.StopAtStepHook(1, 2), "Only one of num_steps or last_step"),
        (lambda t: t.SecondOrStepTimer(), "Either every_secs or every_steps"),
        (lambda t: t.SecondOrStepTimer(1, 2), "Can not provide both every_secs and every_steps"),
        (lambda t: t.LoggingTensorHook(["a"]), "exactly one of every_n_iter and every_n_secs"),
        (lambda t: t.LoggingTensorHook(["a"], 1, 1), "exactly one of every_n_iter"),
        (lambda t: t.LoggingTensorHook(["a"], 0), "invalid every_n_iter=0"),
        (lambda t: t.StepCounterHook(None, None), "exactly one of every_n_steps"),
        (lambda t: t.StepCounterHook(1, 1), "exactly one of every_n_steps"),
        (lambda t: t.CheckpointSaverHook("x", 1, saver=1, scaffold=1), "both saver and scaffold"),
        (lambda t: t.CheckpointSaverHook("x"), "Either every_secs or every_steps"),
    ],
)
def test_arguments_that_do_not_fit(make, text):
    with pytest.raises(ValueError, match=text):
        make(tf.train)


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.StopAtStepHook(1),
        lambda t: t.StepCounterHook(1),
        lambda t: t.CheckpointSaverHook("x", 1),
        lambda t: t.GlobalStepWaiterHook(1),
        lambda t: t.ProfilerHook(1),
    ],
)
def test_hooks_that_need_a_global_step(make):
    with pytest.raises(RuntimeError, match="Global step should be created to use"):
        tf.train.MonitoredSession(hooks=[make(tf.train)])


def test_what_is_logged(log):
    _step, up = counter()
    x = tf.constant([1e-9, 2.0], name="x")
    hooks = [
        tf.train.LoggingTensorHook({"n": up, "x": x}, every_n_iter=2),
        tf.train.LoggingTensorHook(["x:0"], at_end=True, formatter=lambda d: f"last {d['x:0']}"),
        tf.train.StepCounterHook(2),
        tf.train.StopAtStepHook(5),
    ]
    with tf.train.MonitoredSession(hooks=hooks) as sess:
        while not sess.should_stop():
            sess.run(up)
    lines = [line.split(" (")[0] for line in log]
    assert [line for line in lines if line.startswith("n =")] == [
        "n = 1, x = [0. 2.]", "n = 3, x = [0. 2.]", "n = 5, x = [0. 2.]"
    ]  # fmt: skip
    assert sum(line.startswith("global_step/sec: ") for line in lines) == 2
    assert lines[-1].startswith("last [1.e-09")


def test_nan(log):
    x = tf.placeholder(tf.float32, [])
    with (
        pytest.raises(tf.train.NanLossDuringTrainingError, match="NaN loss during training."),
        tf.train.MonitoredSession(hooks=[tf.train.NanTensorHook(x)]) as sess,
    ):
        assert sess.run(x, {x: 1.0}) == 1.0
        sess.run(x, {x: np.nan})
    with tf.train.MonitoredSession(hooks=[tf.train.NanTensorHook(x, False)]) as sess:
        assert np.isnan(sess.run(x, {x: np.nan}))
        assert sess.should_stop()
    assert log.count("Model diverged with loss = NaN.") == 2


def test_timelines(tmp_path):
    _, up = counter()
    hooks = [tf.train.ProfilerHook(2, output_dir=str(tmp_path / "p")), tf.train.StopAtStepHook(5)]
    with tf.train.MonitoredSession(hooks=hooks) as sess:
        while not sess.should_stop():
            sess.run(up)
    paths = sorted((tmp_path / "p").iterdir())
    assert [path.name for path in paths] == ["timeline-2.json", "timeline-4.json"]
    assert json.loads(paths[0].read_text())["traceEvents"]


def test_summaries(tmp_path):
    _, up = counter()
    tf.summary.scalar("twice", up * 2)
    hooks = [tf.train.StopAtStepHook(5)]
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=str(tmp_path), save_summaries_steps=2, hooks=hooks
    ) as sess:
        while not sess.should_stop():
            sess.run(up)
    (path,) = tmp_path.glob("events*")
    events = [tf.Event.FromString(record) for record in tf.python_io.tf_record_iterator(str(path))]
    values = {e.step: v.simple_value for e in events for v in e.summary.value}
    assert values == {1: 2.0, 3: 6.0, 5: 10.0}
    with pytest.raises(ValueError, match="Exactly one of scaffold or summary_op"):
        tf.train.SummarySaverHook(1)


def test_final_ops():
    x = tf.placeholder(tf.float32, [])
    final = tf.train.FinalOpsHook({"a": x}, {x: 3.0})
    assert final.final_ops_values is None
    with tf.train.MonitoredSession(hooks=[final]):
        pass
    assert final.final_ops_values == {"a": 3.0}


def test_waiting_for_a_step():
    step, up = counter()
    with tf.train.MonitoredSession(hooks=[tf.train.GlobalStepWaiterHook(3)]) as sess:
        raw = []
        sess.run_step_fn(lambda step_context: raw.append(step_context.session))
        other = threading.Thread(target=lambda: [raw[0].run(up) for _ in range(3)])
        other.start()
        assert sess.run(step) >= 3
        other.join()


def test_step_functions():
    x = tf.constant(1.0)
    with tf.train.MonitoredSession() as sess:
        for wrong in (lambda a: 0, lambda: 0, lambda step_context, more: 0):
            with pytest.raises(ValueError, match="`step_fn` may either have one"):
                sess.run_step_fn(wrong)

        class Steps:
            def step(self, step_context):
                return step_context.run_with_hooks(x)

        assert sess.run_step_fn(Steps().step) == 1.0
        sess.run_step_fn(lambda step_context: step_context.request_stop())
        raise AssertionError("StopIteration ends the block")


# ------------------------------------------------------------------------------- ends and failures


def test_ends_of_blocks(graph):
    for error in (tf.errors.OutOfRangeError(None, None, ""), StopIteration()):
        with tf.train.MonitoredSession():
            raise error
    for error in (ValueError("v"), tf.errors.AbortedError(None, None, "")):
        with pytest.raises(type(error)), tf.train.MonitoredSession():
            raise error
    assert not graph.finalized
    tf.train.Scaffold().finalize()
    with tf.train.MonitoredSession():
        pass
    assert graph.finalized  # it was before


def test_hooks_do_not_end_after_an_error():
    ended = []

    class Hook(tf.train.SessionRunHook):
        def end(self, session):
            ended.append(session)

    with pytest.raises(ValueError, match="v"), tf.train.MonitoredSession(hooks=[Hook()]):
        raise ValueError("v")
    assert not ended


class Fails(tf.train.SessionRunHook):
    """Fails the first runs."""

    def __init__(self, times):
        self.times, self.sessions = times, 0

    def after_create_session(self, session, coord):
        self.sessions += 1

    def before_run(self, run_context):
        if self.times:
            self.times -= 1
            raise tf.errors.AbortedError(None, None, "gone")


def test_recovery(tmp_path):
    _step, up = counter()
    hook = Fails(0)
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=str(tmp_path), save_checkpoint_steps=2, hooks=[hook]
    ) as sess:
        assert [sess.run(up) for _ in range(3)] == [1, 2, 3]
        hook.times = 2
        assert sess.run(up) == 3  # from the checkpoint of step 2
        assert hook.sessions == 3
    with (
        pytest.raises(tf.errors.AbortedError),
        tf.train.SingularMonitoredSession(hooks=[Fails(1)]) as sess,
    ):
        assert isinstance(sess.raw_session(), tf.Session)
        sess.run(up)


def test_errors_of_threads():
    seen = []

    class Hook(tf.train.SessionRunHook):
        def after_create_session(self, session, coord):
            self.coord = coord

    hook, x = Hook(), tf.constant(1.0)
    with pytest.raises(KeyError), tf.train.MonitoredSession(hooks=[hook]) as sess:
        hook.coord.request_stop(KeyError("of a thread"))
        seen.append((sess.should_stop(), sess.run(x)))
    assert seen == [(True, 1.0)]


# ------------------------------------------------------------------------------------- checkpoints


def test_checkpoints_and_listeners(tmp_path):
    step, up = counter()
    calls, folder = [], str(tmp_path / "new")

    class Listener(tf.train.CheckpointSaverListener):
        def begin(self):
            calls.append("begin")

        def before_save(self, session, global_step_value):
            calls.append(("before", global_step_value))

        def after_save(self, session, global_step_value):
            calls.append(("after", global_step_value))
            return global_step_value >= 4

        def end(self, session, global_step_value):
            calls.append(("end", global_step_value))

    saver = tf.train.CheckpointSaverHook(folder, save_steps=2, listeners=[Listener()])
    creator = tf.train.ChiefSessionCreator(checkpoint_dir=folder)
    with tf.train.MonitoredSession(creator, hooks=[saver]) as sess:
        while not sess.should_stop():
            calls.append(sess.run(up))
    assert calls == [
        "begin", ("before", 0), ("after", 0), 1, ("before", 2), ("after", 2), 2, 3,
        ("before", 4), ("after", 4), 4, ("end", 4),
    ]  # fmt: skip
    hooks = [tf.train.StopAtStepHook(last_step=9)]
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=folder, save_checkpoint_steps=3, hooks=hooks
    ) as sess:
        assert sess.run(step) == 4
        while not sess.should_stop():
            sess.run(up)
    state = tf.train.get_checkpoint_state(folder)
    names = [path.rsplit("-", 1)[1] for path in state.all_model_checkpoint_paths]
    assert names == ["0", "2", "4", "7", "9"]


def test_no_checkpoints_when_none_are_wanted(tmp_path):
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=str(tmp_path),
        save_checkpoint_secs=None,
        save_summaries_steps=None,
        log_step_count_steps=None,
    ):
        pass
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------- scaffolds, managers


def test_scaffold(graph):
    v = tf.get_variable("v", [], initializer=tf.zeros_initializer())
    tf.get_local_variable("l", [])
    scaffold = tf.train.Scaffold()
    assert [scaffold.init_op, scaffold.ready_op, scaffold.saver, scaffold.local_init_op] == [
        None
    ] * 4
    assert scaffold.finalize() is scaffold and graph.finalized
    for key, part in {
        "init_op": scaffold.init_op,
        "ready_op": scaffold.ready_op,
        "ready_for_local_init_op": scaffold.ready_for_local_init_op,
        "local_init_op": scaffold.local_init_op,
        "savers": scaffold.saver,
    }.items():
        assert graph.get_collection(key) == [part]
    assert tf.train.Scaffold().finalize().saver is scaffold.saver
    copy = tf.train.Scaffold(init_fn=lambda s, sess: v.load(5.0, sess), copy_from_scaffold=scaffold)
    assert copy.init_op is scaffold.init_op
    with tf.train.SingularMonitoredSession(scaffold=copy) as sess:
        assert sess.run(v) == 5.0
    with pytest.raises(TypeError, match="not a Scaffold"):
        tf.train.Scaffold(copy_from_scaffold=3)


def test_scaffold_does_not_choose():
    tf.add_to_collection("init_op", tf.no_op())
    tf.add_to_collection("init_op", tf.no_op())
    with pytest.raises(RuntimeError, match='More than one item in the collection "init_op"'):
        tf.train.Scaffold().finalize()


def test_session_manager(tmp_path):
    v = tf.get_variable("v", [], initializer=tf.zeros_initializer())
    names, saver = tf.report_uninitialized_variables(), tf.train.Saver()
    manager = tf.train.SessionManager(ready_op=names, recovery_wait_secs=0.01)
    with pytest.raises(RuntimeError, match="no init_op or init_fn or local_init_op was given"):
        manager.prepare_session("")
    with pytest.raises(RuntimeError, match="not make model ready.*Variables not initialized: v"):
        manager.prepare_session("", init_op=tf.no_op())
    with pytest.raises(ValueError, match="both checkpoint_dir and checkpoint_filename"):
        manager.prepare_session("", None, saver, "a", "b")
    sess = manager.prepare_session("", init_fn=lambda sess: v.load(3.0, sess))
    path = saver.save(sess, str(tmp_path / "m"))
    for where in ({"checkpoint_dir": str(tmp_path)}, {"checkpoint_filename_with_path": path}):
        assert manager.prepare_session("", saver=saver, **where).run(v) == 3.0
        sess, ready = manager.recover_session("", saver, **where)
        assert ready and sess.run(v) == 3.0
    assert manager.recover_session("", saver, str(tmp_path / "no"))[1] is False
    with pytest.raises(tf.errors.DeadlineExceededError):
        manager.wait_for_session("", max_wait_secs=0.03)
    local = tf.train.SessionManager(tf.no_op(), names, ready_for_local_init_op=names)
    with pytest.raises(RuntimeError, match="not make model ready for local_init"):
        local.prepare_session("", init_op=tf.no_op())
    with pytest.raises(ValueError, match="must also pass a local_init_op"):
        tf.train.SessionManager(ready_for_local_init_op=names)


def test_a_worker_needs_no_variables():
    x = tf.constant(3.0)
    with tf.train.MonitoredTrainingSession(is_chief=False, max_wait_secs=1) as sess:
        assert sess.run(x) == 3.0


# ------------------------------------------------------------------------------------- supervisors


def test_supervisor(tmp_path, graph):
    step, up = counter()
    supervisor = tf.train.Supervisor(logdir=str(tmp_path))
    assert graph.finalized and supervisor.global_step is step
    assert supervisor.save_path == str(tmp_path / "model.ckpt")
    with supervisor.managed_session() as sess:
        while not tf.train.latest_checkpoint(str(tmp_path)):  # of a thread
            time.sleep(0.001)
        sess.run(up)
        supervisor.saver.save(sess, supervisor.save_path, global_step=step)
    assert supervisor.should_stop()
    seen = []

    def train_step(sess, more):
        seen.append((int(sess.run(up)), more))
        if len(seen) == 2:
            supervisor.request_stop()

    tf.train.basic_train_loop(supervisor, train_step, args=(5,))
    assert seen == [(2, 5), (3, 5)]
    quiet = tf.train.Supervisor(saver=None)
    with pytest.raises(ValueError, match="z"), quiet.managed_session():
        raise ValueError("z")
    with quiet.managed_session():
        raise tf.errors.OutOfRangeError(None, None, "the end")


def test_arguments_are_tensorflows():
    names = {
        "Supervisor": "graph ready_op ready_for_local_init_op is_chief init_op init_feed_dict "
        "local_init_op logdir summary_op saver global_step save_summaries_secs save_model_secs "
        "recovery_wait_secs stop_grace_secs checkpoint_basename session_manager summary_writer "
        "init_fn local_init_run_options",
        "MonitoredTrainingSession": "master is_chief checkpoint_dir scaffold hooks "
        "chief_only_hooks save_checkpoint_secs save_summaries_steps save_summaries_secs config "
        "stop_grace_period_secs log_step_count_steps max_wait_secs save_checkpoint_steps "
        "summary_dir save_graph_def",
        "CheckpointSaverHook": "checkpoint_dir save_secs save_steps saver checkpoint_basename "
        "scaffold listeners save_graph_def",
        "Scaffold": "init_op init_feed_dict init_fn ready_op ready_for_local_init_op "
        "local_init_op summary_op saver copy_from_scaffold local_init_feed_dict",
    }
    for name, expected in names.items():
        assert " ".join(inspect.signature(getattr(tf.train, name)).parameters) == expected
