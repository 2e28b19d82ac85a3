"""Saver: round trips, what is kept, what is refused; checkpoints after a kill at any moment."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.graph.apply import call
from flowgraph.saving import saver as saver_module
from flowgraph.saving.reader import NewCheckpointReader

BOTH = pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors"])


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def model(scale=1.0):
    return [
        tf.get_variable("a/w", initializer=np.full((3, 4), scale, np.float32)),
        tf.get_variable("b", initializer=np.array([1, 2, 3], np.int64)),
        tf.get_variable("c", initializer=np.float64(scale)),
    ]


def initialized():
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return session


# -------------------------------------------------------------------------------------- round trips


@BOTH
@pytest.mark.parametrize(
    "value",
    [
        np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
        np.float64(2.5), np.zeros((0, 3), np.float32), np.array([True, False]),
        np.arange(-4, 4, dtype=np.int8), np.array([2**63 - 1], np.int64),
        np.array([1.5, np.nan, -np.inf], np.float16), np.array([1 + 2j], np.complex64),
        np.zeros((300, 1000), np.float32) + np.arange(1000, dtype=np.float32),
    ],
    ids=lambda v: f"{v.dtype}{v.shape}",
)  # fmt: skip
def test_values_come_back(tmp_path, name, value):
    v = tf.Variable(value, name="v")
    saver = tf.train.Saver()
    with initialized() as session:
        path = saver.save(session, str(tmp_path / name))
        assert path == str(tmp_path / name)
        session.run(v.assign(np.zeros_like(value)))
        saver.restore(session, path)
        found = session.run(v)
    np.testing.assert_array_equal(found, value)
    assert found.dtype == value.dtype
    stored = tf.train.load_variable(path, "v:0")
    np.testing.assert_array_equal(stored, value)
    assert stored.shape == value.shape


def test_strings_come_back(tmp_path):
    value = np.array([b"one", b"", b"\0\xff" * 200], object)
    v = tf.Variable(value, name="v")
    saver = tf.train.Saver()
    with initialized() as session:
        path = saver.save(session, str(tmp_path / "m"))
    with tf.Session() as session:
        saver.restore(session, path)
        assert session.run(v).tolist() == value.tolist()
        with pytest.raises(tf.errors.UnimplementedError, match="string"):
            saver.save(session, str(tmp_path / "m.safetensors"))
    assert not (tmp_path / "m.safetensors").exists()


@BOTH
def test_restoring_initialises(tmp_path, name):
    variables = model(7.0)
    saver = tf.train.Saver()
    with initialized() as session:
        path = saver.save(session, str(tmp_path / name), global_step=3)
    with tf.Session() as session:
        saver.restore(session, path)
        assert session.run(tf.report_uninitialized_variables()).size == 0
        assert session.run(variables[2]) == 7.0
        # The buffers are those of later runs: no copy was left behind.
        session.run(variables[2].assign_add(1.0))
        saver.restore(session, path)
        assert session.run(variables[2] + 0.0) == 7.0


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8),
        st.lists(st.integers(0, 3), max_size=3),
        min_size=1, max_size=6,
    ),
    st.booleans(),
)  # fmt: skip
def test_any_names_and_shapes(tmp_path_factory, shapes, safe):
    folder = tmp_path_factory.mktemp("any")
    with tf.Graph().as_default():
        values = {
            f"v_{name}": np.random.default_rng(i).normal(size=shape).astype(np.float32)
            for i, (name, shape) in enumerate(shapes.items())
        }
        held = {name: tf.Variable(value) for name, value in values.items()}
        saver = tf.train.Saver(held)
        with initialized() as session:
            path = saver.save(session, str(folder / ("m.safetensors" if safe else "m")))
    reader = tf.train.load_checkpoint(path)
    assert reader.get_variable_to_shape_map() == {k: list(v.shape) for k, v in values.items()}
    for name, value in values.items():
        np.testing.assert_array_equal(reader.get_tensor(name), value)


# ------------------------------------------------------------------------------- which are kept


def files(folder):
    return sorted(p.name for p in Path(folder).iterdir())


def test_the_newest_are_kept(tmp_path):
    model()
    saver = tf.train.Saver(max_to_keep=2)
    prefix = str(tmp_path / "m")
    with initialized() as session:
        for step in (1, 2, 10):
            saver.save(session, prefix, step)
    assert saver.last_checkpoints == [f"{prefix}-2", f"{prefix}-10"]
    assert tf.train.latest_checkpoint(str(tmp_path)) == f"{prefix}-10"
    assert files(tmp_path) == [
        "checkpoint", "m-10.data-00000-of-00001", "m-10.index", "m-10.meta",
        "m-2.data-00000-of-00001", "m-2.index", "m-2.meta",
    ]  # fmt: skip
    assert (tmp_path / "checkpoint").read_text() == (
        f'model_checkpoint_path: "{prefix}-10"\n'
        f'all_model_checkpoint_paths: "{prefix}-2"\n'
        f'all_model_checkpoint_paths: "{prefix}-10"\n'
    )
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert list(state.all_model_checkpoint_paths) == saver.last_checkpoints
    other = tf.train.Saver(max_to_keep=2)
    other.recover_last_checkpoints([f"{prefix}-1", *state.all_model_checkpoint_paths])
    assert other.last_checkpoints == saver.last_checkpoints


@pytest.mark.parametrize("keep", [None, 0])
def test_all_may_be_kept(tmp_path, keep):
    model()
    saver = tf.train.Saver(max_to_keep=keep)
    with initialized() as session:
        for step in range(7):
            saver.save(session, str(tmp_path / "m"), step)
    assert len(files(tmp_path)) == 22
    assert saver.last_checkpoints == []


def test_one_in_some_hours_stays(tmp_path, monkeypatch):
    model()
    now = [1000.0]
    monkeypatch.setattr(saver_module.time, "time", lambda: now[0])
    saver = tf.train.Saver(max_to_keep=1, keep_checkpoint_every_n_hours=1)
    with initialized() as session:
        for step in range(5):
            saver.save(session, str(tmp_path / "m"), step)
            now[0] += 2000
    # Written at 1000, 3000, 5000, 7000: the first after 4600 stays, and the next one after 8200.
    assert [f for f in files(tmp_path) if f.endswith("index")] == ["m-2.index", "m-4.index"]


def test_steps(tmp_path):
    model()
    step = tf.Variable(12, name="global_step")
    with initialized() as session:
        prefix = str(tmp_path / "m")
        assert tf.train.Saver().save(session, prefix, step) == f"{prefix}-12"
        assert tf.train.Saver().save(session, prefix, np.int64(5)) == f"{prefix}-5"
        assert tf.train.Saver(pad_step_number=True).save(session, prefix, 5).endswith("m-00000005")
        safe = tf.train.Saver().save(session, f"{prefix}.safetensors", step + 1)
        assert safe == f"{prefix}-13.safetensors"
    assert tf.train.latest_checkpoint(str(tmp_path)) == safe
    tf.train.remove_checkpoint(safe)
    assert not os.path.exists(safe)


def test_relative_paths(tmp_path, monkeypatch):
    model()
    monkeypatch.chdir(tmp_path)
    os.mkdir("logs")
    with initialized() as session:
        tf.train.Saver().save(session, "logs/m", 1)
        assert 'path: "m-1"' in Path("logs/checkpoint").read_text()
        assert tf.train.latest_checkpoint("logs") == "logs/m-1"
        absolute = str(tmp_path / "logs" / "n")
        tf.train.Saver(save_relative_paths=True).save(session, absolute, 2)
        assert 'path: "n-2"' in Path("logs/checkpoint").read_text()
        assert tf.train.latest_checkpoint(str(tmp_path / "logs")) == f"{absolute}-2"
        tf.train.Saver().save(session, "./plain")
        assert tf.train.latest_checkpoint(".") == "./plain"


# ---------------------------------------------------------------------------------- var_list, parts


def test_var_list_may_be_a_part_or_a_dict(tmp_path):
    w, b, c = model()
    with initialized() as session:
        path = tf.train.Saver({"other": w, "more/b": b}).save(session, str(tmp_path / "m"))
        assert tf.train.list_variables(str(tmp_path)) == [("more/b", [3]), ("other", [3, 4])]
        session.run([w.assign(w * 0.0), c.assign(5.0)])
        tf.train.Saver({"other": w}).restore(session, path)
        assert session.run([w[0, 0], c]) == [1.0, 5.0]


@BOTH
def test_all_that_does_not_fit_is_listed_and_nothing_changes(tmp_path, name):
    w, b, c = model()
    with initialized() as session:
        path = tf.train.Saver([w, b]).save(session, str(tmp_path / name))
        before = session.run([w, b, c])
        wrong = tf.Variable(tf.zeros([2]), name="x")
        other = tf.Variable(tf.zeros([3]), name="y")
        saver = tf.train.Saver({"a/w": wrong, "b": other, "a/weights": c})
        with pytest.raises(tf.errors.NotFoundError) as caught:
            saver.restore(session, path)
        text = str(caught.value)
        assert "'a/weights' is not there" in text
        assert "'a/w' has shape [2], there [3, 4]" in text
        assert "'b' is float32, there int64" in text
        with pytest.raises(tf.errors.InvalidArgumentError, match="has shape"):
            tf.train.Saver({"a/w": wrong, "b": b}).restore(session, path)
        for x, y in zip(before, session.run([w, b, c]), strict=True):
            np.testing.assert_array_equal(x, y)


def test_reshape(tmp_path):
    w = model()[0]
    flat = tf.Variable(tf.zeros([12]), name="flat")
    with initialized() as session:
        path = tf.train.Saver([w]).save(session, str(tmp_path / "m"))
        tf.train.Saver({"a/w": flat}, reshape=True).restore(session, path)
        assert session.run(flat).tolist() == [1.0] * 12


# ------------------------------------------------------------------------------------------- errors


def test_wrong_use(tmp_path):
    with pytest.raises(ValueError, match="no variables"):
        tf.train.Saver()
    assert tf.train.Saver(allow_empty=True).save(tf.Session(), str(tmp_path / "m")) is None
    w, _b, _c = model()
    with pytest.raises(TypeError, match="only variables"):
        tf.train.Saver([w, 3])
    with tf.Graph().as_default(), pytest.raises(ValueError, match="two variables"):
        tf.train.Saver([w, *model()])
    saver = tf.train.Saver()
    with tf.Session() as session:
        with pytest.raises(tf.errors.FailedPreconditionError, match="'a/w', 'b', 'c'"):
            saver.save(session, str(tmp_path / "m"))
        assert files(tmp_path) == []
        with pytest.raises(ValueError, match="None"):
            saver.restore(session, None)
        with pytest.raises(ValueError, match="no checkpoint"):
            saver.restore(session, str(tmp_path / "nothing"))
    with initialized() as session:
        with pytest.raises(ValueError, match="does not exist; make it"):
            saver.save(session, str(tmp_path / "no" / "m"))
        with pytest.raises(ValueError, match="does not name"):
            saver.save(session, str(tmp_path / "checkpoint"))
        with pytest.raises(ValueError, match="no directory"):
            saver.save(session, str(tmp_path / "m"), latest_filename="a/b")
        with pytest.raises(TypeError, match="Session"):
            saver.save("session", str(tmp_path / "m"))
    with pytest.raises(RuntimeError, match="closed"):
        saver.save(session, str(tmp_path / "m"))
    with pytest.raises(tf.errors.NotFoundError):
        tf.train.load_checkpoint(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="no checkpoint"):
        tf.train.list_variables(str(tmp_path))
    assert tf.train.latest_checkpoint(str(tmp_path)) is None
    assert tf.train.get_checkpoint_state(str(tmp_path / "nothing")) is None


@pytest.fixture
def saved(tmp_path):
    """(session, saver, path by format, expected values)"""
    variables = model(2.0)
    tf.Variable(np.array([b"text", b""], object), name="s", collections=["texts"])
    saver = tf.train.Saver()
    session = initialized()
    return session, saver, tmp_path, variables


@BOTH
def test_damaged_files_are_refused_and_change_nothing(saved, name):
    session, saver, folder, variables = saved
    path = saver.save(session, str(folder / name))
    before = session.run(variables)
    rng = random.Random(0)
    for file in sorted(folder.iterdir()):
        if file.name == "checkpoint":
            continue
        good = file.read_bytes()
        for attempt in range(60):
            bad = bytearray(good)
            place = rng.randrange(len(bad))
            if attempt % 3 == 0:
                del bad[place:]
            else:
                bad[place] ^= 1 << rng.randrange(8)
            file.write_bytes(bytes(bad))
            try:
                saver.restore(session, path)
            except tf.errors.DataLossError:
                pass
            for x, y in zip(before, session.run(variables), strict=True):
                np.testing.assert_array_equal(x, y)
        file.write_bytes(good)
    saver.restore(session, path)


@pytest.mark.parametrize(
    ("suffix", "change"),
    [
        (".data-00000-of-00001", lambda d: d[:-1]),
        (".data-00000-of-00001", lambda d: d[:5] + b"x" + d[6:]),
        (".index", lambda d: d[:-3]),
        (".index", lambda d: b""),
        (".index", lambda d: d[:20] + b"\xff" + d[21:]),
    ],
)
def test_damage_is_a_data_loss_error(saved, suffix, change):
    session, saver, folder, _ = saved
    path = saver.save(session, str(folder / "m"))
    file = Path(path + suffix)
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(tf.errors.DataLossError, match=r"m\."):
        saver.restore(session, path)


@pytest.mark.parametrize(
    "header",
    [
        b"\xff" * 8, b"\x02\0\0\0\0\0\0\0{}", b"\x04\0\0\0\0\0\0\0null",
        b'\x30\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
    ],
)  # fmt: skip
def test_nonsense_is_no_safetensors_file(tmp_path, header):
    path = tmp_path / "m.safetensors"
    path.write_bytes(header)
    if header.endswith(b"{}"):
        assert NewCheckpointReader(str(path)).get_variable_to_shape_map() == {}
        return
    with pytest.raises(tf.errors.DataLossError):
        NewCheckpointReader(str(path))


def test_a_missing_data_file(saved):
    session, saver, folder, _ = saved
    path = saver.save(session, str(folder / "m"))
    os.remove(path + ".data-00000-of-00001")
    with pytest.raises(tf.errors.NotFoundError, match="data-00000"):
        saver.restore(session, path)


def test_a_failed_write_leaves_the_old_checkpoint(saved, monkeypatch):
    session, saver, folder, _ = saved
    path = saver.save(session, str(folder / "m"))
    names = files(folder)

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="No space left"):
        saver.save(session, str(folder / "m"))
    monkeypatch.undo()
    assert files(folder) == names
    saver.restore(session, path)


def test_other_programs_read_our_safetensors(saved):
    safetensors = pytest.importorskip("safetensors.numpy")
    session, saver, folder, variables = saved
    path = saver.save(session, str(folder / "m.safetensors"))
    found = safetensors.load_file(path)
    assert sorted(found) == ["a/w", "b", "c"]
    np.testing.assert_array_equal(found["a/w"], session.run(variables[0]))
    safetensors.save_file({"c": np.array(9.0)}, path)
    tf.train.Saver([variables[2]]).restore(session, path)
    assert session.run(variables[2]) == 9.0


# ----------------------------------------------------------------------------------- beginning with


def test_init_from_checkpoint(tmp_path):
    with initialized_model(4.0) as session:
        path = tf.train.Saver().save(session, str(tmp_path / "m"))
    with tf.Graph().as_default():
        with tf.variable_scope("net"):
            w = tf.get_variable("w", [3, 4])
        c = tf.get_variable("d", [], tf.float64)
        free = tf.get_variable("free", [], initializer=tf.ones_initializer())
        tf.train.init_from_checkpoint(path, {"a/": "net/", "c": c})
        with initialized() as session:
            assert session.run([w[1, 1], c, free]) == [4.0, 4.0, 1.0]
        with pytest.raises(ValueError, match="no variable 'x'"):
            tf.train.init_from_checkpoint(path, {"c": "x"})
        with pytest.raises(ValueError, match="both"):
            tf.train.init_from_checkpoint(path, {"a/": "net"})
        with pytest.raises(tf.errors.InvalidArgumentError, match="has shape"):
            tf.train.init_from_checkpoint(path, {"b": w})


def test_warm_start(tmp_path):
    with initialized_model(4.0) as session:
        tf.train.Saver().save(session, str(tmp_path / "m"))
    with tf.Graph().as_default():
        w, c = tf.get_variable("w2", [3, 4]), tf.get_variable("c", [], tf.float64)
        tf.train.warm_start(str(tmp_path), "w2|c", var_name_to_prev_var_name={"w2": "a/w"})
        with initialized() as session:
            assert session.run([w[1, 1], c]) == [4.0, 4.0]


def initialized_model(scale):
    model(scale)
    return initialized()


# ------------------------------------------------------------------------------ inside the graph


@pytest.mark.parametrize("sharded", [False, True])
def test_a_saver_of_an_imported_graph_runs_its_operations(tmp_path, sharded):
    """The operations as TensorFlow's Saver makes them, under its names."""
    w, b, c = model(3.0)
    names, variables = np.array([b"a/w", b"b", b"c"], object), [w, b, c]
    empty = np.array([b"", b"", b""], object)
    with tf.name_scope("save"):
        prefix = tf.placeholder_with_default(tf.constant("model"), [], name="Const")
        place = call.ShardedFilename(prefix, 0, 1) if sharded else prefix
        write = call.SaveV2(place, names, empty, [v._ref() for v in variables])
        with tf.control_dependencies([write]):
            if sharded:
                merged = call.MergeV2Checkpoints(tf.reshape(place, [1]), prefix)
                with tf.control_dependencies([merged]):
                    tf.identity(prefix, name="Identity")
            else:
                tf.identity(prefix, name="Identity")
        values = call.RestoreV2(prefix, names, empty, dtypes=["float32", "int64", "float64"])
        for value, v in zip(values, variables, strict=True):
            call.Assign(v, value)
        assigns = [op for op in w.graph.get_operations() if op.name.startswith("save/Assign")]
        tf.group(*assigns, name="restore_all")
    settings = tf.train.SaverDef(
        filename_tensor_name="save/Const:0", save_tensor_name="save/Identity:0",
        restore_op_name="save/restore_all", max_to_keep=2,
    )  # fmt: skip
    saver = tf.train.Saver.from_proto(settings)
    with initialized() as session:
        path = saver.save(session, str(tmp_path / "m"), 5)
        assert tf.train.latest_checkpoint(str(tmp_path)) == path
        assert len(files(tmp_path)) == 4
        assert tf.train.list_variables(path) == [("a/w", [3, 4]), ("b", [3]), ("c", [])]
    with tf.Session() as session:
        saver.restore(session, path)
        assert session.run(c) == 3.0
        assert session.run(w).tolist() == np.full((3, 4), 3.0).tolist()


def test_parts_of_tensors_are_restored(tmp_path):
    with initialized_model(1.0) as session:
        whole = np.arange(12.0, dtype=np.float32).reshape(3, 4)
        session.run(tf.global_variables()[0].assign(whole))
        path = tf.train.Saver().save(session, str(tmp_path / "m"))
        part = call.RestoreV2(path, ["a/w"], ["3 4 1,2:-"], dtypes=["float32"])[0]
        assert session.run(part).tolist() == whole[1:].tolist()
        wrong = call.RestoreV2(path, ["a/w"], ["3 5 1,2:-"], dtypes=["float32"])[0]
        with pytest.raises(tf.errors.InvalidArgumentError, match="has shape"):
            session.run(wrong)


# ------------------------------------------------------------------------------------------ killed


def saves_for_ever(folder, name, start):
    """What the child does: every checkpoint has one number everywhere."""
    with tf.Graph().as_default():
        v = tf.get_variable("v", [3, 1000], initializer=tf.zeros_initializer())
        w = tf.get_variable("w", [7], initializer=tf.zeros_initializer())
        new = tf.placeholder(tf.float32, [])
        step = tf.group(v.assign(tf.fill([3, 1000], new)), w.assign(tf.fill([7], new)))
        saver = tf.train.Saver(max_to_keep=2)
        state = tf.train.get_checkpoint_state(folder)
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths if state else [])
        with tf.Session() as session:
            for number in range(start, 10**9):
                session.run(step, {new: number})
                saver.save(session, os.path.join(folder, name))
                saver.save(session, os.path.join(folder, "step.ckpt"), number)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@BOTH
def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path, name):
    rng = random.Random(1)
    last = dict.fromkeys(("newest", "same name"), 0.0)
    listed = tmp_path / "checkpoint"
    for _ in range(50):
        before = listed.stat().st_mtime_ns if listed.exists() else 0
        child = os.fork()
        if child == 0:
            try:
                saves_for_ever(str(tmp_path), name, int(max(last.values())) + 1)
            finally:
                os._exit(1)
        begun = time.time()
        while time.time() - begun < 60:  # until it has saved once
            if listed.exists() and listed.stat().st_mtime_ns != before:
                break
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the child was to be killed while it saved"
        newest = tf.train.latest_checkpoint(str(tmp_path))
        assert newest is not None
        for what, path in (("newest", newest), ("same name", str(tmp_path / name))):
            reader = tf.train.load_checkpoint(path)
            numbers = {*reader.get_tensor("v").ravel(), *reader.get_tensor("w").ravel()}
            assert len(numbers) == 1, "a checkpoint of two moments"
            (number,) = numbers
            assert number >= last[what], "an older one than was there"
            last[what] = number
    assert min(last.values()) >= 50
    left = [file for file in files(tmp_path) if "tempstate" in file]
    assert len(left) <= 3, "what killed processes left is removed"
