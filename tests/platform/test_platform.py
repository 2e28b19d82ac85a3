"""Flags, tf.app.run, logging, tf.compat."""

from __future__ import annotations

import logging
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.platform import flags as flags_module


@pytest.fixture
def flags() -> Any:
    """The definitions, with values of their own."""
    return tf.flags.FlagValues()


def define_some(values: Any) -> None:
    tf.flags.DEFINE_string("name", "x", "A name.", flag_values=values)
    tf.flags.DEFINE_integer("steps", 100, "Steps.", lower_bound=1, flag_values=values)
    tf.flags.DEFINE_float("rate", 0.1, "Rate.", flag_values=values)
    tf.flags.DEFINE_boolean("fast", False, "Fast.", flag_values=values)
    tf.flags.DEFINE_list("sizes", ["1", "2"], "Sizes.", flag_values=values)
    tf.flags.DEFINE_enum("mode", "train", ["train", "test"], "Mode.", flag_values=values)
    tf.flags.DEFINE_multi_integer("gpu", [], "GPUs.", flag_values=values)


def test_flags_are_read(flags: Any) -> None:
    define_some(flags)
    rest = flags(
        ["prog", "--name=a b", "--steps", "7", "-rate=1e-3", "in.txt", "--fast", "--sizes=3,4",
         "--gpu=0", "--gpu=1", "--mode", "test", "--", "--name=c"]
    )  # fmt: skip
    assert rest == ["prog", "in.txt", "--name=c"]
    assert flags.flag_values_dict() == {
        "name": "a b", "steps": 7, "rate": 0.001, "fast": True, "sizes": ["3", "4"],
        "mode": "test", "gpu": [0, 1],
    }  # fmt: skip
    flags(["prog", "--nofast", "--name="])
    assert flags.fast is False and flags.name == ""
    flags(["prog", "--fast=true"])
    assert flags.fast is True
    flags.steps = 3
    assert flags.steps == 3 and flags["steps"].value == 3 and flags["steps"].default == 100
    assert "steps" in flags and len(flags) == 7 and "--[no]fast: Fast." in flags.get_help()


def test_wrong_flags(flags: Any) -> None:
    define_some(flags)
    for argv, error, match in (
        (["--setps=1"], tf.flags.UnrecognizedFlagError, "did you mean 'steps'"),
        (["--steps=x"], tf.flags.IllegalFlagValueError, "--steps=x"),
        (["--steps=0"], tf.flags.IllegalFlagValueError, "at least 1"),
        (["--fast=maybe"], tf.flags.IllegalFlagValueError, "true or false"),
        (["--mode=fly"], tf.flags.IllegalFlagValueError, "one of train, test"),
        (["--name"], tf.flags.IllegalFlagValueError, "needs a value"),
    ):
        with pytest.raises(error, match=match):
            flags(["prog", *argv])
    assert flags(["prog", "--unknown", "x"], known_only=True) == ["prog", "--unknown", "x"]
    with pytest.raises(tf.flags.DuplicateFlagError):
        tf.flags.DEFINE_string("name", "", "", flag_values=flags)
    with pytest.raises(AttributeError, match="there is no flag --nmae"):
        flags.nmae


def test_validators_and_older_names(flags: Any) -> None:
    tf.app.flags.DEFINE_integer(
        flag_name="n", default_value=1, docstring="A number.", flag_values=flags
    )
    tf.flags.register_validator("n", lambda n: n > 0, "positive", flag_values=flags)
    tf.flags.DEFINE_string("must", None, "Needed.", flag_values=flags)
    tf.flags.mark_flag_as_required("must", flags)
    with pytest.raises(tf.flags.ValidationError, match="--must: must be given"):
        flags(["prog"])
    flags(["prog", "--must=1"])
    with pytest.raises(tf.flags.ValidationError, match="positive"):
        flags.n = 0
    tf.flags.DEFINE_alias("number", "n", flags)
    flags(["prog", "--must=1", "--number=5"])
    assert flags.n == 5
    assert tf.app.flags.FLAGS is tf.flags.FLAGS is flags_module.FLAGS


def test_the_first_look_reads_the_command_line(flags: Any, monkeypatch: Any) -> None:
    define_some(flags)
    monkeypatch.setattr(sys, "argv", ["prog", "--steps=9", "--other"])
    assert not flags.is_parsed() and flags.steps == 9 and flags.is_parsed()
    assert getattr(flags, "__flags")["steps"].value == 9


def test_app_run_in_a_program(tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import flowgraph.compat.v1 as tf\n"
        "tf.app.flags.DEFINE_integer('steps', 3, 'Steps.')\n"
        "FLAGS = tf.app.flags.FLAGS\n"
        "def main(_):\n"
        "    print(FLAGS.steps, _[1:])\n"
        "    return 4\n"
        "if __name__ == '__main__':\n"
        "    tf.app.run()\n"
    )
    root = str(pathlib.Path(tf.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, str(program), "--steps=5", "file"], env={"PYTHONPATH": root},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("5 ['file']\n", 4), done.stderr


def test_logging(caplog: pytest.LogCaptureFixture) -> None:
    assert tf.get_logger() is logging.getLogger("tensorflow")
    assert (tf.logging.DEBUG, tf.logging.INFO, tf.logging.WARN, tf.logging.ERROR,
            tf.logging.FATAL) == (10, 20, 30, 40, 50)  # fmt: skip
    before = tf.logging.get_verbosity()
    try:
        tf.logging.set_verbosity(tf.logging.INFO)
        assert tf.logging.get_verbosity() == tf.logging.INFO
        tf.logging.info("step %d", 3)
        tf.logging.debug("unseen")
        tf.logging.warn("careful")
        tf.logging.log(tf.logging.ERROR, "bad")
        for i in range(5):
            tf.logging.log_every_n(tf.logging.INFO, "every %d", 2, i)
            tf.logging.log_first_n(tf.logging.INFO, "first %d", 2, i)
        tf.logging.log_if(tf.logging.INFO, "never", False)
    finally:
        tf.logging.set_verbosity(before)
    assert caplog.messages == [
        "step 3", "careful", "bad", "every 0", "first 0", "first 1", "every 2", "every 4",
    ]  # fmt: skip


def test_logging_as_tensorflow_writes_it() -> None:
    code = (
        "import flowgraph as tf; tf.logging.set_verbosity(tf.logging.INFO); "
        "tf.logging.info('a %s', 1); tf.logging.debug('b')"
    )
    root = str(pathlib.Path(tf.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": root}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stderr == "INFO:tensorflow:a 1\n"


def test_compat() -> None:
    assert tf.compat.as_bytes("é") == tf.compat.as_bytes(b"\xc3\xa9") == b"\xc3\xa9"
    assert tf.compat.as_text(b"a") == tf.compat.as_str("a") == tf.compat.as_str_any(b"a") == "a"
    assert tf.compat.as_str_any(1) == "1"
    assert tf.compat.path_to_str(pathlib.Path("a/b")) == "a/b" and tf.compat.path_to_str(3) == 3
    for function in (tf.compat.as_bytes, tf.compat.as_text):
        with pytest.raises(TypeError, match="Expected binary or unicode string"):
            function(1)
    assert isinstance(np.int8(1), tf.compat.integral_types)
    assert isinstance(1.5, tf.compat.real_types) and isinstance(1j, tf.compat.complex_types)
    assert tf.compat.dimension_value(tf.Dimension(3)) == 3
    assert tf.compat.v1 is tf and tf.compat.forward_compatible(2030, 1, 1)


def test_there_is_one_behaviour() -> None:
    tf.disable_v2_behavior()
    assert not tf.executing_eagerly()
    for function in (tf.enable_v2_tensorshape, tf.enable_tensor_equality):
        with pytest.raises(NotImplementedError):
            function()


def test_eager_execution_can_be_switched_on_and_off() -> None:
    tf.reset_default_graph()
    tf.enable_eager_execution()
    try:
        assert tf.executing_eagerly() and tf.constant(2.0).numpy() == 2.0
        with tf.Graph().as_default():
            assert not tf.executing_eagerly()
    finally:
        tf.disable_eager_execution()
    assert not tf.executing_eagerly()
    tf.constant(1.0)
    with pytest.raises(ValueError, match="at program startup"):
        tf.enable_eager_execution()
