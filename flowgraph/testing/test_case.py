"""tf.test.TestCase: unittest's with sessions and assertions about arrays."""

# ruff: noqa: PT009, PT028  a TestCase asserts with its own methods

from __future__ import annotations

import functools
import os
import platform
import random
import re
import tempfile
import unittest
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from flowgraph.eager.modes import evaluated
from flowgraph.errors import OpError
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph, reset_default_graph
from flowgraph.graph.export import export, export_value
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.session import Session, get_default_session
from flowgraph.testing.assertions import Assertions

export_value(mock, "test.mock")

#: Seed of every test: of Python's, NumPy's and the graph's random numbers.
SEED = 87654321


@export("test.TestCase")
class TestCase(Assertions):
    """A test of a graph: every method starts with an empty default graph and fixed seeds."""

    __test__ = False  # pytest collects subclasses only

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__test__" not in vars(cls):
            cls.__test__ = True

    _cached: Session | None = None

    def setUp(self) -> None:
        """Seed the random numbers and make the default graph empty."""
        super().setUp()
        random.seed(SEED)
        np.random.seed(SEED)  # noqa: NPY002  programs under test may use it
        reset_default_graph()
        get_default_graph().seed = SEED

    def tearDown(self) -> None:
        """Close the session of ``cached_session``."""
        if self._cached is not None:
            self._cached.close()
            self._cached = None
        super().tearDown()

    def get_temp_dir(self) -> str:
        """A directory for files of this test."""
        return get_temp_dir()

    # ---- sessions

    @contextmanager
    def session(
        self,
        graph: Graph | None = None,
        config: Any = None,
        use_gpu: bool = False,
        force_gpu: bool = False,
    ) -> Iterator[Session]:
        """A new session, the default one of the block.

        Args:
            graph: to run; the default graph by default.   config: of the session.
            use_gpu, force_gpu: accepted, without effect.
        """
        with Session(graph=graph, config=config) as session:
            yield session

    @contextmanager
    def cached_session(
        self,
        graph: Graph | None = None,
        config: Any = None,
        use_gpu: bool = False,
        force_gpu: bool = False,
    ) -> Iterator[Session]:
        """The one session of this test method, the default one of the block.

        Arguments as of ``session``; those of the first call count.
        """
        if self._cached is None:
            self._cached = Session(graph=graph, config=config)
        with self._cached.as_default():
            yield self._cached

    def test_session(self, graph: Any = None, config: Any = None, use_gpu: bool = False,
                     force_gpu: bool = False) -> Any:  # fmt: skip
        """Older name of ``cached_session``; a session of its own where ``graph`` is given."""
        if self._testMethodName == "test_session":
            self.skipTest("named like a test, but it is none")
        if graph is None:
            return self.cached_session(graph, config, use_gpu, force_gpu)
        return self.session(graph, config, use_gpu, force_gpu)

    test_session.__test__ = False  # type: ignore[attr-defined]

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors (or nested lists and dicts of them) in the default session.

        In eager mode those that they have.
        """
        if get_default_graph().executes:
            return evaluated(tensors)
        session = get_default_session()
        if session is None:  # variables keep their values from one call to the next
            with self.cached_session() as cached:
                return cached.run(tensors)
        return session.run(tensors)

    def _value(self, item: Any) -> Any:
        """``item`` as an array, computed if it is a tensor."""
        if isinstance(item, (Tensor, SparseTensor, IndexedSlices)) or hasattr(
            item, "_as_graph_element"
        ):
            item = self.evaluate(item)
        return item if isinstance(item, np.ndarray) else np.asarray(item)

    # ---- assertions about arrays

    def _compare_all(self, a: Any, b: Any, compare: Any, path: str = "") -> None:
        """``compare`` arrays at equal places of two structures."""
        if isinstance(a, Mapping):
            self.assertIsInstance(b, Mapping, path)
            self.assertCountEqual(a.keys(), b.keys(), path)
            for key in a:
                self._compare_all(a[key], b[key], compare, f"{path}[{key!r}]")
            return
        if isinstance(a, (list, tuple)) and not _is_array_like(a):
            self.assertEqual(len(a), len(b), path)
            for i, (one, other) in enumerate(zip(a, b, strict=True)):
                self._compare_all(one, other, compare, f"{path}[{i}]")
            return
        compare(self._value(a), self._value(b), path)

    def assertAllClose(
        self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: str | None = None
    ) -> None:
        """``|a - b| <= atol + rtol |b|`` everywhere, NaN being close to NaN.

        Args:
            a, b: arrays, tensors, numbers, or lists and dicts of them.
            rtol, atol: the tolerances.   msg: put in front of the error.
        """

        def compare(one: Any, other: Any, path: str) -> None:
            self.assertEqual(one.shape, other.shape, f"{msg or ''} shapes differ {path}")
            np.testing.assert_allclose(
                one, other, rtol, atol, equal_nan=True, err_msg=f"{msg or ''} {path}"
            )

        self._compare_all(a, b, compare)

    def assertAllCloseAccordingToType(
        self,
        a: Any,
        b: Any,
        rtol: float = 1e-6,
        atol: float = 1e-6,
        float_rtol: float = 1e-6,
        float_atol: float = 1e-6,
        half_rtol: float = 1e-3,
        half_atol: float = 1e-3,
        bfloat16_rtol: float = 1e-2,
        bfloat16_atol: float = 1e-2,
        msg: str | None = None,
    ) -> None:
        """``assertAllClose`` with tolerances for the less precise of the two dtypes.

        Args:
            a, b: arrays or tensors.   msg: put in front of the error.
            rtol, atol: for float64; the others as their names say.
        """
        a, b = self._value(a), self._value(b)
        kinds = {a.dtype, b.dtype}
        if np.dtype(np.float32) in kinds:
            rtol, atol = max(rtol, float_rtol), max(atol, float_atol)
        if np.dtype(np.float16) in kinds:
            rtol, atol = max(rtol, half_rtol), max(atol, half_atol)
        self.assertAllClose(a, b, rtol, atol, msg)

    def assertAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Equal shapes and equal elements, NaN being equal to NaN.

        Args:
            a, b: arrays, tensors, or lists of them.   msg: put in front of the error.
        """
        one, other = _as_bytes(self._value(a)), _as_bytes(self._value(b))
        self.assertEqual(one.shape, other.shape, f"{msg or ''} shapes differ")
        np.testing.assert_array_equal(one, other, err_msg=msg or "")

    def assertNotAllClose(self, a: Any, b: Any, **kwargs: Any) -> None:
        """``assertAllClose(a, b)`` does not hold."""
        try:
            self.assertAllClose(a, b, **kwargs)
        except AssertionError:
            return
        raise AssertionError(f"{a!r} and {b!r} are close everywhere")

    def assertNotAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """``assertAllEqual(a, b)`` does not hold."""
        try:
            self.assertAllEqual(a, b)
        except AssertionError:
            return
        raise AssertionError(f"{msg or ''} {a!r} and {b!r} are equal everywhere")

    def assertNear(self, f1: float, f2: float, err: float, msg: str | None = None) -> None:
        """``|f1 - f2| <= err``, or both are equal (infinities)."""
        self.assertTrue(
            f1 == f2 or abs(f1 - f2) <= err, f"{msg or ''} |{f1!r} - {f2!r}| exceeds {err!r}"
        )

    def assertArrayNear(
        self, farray1: Sequence[float], farray2: Sequence[float], err: float, msg: str | None = None
    ) -> None:
        """``assertNear`` of every pair."""
        self.assertEqual(len(farray1), len(farray2), msg)
        for f1, f2 in zip(farray1, farray2, strict=True):
            self.assertNear(float(f1), float(f2), err, msg)

    def assertNDArrayNear(self, ndarray1: Any, ndarray2: Any, err: float, msg: str = "") -> None:
        """The Euclidean norm of the difference is below ``err``."""
        difference = float(np.linalg.norm(self._value(ndarray1) - self._value(ndarray2)))
        self.assertLess(difference, err, msg)

    def assertShapeEqual(self, np_array: np.ndarray, tf_tensor: Any, msg: str = "") -> None:
        """The shape of the array is the static shape of the tensor."""
        self.assertEqual(list(np_array.shape), tf_tensor.get_shape().as_list(), msg)

    def assertDTypeEqual(self, target: Any, expected_dtype: Any) -> None:
        """The array or tensor has this dtype."""
        self.assertEqual(
            self._value(target).dtype, np.dtype(getattr(expected_dtype, "np", expected_dtype))
        )

    def assertAllGreater(self, a: Any, comparison_target: Any) -> None:
        """All elements are greater than ``comparison_target``."""
        self.assertGreater(self._value(a).min(), comparison_target)

    def assertAllLess(self, a: Any, comparison_target: Any) -> None:
        """All elements are less than ``comparison_target``."""
        self.assertLess(self._value(a).max(), comparison_target)

    def assertAllGreaterEqual(self, a: Any, comparison_target: Any) -> None:
        """All elements are at least ``comparison_target``."""
        self.assertGreaterEqual(self._value(a).min(), comparison_target)

    def assertAllLessEqual(self, a: Any, comparison_target: Any) -> None:
        """All elements are at most ``comparison_target``."""
        self.assertLessEqual(self._value(a).max(), comparison_target)

    def assertAllInRange(
        self,
        target: Any,
        lower_bound: Any,
        upper_bound: Any,
        open_lower_bound: bool = False,
        open_upper_bound: bool = False,
    ) -> None:
        """All elements lie between the bounds, which count unless they are open."""
        values = self._value(target)
        above = values > lower_bound if open_lower_bound else values >= lower_bound
        below = values < upper_bound if open_upper_bound else values <= upper_bound
        self.assertTrue(bool(np.all(above & below)), f"{values} is not within the bounds")

    def assertAllInSet(self, target: Any, expected_set: Any) -> None:
        """All elements are among ``expected_set``."""
        found = set(self._value(target).reshape(-1).tolist())
        self.assertLessEqual(found, set(expected_set))

    def assertStartsWith(self, actual: str, expected_start: str, msg: str | None = None) -> None:
        """The text begins with ``expected_start``."""
        if not actual.startswith(expected_start):
            self.fail(f"{msg or ''} {actual!r} does not start with {expected_start!r}")

    def assertEmpty(self, container: Any, msg: str | None = None) -> None:
        """The container has no elements."""
        self.assertEqual(len(container), 0, msg)

    def assertNotEmpty(self, container: Any, msg: str | None = None) -> None:
        """The container has elements."""
        self.assertNotEqual(len(container), 0, msg)

    def assertLen(self, container: Any, expected_len: int, msg: str | None = None) -> None:
        """The container has so many elements."""
        self.assertEqual(len(container), expected_len, msg)

    def assertItemsEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """The same elements, in any order."""
        self.assertCountEqual(a, b, msg)

    def assertDeviceEqual(self, device1: Any, device2: Any, msg: str | None = None) -> None:
        """The same device, as text."""
        self.assertEqual(str(device1), str(device2), msg)

    @contextmanager
    def assertRaisesWithPredicateMatch(
        self, exception_type: type[BaseException], expected_err_re_or_predicate: Any
    ) -> Iterator[None]:
        """The block raises ``exception_type`` whose text matches, or for which the predicate holds.

        Args:
            exception_type: the class.
            expected_err_re_or_predicate: a regular expression, or a function of the exception.
        """
        try:
            yield
        except exception_type as error:
            if callable(expected_err_re_or_predicate):
                fits = expected_err_re_or_predicate(error)
            else:
                text = error.message if isinstance(error, OpError) else str(error)
                fits = re.search(expected_err_re_or_predicate, text)
            if not fits:
                raise AssertionError(f"another {exception_type.__name__}: {error}") from error
            return
        self.fail(f"{exception_type.__name__} is not raised")

    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> Any:
        """``assertRaisesWithPredicateMatch`` of tf.errors.OpError."""
        return self.assertRaisesWithPredicateMatch(OpError, expected_err_re_or_predicate)


def _is_array_like(items: Sequence[Any]) -> bool:
    """True for lists of numbers and texts; False where tensors, arrays or dicts are inside."""
    for item in items:
        if isinstance(item, (list, tuple)):
            if not _is_array_like(item):
                return False
        elif isinstance(item, (np.ndarray, Tensor, Operation, SparseTensor, Mapping)):
            return False
        elif hasattr(item, "_as_graph_element"):
            return False
    return True


def _as_bytes(array: np.ndarray) -> np.ndarray:
    """Texts as bytes, so that ``["a"]`` equals what a session gives."""
    if array.dtype.kind not in "US" and array.dtype != object:
        return array
    flat = [v.encode() if isinstance(v, str) else v for v in array.reshape(-1).tolist()]
    result = np.empty(len(flat), object)
    result[:] = flat
    return result.reshape(array.shape)


# --------------------------------------------------------------------------------------- functions

_temporary: tempfile.TemporaryDirectory | None = None


@export("test.get_temp_dir")
def get_temp_dir() -> str:
    """A directory for the files of tests; removed when the program ends."""
    global _temporary
    if _temporary is None:
        _temporary = tempfile.TemporaryDirectory(prefix="flowgraph_test_")
    return _temporary.name


@export("test.test_src_dir_path")
def test_src_dir_path(relative_path: str) -> str:
    """``relative_path`` within the directory of this package."""
    return os.path.join(os.path.dirname(os.path.dirname(__file__)), relative_path)


test_src_dir_path.__test__ = False  # type: ignore[attr-defined]


@export("test.main")
def main(argv: list[str] | None = None) -> None:
    """Run the tests of the program, as ``unittest.main``.

    Args:
        argv: the command line; ``sys.argv`` by default.
    """
    unittest.main(argv=argv)


@export("test.is_gpu_available")
def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: Any = None) -> bool:
    """Whether sessions run on a GPU: False.

    Args:
        cuda_only, min_cuda_compute_capability: accepted, without effect.
    """
    return False


@export("test.is_built_with_cuda", "test.is_built_with_gpu_support", "test.is_built_with_rocm",
        "test.is_built_with_xla")  # fmt: skip
def is_built_with_cuda() -> bool:
    """Whether sessions can run on such a device: False."""
    return False


@export("test.is_cpu_target_available")
def is_cpu_target_available(target: str) -> bool:
    """Whether code for a kind of processor can be made: that of this machine.

    Args:
        target: ``"x86_64"``, ``"aarch64"`` or their like.
    """
    own = platform.machine().lower()
    return target.lower() in (own, {"amd64": "x86_64", "arm64": "aarch64"}.get(own, own))


@export("test.disable_with_predicate")
def disable_with_predicate(pred: Any, skip_message: str) -> Any:
    """Decorator: skip a test where ``pred()`` holds.

    Args:
        pred: called when the test runs.
        skip_message: why it is skipped.
    """

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def test(self: Any, *args: Any, **kwargs: Any) -> Any:
            if pred():
                self.skipTest(skip_message)
            return function(self, *args, **kwargs)

        return test

    return decorate


@export("test.gpu_device_name")
def gpu_device_name() -> str:
    """The name of the GPU that sessions run on: ``""``."""
    return ""


@export("test.assert_equal_graph_def")
def assert_equal_graph_def(actual: Any, expected: Any, checkpoint_v2: bool = False,
                           hash_table_shared_name: bool = False) -> None:  # fmt: skip
    """Both GraphDefs hold the same nodes, in any order.

    Args:
        actual, expected: GraphDefs.
        checkpoint_v2, hash_table_shared_name: accepted, without effect.

    Raises:
        AssertionError: they differ.
    """
    one, other = (
        {node.name: str(node) for node in getattr(graph, "node", graph)}
        for graph in (actual, expected)
    )
    differing = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    if differing:
        name = differing[0]
        raise AssertionError(f"node {name!r}: {one.get(name)} is not {other.get(name)}")
