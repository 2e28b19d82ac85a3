"""Op records and public functions against real TensorFlow.

Of every record and sample: values, dtypes, static shapes, gradients; of every error sample: whether
TensorFlow refuses it too, and when; of every public function: the names of its arguments.

    FLOWGRAPH_TENSORFLOW=/path/to/python pytest -m peers tests/peers

names the interpreter of an environment with TensorFlow 2 (its compat.v1 is the oracle); the default
run leaves these tests out.  The samples of all records selected (-k) travel to one TensorFlow
process at once.
What differs on purpose stands in DIFFERENT, with its reason.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import pickle
import re
import signal
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import (
    SOURCES,
    build,
    evaluate,
    first_unknown,
    known,
    positions,
    records,
    unknown_sizes,
)

import flowgraph as tf
from flowgraph.dtypes import DType
from flowgraph.errors import OpError
from flowgraph.graph.opdef import (
    HOST,
    RANDOM,
    WRITE,
    ErrorSample,
    NotDifferentiable,
    OpDef,
    Sample,
)

pytestmark = pytest.mark.peers

PEER = os.environ.get("FLOWGRAPH_TENSORFLOW", "")

_OF_HANDLES = re.compile("Queue|Reader|Accumulator|Mutex|[Ss]tage|Session(Handle|Tensor)")

#: Ops whose results depend on random bits or on the outside world.
UNCOMPARED = {
    "PyFunc": "calls Python", "PyFuncStateless": "calls Python", "EagerPyFunc": "calls Python",
    "Print": "writes", "PrintV2": "writes", "Assert": "no result", "Timestamp": "the time",
    "Abort": "ends the process", "Const": "its value is an attr",
    "MergeV2Checkpoints": "moves files",
    **dict.fromkeys(
        ("IteratorV2", "OneShotIterator", "MakeIterator", "IteratorGetNext",
         "DatasetToSingleElement", "IteratorToStringHandle", "IteratorFromStringHandleV2"),
        "handles are strings here; compared in tests/data",
    ),
    **dict.fromkeys(
        (o.type for o in records() if o.effect == HOST and _OF_HANDLES.search(o.type)),
        "handles are strings here; compared in tests/queues",
    ),
}  # fmt: skip

#: (op type, what) -> why it differs on purpose; what: values, dtypes, shapes, gradients, error.
DIFFERENT: dict[tuple[str, str], str] = {
    ("CTCBeamSearchDecoder", "error"): "a batch may be empty",
    ("CTCLoss", "error"): "a batch may be empty",
    ("StatelessRandomBinomial", "values"): "TensorFlow's only where n min(p, 1 - p) >= 10",
    ("AvgPoolGrad", "error"): "TensorFlow's second order fails for windows along the channels",
    ("Conv2D", "error"): "no channels give zeros",
    ("Conv2DBackpropFilter", "error"): "channels may be in groups, or none",
    ("Conv2DBackpropInput", "error"): "no channels give zeros",
    **dict.fromkeys(
        (
            ("DepthwiseConv2dNative", "gradients"),
            ("DepthwiseConv2dNativeBackpropFilter", "values"),
            ("DepthwiseConv2dNativeBackpropInput", "gradients"),
        ),
        "TensorFlow does not set the filter's gradient of an empty batch",
    ),
    **{
        (f"Fractional{kind}Pool", what): why
        for kind in ("Avg", "Max")
        for what, why in (
            ("shapes", "a sequence has one number more than TensorFlow's static shape says"),
            ("error", "later versions refuse seeds without deterministic=True"),
        )
    },
    ("FusedBatchNorm", "gradients"): "as of FusedBatchNormV2",
    ("FusedBatchNorm", "values"): "as of FusedBatchNormV2",
    **{
        (f"MaxPool{which}", "values"): "NaN is passed on"
        for which in ("", "V2", "Grad", "GradV2", "GradGrad", "GradGradV2", "WithArgmax")
    },
    **dict.fromkeys(
        (("MaxPoolGrad", "gradients"), ("MaxPoolGradV2", "gradients")),
        "TensorFlow writes zeros over its input where that has the size of the result",
    ),
    ("MaxPoolWithArgmax", "error"): "windows along the channels have a gradient, and a batch may "
    "be empty",
    ("ApproximateEqual", "error"): "TensorFlow declares integers and has no kernel for them",
    ("CropAndResize", "error"): "a box of NaN gives the extrapolation value here",
    ("CropAndResizeGradImage", "values"): "float64 is computed in float64 here",
    ("BatchToSpaceND", "error"): "the size of block_shape need not be known",
    ("Cumprod", "gradients"): "right where elements are 0",
    ("CumulativeLogsumexp", "values"): "NaN is passed on",
    ("DecodeAndCropJpeg", "values"): "as of DecodeJpeg",
    ("DecodeJpeg", "values"): "Pillow computes accurately, TensorFlow's default fast",
    ("EncodePng", "values"): "the same image, compressed otherwise",
    ("ImageSummary", "values"): "as of EncodePng",
    ("ExtractGlimpse", "values"): "noise outside the image; its own, the same in every run",
    ("ExtractGlimpseV2", "values"): "as of ExtractGlimpse",
    ("ExtractImagePatches", "error"): "patches of no images have a gradient here",
    ("FusedBatchNormV2", "gradients"): "the statistics of a batch have a gradient here",
    ("FusedBatchNormV2", "values"): "the reserved outputs of inference hold the statistics given; "
    "TensorFlow leaves them unset, and its statistics of an empty batch are NaN",
    ("FusedBatchNormV3", "gradients"): "as of FusedBatchNormV2",
    ("FusedBatchNormV3", "values"): "as of FusedBatchNormV2; the last output, cuDNN's, is empty",
    ("BesselY1", "values"): "at 0 TensorFlow says -inf of float64, NaN of float32",
    ("DecodeJSONExample", "values"): "lists of numbers are packed; both say the same",
    ("GatherNd", "error"): "an index vector that names one element has a gradient here",
    **{
        (f"Matrix{op}{version}", what): why
        for op in ("Diag", "DiagPart", "SetDiag")
        for version in ("V2", "V3")
        for what, why in (
            ("gradients", "the padding value has a gradient here"),
            ("error", "TensorFlow's shape rule fails where the number of rows is unknown"),
            ("shapes", "TensorFlow takes unknown sizes for 0"),
        )
    },
    ("MatrixExponential", "error"): "TensorFlow 2 composes it",
    ("MatrixSolveLs", "error"): "TensorFlow has a gradient for known sizes and fast=True only",
    ("MatrixSquareRoot", "values"): "the root of zeros is zeros",
    ("MirrorPad", "error"): "an axis of size 0 can have a frame of 0",
    ("MirrorPadGrad", "error"): "an axis of size 0 can have a frame of 0",
    ("HSVToRGB", "gradients"): "it has a gradient here",
    ("NthElement", "values"): "NaN comes last",
    ("PadV2", "gradients"): "the padding value has a gradient here",
    ("Qr", "error"): "it has a gradient where sizes are unknown, too",
    ("Round", "values"): "integers stay as they are; TensorFlow 2.21 gives zeros",
    **{
        (f"{kind}{which}", "values"): "NaN is passed on"
        for kind in ("Segment", "UnsortedSegment")
        for which in ("Max", "Min")
    },
    ("ScatterNd", "error"): "index tuples of no numbers name the whole tensor",
    **{
        (f"SparseSegment{which}{more}", what): "no rows chosen: TensorFlow reads unset memory"
        for which in ("Sum", "Mean", "SqrtN")
        for more, what in (("", "gradients"), ("WithNumSegments", "gradients"), ("Grad", "values"))
    },
    ("SpaceToBatchND", "error"): "the size of block_shape need not be known",
    ("SparseAddGrad", "gradients"): "it has one here",
    ("SparseDenseCwiseAdd", "error"): "it has a gradient here",
    ("SparseDenseCwiseMul", "error"): "a scalar beside a sparse tensor has a gradient here",
    ("SparseDenseCwiseDiv", "error"): "a scalar beside a sparse tensor has a gradient here",
    ("SparseToDense", "error"): "indices that are no matrix have a gradient here",
    ("TopKV2", "values"): "NaN comes last",
    ("UnravelIndex", "error"): "no indices have no coordinates",
    **{
        (op, what): "signs of vectors; outputs that are not wanted are empty vectors"
        for op in ("SelfAdjointEigV2", "Svd")
        for what in ("values", "gradients")
    },
    ("Svd", "error"): "it has a gradient where sizes are unknown, too",
    ("SoftmaxCrossEntropyWithLogits", "gradients"): "output 1 depends on the labels too, and "
    "labels that were broadcast get their sum",
}

#: What TensorFlow says where only its GPU build has a kernel.
ONLY_ON_GPU = re.compile(
    "No OpKernel was regis|only supports? ND?HWC|Current (CPU )?implementations? (does|do|only)|"
    "not supported on CPU"
)

#: (relative, absolute) by dtype.
TOLERANCE = {"float64": (1e-7, 1e-9), "float32": (1e-4, 1e-5), "float16": (2e-2, 2e-2)}


def _plain(value: Any) -> Any:
    """An attr as TensorFlow's generated functions take it; dtypes by name on the other side."""
    if isinstance(value, DType):
        return np.dtype(object if value.name == "string" else value.name)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def case_of(op: OpDef, sample: Sample | ErrorSample, shape: Any) -> dict[str, Any]:
    """What travels."""
    found: list[tuple[str, bool, list]] = [(a.name, a.is_list, []) for a in op.signature.inputs]
    wanted = []
    for k, (i, array, is_ref) in enumerate(positions(op, sample)):
        const = i in sample.const
        found[i][2].append((array, const, is_ref, shape(array.shape)))
        if array.dtype.kind == "f" and not const and not is_ref:
            chosen = getattr(sample, "differentiable", ())
            if chosen is None or i in chosen:
                wanted.append(k)
    if isinstance(op.grad, NotDifferentiable) or op.effect in (WRITE, RANDOM, HOST):
        wanted = []
    attrs = {}
    for name, value in sample.attrs.items():
        attrs[name] = _plain(value)
    return {"type": op.type, "inputs": found, "attrs": attrs, "gradients": tuple(wanted)}


def _compared() -> list[OpDef]:
    return [o for o in records() if o.type not in UNCOMPARED and o.type not in SOURCES]


@cache
def answers(types: frozenset[str]) -> dict[tuple[str, int], dict[str, Any]]:
    """TensorFlow's answers, by op type and number of the sample."""
    keys, cases = [], []
    for op in _compared():
        for number, sample in enumerate(op.samples if op.type in types else ()):
            keys.append((op.type, number))
            cases.append(case_of(op, sample, first_unknown))
    return dict(zip(keys, _answered(cases), strict=True))


@cache
def refusals(types: frozenset[str]) -> dict[tuple[str, int], dict[str, Any]]:
    """TensorFlow's answers to the error samples."""
    keys, cases = [], []
    for op in _compared():
        for number, sample in enumerate(op.errors if op.type in types else ()):
            keys.append((op.type, number))
            cases.append(case_of(op, sample, known if sample.stage == "build" else unknown_sizes))
    return dict(zip(keys, _answered(cases), strict=True))


def _answered(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """TensorFlow's answers; a case that ends its process is one that it refuses."""
    found: list[dict[str, Any]] = []
    while len(found) < len(cases):
        done, written = _worker("tensorflow_worker.py", pickle.dumps(cases[len(found) :]))
        before, stream = len(found), io.BytesIO(written)
        while stream.tell() < len(written):
            found.append(pickle.load(stream))
        if done.returncode >= 0:
            assert done.returncode == 0, done.stderr.decode()[-2000:]
        elif len(found) < len(cases):
            name = signal.Signals(-done.returncode).name
            found.append({"error": ("Fatal", f"{name} after {len(found) - before} cases")})
    return found


def _worker(script: str, given: bytes) -> tuple[subprocess.CompletedProcess[bytes], bytes]:
    """How a script of this folder ended in TensorFlow's environment, and what it wrote."""
    with tempfile.NamedTemporaryFile() as file:
        done = subprocess.run(
            [PEER, str(Path(__file__).with_name(script)), file.name],
            input=given,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        return done, Path(file.name).read_bytes()


def differences(op: OpDef, sample: Sample, peer: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, how) for everything that is not as TensorFlow has it."""
    gradients: list[Any] = []
    try:
        case = build(op, sample, shape=first_unknown)
        wanted = case_of(op, sample, first_unknown)["gradients"]
        with case.graph.as_default():
            if wanted:
                floats = [y for y in case.outputs if y.dtype.is_floating]
                total = tf.add_n([tf.cast(tf.reduce_sum(tf.sin(y)), tf.float64) for y in floats])
                by = [case.inputs[k] for k in wanted]
                gradients = [
                    None if g is None else tf.convert_to_tensor(g) for g in tf.gradients(total, by)
                ]
        session = tf.Session(graph=case.graph)
        values = evaluate(case, session.run)
        slopes = session.run([g for g in gradients if g is not None], case.feeds)
    except (OpError, ValueError, TypeError, NotImplementedError) as error:
        if "error" in peer:
            return []
        return [("error", f"{type(error).__name__} here: {error}")]
    if "error" in peer:
        if peer["error"][0] == "UnimplementedError" or ONLY_ON_GPU.search(peer["error"][1]):
            return []
        return [("error", f"in TensorFlow: {' '.join(peer['error'])[:200]}")]
    found = []
    for k, (mine, theirs) in enumerate(zip(values, peer["values"], strict=False)):
        if case.outputs and op.effect != RANDOM:
            found += _unequal("values", k, mine, theirs)
    dtypes = [y.dtype.base_dtype.name for y in case.outputs]
    if dtypes != peer["dtypes"]:
        found.append(("dtypes", f"{dtypes} for {peer['dtypes']}"))
    for k, (y, theirs) in enumerate(zip(case.outputs, peer["shapes"], strict=False)):
        if _knows_less(y.dims, theirs):
            found.append(("shapes", f"output {k}: {y.dims}, TensorFlow knows {theirs}"))
    rest = iter(slopes)
    if peer["gradients"] is None:  # no gradient there; ours is checked against the slope
        return found
    for k, (g, theirs) in enumerate(zip(gradients, peer["gradients"], strict=True)):
        mine = None if g is None else next(rest)
        if (mine is None) != (theirs is None):
            found.append(("gradients", f"{k}: {mine} for {theirs}"))
        elif mine is not None:
            found += _unequal("gradients", k, np.asarray(mine), theirs)
    return found


def _unequal(what: str, k: int, mine: np.ndarray, theirs: np.ndarray) -> list[tuple[str, str]]:
    if mine.shape != theirs.shape:
        return [(what, f"{k}: shape {mine.shape} for {theirs.shape}")]
    try:
        if theirs.dtype.kind in "fc":
            rtol, atol = TOLERANCE.get(theirs.real.dtype.name, (0, 0))
            np.testing.assert_allclose(mine, theirs, rtol, atol, equal_nan=True)
        else:
            np.testing.assert_array_equal(mine, theirs)
    except AssertionError as error:
        return [(what, f"{k}: " + " ".join(str(error).split())[:300])]
    return []


def _knows_less(mine: Any, theirs: Any) -> bool:
    if theirs is None:
        return False
    if mine is None or len(mine) != len(theirs):
        return True
    return any(t is not None and m != t for m, t in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("op", _compared(), ids=lambda op: op.type)
def test_is_as_in_tensorflow(op: OpDef, selected: frozenset[str]) -> None:
    if not PEER:
        pytest.skip("FLOWGRAPH_TENSORFLOW names no interpreter with TensorFlow")
    missing = answers(selected)[op.type, 0].get("error", ("",))[0] == "Missing"
    if missing:
        pytest.skip(f"TensorFlow 2 has no raw op {op.type}")
    told = []
    for number, sample in enumerate(op.samples):
        if any(name.startswith("_") for name in sample.attrs):
            continue  # an attr that only this library has
        for what, how in differences(op, sample, answers(selected)[op.type, number]):
            if (op.type, what) not in DIFFERENT:
                told.append(f"sample {number}, {what}: {how}")
    if told:
        pytest.fail("\n".join(told), pytrace=False)


#: (op type, number of the error sample) -> why TensorFlow accepts it, or refuses it earlier.
STRICTER: dict[tuple[str, int], str] = {
    ("Cholesky", 2): "TensorFlow 1.15 raises it too, later ones give NaN",
    ("MatrixTriangularSolve", 2): "TensorFlow 1.15 raises it too, later ones give infinities",
    ("Conv2D", 16): "TensorFlow gives an empty result when the filter is the greater one",
    ("Dilation2D", 2): "as of Conv2D",
    ("Dilation2D", 3): "rates of 0 are refused",
    ("DecodeBmp", 0): "TensorFlow 2.21 reads beyond the pixels there are",
    ("ExtractGlimpse", 3): "windows without pixels are an error here",
    ("ExtractGlimpseV2", 3): "as of ExtractGlimpse",
    ("SampleDistortedBoundingBox", 2): "a range that is not in order is an error here",
    ("SampleDistortedBoundingBoxV2", 2): "as of SampleDistortedBoundingBox",
    ("DecodeCompressed", 2): "TensorFlow gives what there is of data whose end is missing",
    ("ParseSingleExample", 2): "TensorFlow's fast parser passes over some damage",
    ("ImageSummary", 5): "bad_color is not passed on as a TensorProto",
    ("TensorSummaryV2", 1): "TensorFlow passes over metadata that it cannot read",
    ("RegexReplace", 2): "TensorFlow leaves the text as it is, or writes half of the rewrite",
    ("ExtractImagePatches", 0): "a window that does not fit is an error here, not an empty result",
    ("ExtractVolumePatches", 0): "as of ExtractImagePatches",
    ("ImageProjectiveTransformV2", 2): "an interpolation that there is not is an error here",
    ("ResizeBicubicGrad", 1): "channels that differ are an error here",
    ("ResizeBilinearGrad", 1): "as of ResizeBicubicGrad",
    ("SpaceToBatchND", 5): "TensorFlow must know the size of block_shape when building",
    **dict.fromkeys(
        (
            ("SparseAdd", 2), ("SparseReduceMax", 1), ("SparseReduceMaxSparse", 1),
            ("SparseReduceSum", 1), ("SparseReduceSumSparse", 1), ("SparseSoftmax", 1),
            ("SparseSoftmax", 2), ("SerializeSparse", 0), ("SparseReorder", 0),
            ("SparseReshape", 2), ("SparseSlice", 1),
        ),
        "sparse indices outside the shape, or out of order, are written somewhere",
    ),
}  # fmt: skip


@pytest.mark.parametrize("op", [o for o in _compared() if o.errors], ids=lambda op: op.type)
def test_refuses_what_tensorflow_refuses(op: OpDef, selected: frozenset[str]) -> None:
    if not PEER:
        pytest.skip("FLOWGRAPH_TENSORFLOW names no interpreter with TensorFlow")
    told = []
    for number, sample in enumerate(op.errors):
        name, text = refusals(selected)[op.type, number].get("error", ("nothing", ""))
        if name == "Missing":
            pytest.skip(f"TensorFlow 2 has no op {op.type}")
        # NB: what is known to fail may be refused before the run (docs/differences.md), not after.
        later = name in ("ValueError", "TypeError") and sample.stage == "run"
        if (op.type, number) not in STRICTER and (name == "nothing" or later):
            told.append(f"sample {number} ({sample.stage}): TensorFlow raises {name} {text[:200]}")
    if told:
        pytest.fail("\n".join(told), pytrace=False)


#: Arguments that came after TensorFlow 1.15, and those that TensorFlow 2 dropped.
LATER = frozenset(
    ("layout", "bad_indices_policy", "output_type", "grad_a", "grad_b", "sparse_gradient", "warn",
     "precision", "axis", "stateful", "perturb_singular", "exponential_avg_factor", "sorted_input",
     "canonicalized_coordinates", "tile_size", "return_index_map",
     "allow_fast_lookup", "alg", "index_type", "fn_output_signature", "fallback_to_while_loop",
     "separator", "jit_compile", "reduce_retracing", "experimental_implements",
     "experimental_attributes", "experimental_compile", "experimental_follow_type_hints",
     "experimental_autograph_options", "args", "kwargs")
)  # fmt: skip
DROPPED = frozenset(("_sentinel", "args", "kwargs", "settings"))


def test_functions_take_tensorflows_arguments() -> None:
    if not PEER:
        pytest.skip("FLOWGRAPH_TENSORFLOW names no interpreter with TensorFlow")
    told = []
    done, written = _worker("signatures_worker.py", b"")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    for path, theirs in json.loads(written).items():
        value: Any = tf
        try:
            for name in path.split("."):
                value = getattr(value, name)
            mine = list(inspect.signature(value).parameters)
        except (AttributeError, TypeError, ValueError):
            continue  # not there (docs/differences.md), or a class
        missing = [n for n in theirs if n not in mine and n not in LATER]
        shared = [n for n in theirs if n in mine]
        if DROPPED.intersection(mine) - {"_sentinel"}:
            continue  # passes on what it gets
        if missing or shared != [n for n in mine if n in theirs]:
            told.append(f"{path}: {theirs} in TensorFlow, {mine} here")
    assert not told, "\n".join(told)
