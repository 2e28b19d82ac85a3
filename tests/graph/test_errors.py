"""The exception tree, the message layout, near names, and knobs."""

import pickle
import subprocess
import sys

import pytest

import flowgraph as tf
from flowgraph import config, errors

CODES = {
    "CANCELLED": 1, "UNKNOWN": 2, "INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4, "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6, "PERMISSION_DENIED": 7, "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9, "ABORTED": 10, "OUT_OF_RANGE": 11, "UNIMPLEMENTED": 12,
    "INTERNAL": 13, "UNAVAILABLE": 14, "DATA_LOSS": 15, "UNAUTHENTICATED": 16,
}  # fmt: skip


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_tree(name, code):
    assert getattr(tf.errors, name) == code
    cls = tf.errors.exception_type_from_error_code(code)
    assert cls.__name__.removesuffix("Error").lower() == name.replace("_", "").lower()
    assert getattr(tf.errors, cls.__name__) is cls and issubclass(cls, tf.errors.OpError)
    assert tf.errors.error_code_from_exception_type(cls) == code
    op = tf.no_op()
    error = cls(op.node_def, op, "text")
    assert (str(error), error.message, error.op, error.error_code) == ("text", "text", op, code)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls and again.message == "text" and again.op is None


def test_message_layout():
    rows = [
        ("x", "'hidden:0'", "float32[3, 4]", "train.py:8"),
        ("y", "'bias:0'", "float32[5]", "train.py:9"),
    ]
    text = errors.format_message("Mul: no", rows, ("scale/mul_2", "train.py:36"), "reshape y")
    assert text == (
        "Mul: no\n"
        "  x   = 'hidden:0'  float32[3, 4]   made at train.py:8\n"
        "  y   = 'bias:0'    float32[5]      made at train.py:9\n"
        "  op  = 'scale/mul_2'               made at train.py:36\n"
        "  fix: reshape y"
    )
    assert errors.format_message("only a headline") == "only a headline"


def test_did_you_mean():
    assert errors.did_you_mean("MatMull", ["MatMul", "Mul"]) == "; did you mean 'MatMul'?"
    assert errors.did_you_mean("matmul", ["MatMul"]) == "; did you mean 'MatMul'?"
    assert errors.did_you_mean("zzz", ["MatMul"]) == ""


# ------------------------------------------------------------------------------------------ knobs


def test_override_is_undone():
    before = config.get("TARGET")
    with config.override(TARGET="reference", DISABLE=frozenset({"cse"})):
        assert config.get("TARGET") == "reference" and "cse" in config.get("DISABLE")
    assert config.get("TARGET") == before
    with pytest.raises(KeyError, match="did you mean 'TARGET'"), config.override(TARGTE="cpu"):
        pass


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("VERIFY", "2", 2), ("CHECK", "1", True), ("DISABLE", "fuse, cse", {"fuse", "cse"}),
        ("MAX_REWRITES", "7", 7), ("NUM_THREADS", "3", 3), ("CACHE_DIR", "", ""),
        ("TARGET", "", "cpu"), ("DUMP", "some/where", "some/where"), ("PROFILE", "0", False),
    ],
)  # fmt: skip
def test_environment_is_read(monkeypatch, name, text, value):
    monkeypatch.setenv(config.PREFIX + name, text)
    assert config._read(config.KNOBS[name]) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("VERIFY", "3"),
        ("CHECK", "yes"),
        ("TARGET", "gpu"),
        ("MAX_REWRITES", "-1"),
        ("NUM_THREADS", "x"),
    ],
)
def test_wrong_text_names_the_variable(monkeypatch, name, text):
    monkeypatch.setenv(config.PREFIX + name, text)
    with pytest.raises(ValueError, match=f"FLOWGRAPH_{name}='{text}'.*it takes"):
        config._read(config.KNOBS[name])


def test_defaults_are_usable():
    assert config._computed_default(config.KNOBS["NUM_THREADS"]) >= 1
    assert config._computed_default(config.KNOBS["CACHE_DIR"]).endswith("flowgraph")


def test_unknown_variable_is_reported(monkeypatch):
    monkeypatch.setenv("FLOWGRAPH_TARGT", "cpu")
    with pytest.raises(ValueError, match="FLOWGRAPH_TARGT; did you mean 'FLOWGRAPH_TARGET'"):
        config.check_environment()


# --------------------------------------------------------------------------------- public names


def test_unknown_public_names():
    with pytest.raises(AttributeError, match="'flowgraph' has no attribute 'Grahp'.*'Graph'"):
        tf.Grahp
    with pytest.raises(AttributeError, match=r"'flowgraph.initializers'.*'zeros'"):
        tf.initializers.zeroes
    assert tf.initializers.zeros is tf.zeros_initializer
    tf.model = 3  # programs do hang things on the module
    assert tf.model == 3
    del tf.model


def test_namespaces_are_importable():
    code = "import flowgraph.initializers as i; from flowgraph.errors import OpError; i.zeros"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_public_name_has_one_meaning():
    from flowgraph.graph.export import export_value

    with pytest.raises(ValueError, match="exported twice"):
        export_value(object(), "Graph")
