"""Small switches around eager execution, and tests that run in both modes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from flowgraph.eager.context import eager_mode, enable_eager_execution
from flowgraph.eager.tensor import EagerTensor
from flowgraph.eager.variables import EagerVariable
from flowgraph.graph.core import Graph
from flowgraph.graph.export import EXPORTS, export, export_value
from flowgraph.graph.indexed_slices import IndexedSlices, IndexedSlicesValue
from flowgraph.graph.sparse_tensor import SparseTensor, SparseTensorValue
from flowgraph.ops.nest import map_structure

#: Operations are computed when they are called; ASYNC is accepted and means the same.
SYNC, ASYNC = 0, 1
export_value(SYNC, "contrib.eager.SYNC")
export_value(ASYNC, "contrib.eager.ASYNC")


@export("contrib.eager.execution_mode")
@contextlib.contextmanager
def execution_mode(mode: int | None) -> Iterator[None]:
    """Context manager: accepted; operations are computed when they are called.

    Args:
        mode: tf.contrib.eager.SYNC, ASYNC or None.

    Raises:
        ValueError: it is none of these.
    """
    set_execution_mode(mode)
    yield


@export("contrib.eager.set_execution_mode")
def set_execution_mode(mode: int | None) -> None:
    """Accepted; operations are computed when they are called.

    Args:
        mode: tf.contrib.eager.SYNC, ASYNC or None.

    Raises:
        ValueError: it is none of these.
    """
    if mode not in (None, SYNC, ASYNC):
        raise ValueError(f"Execution mode should be None/SYNC/ASYNC. Got {mode}")


@export("contrib.eager.get_execution_mode")
def get_execution_mode() -> int:
    """tf.contrib.eager.SYNC."""
    return SYNC


@export("contrib.eager.async_wait")
def async_wait() -> None:
    """Wait for operations that are still running: there are none."""


@export("contrib.eager.async_clear_error")
def async_clear_error() -> None:
    """Forget errors of operations that ran behind the program: there are none."""


@export("contrib.eager.ensure_initialized")
def ensure_initialized() -> None:
    """Make eager execution ready: it is."""


@export("contrib.eager.get_optimizer_variables")
def get_optimizer_variables(optimizer: Any) -> list[Any]:
    """The variables that an optimizer keeps.

    Args:
        optimizer: a tf.train.Optimizer.
    """
    found: list[Any] = optimizer.variables()
    return found


@export("contrib.eager.run")
def run(main: Callable[..., Any] | None = None, argv: list[str] | None = None) -> None:
    """``tf.app.run(main, argv)`` with eager execution enabled.

    Args:
        main: the function to call.   argv: the words of the command line.
    """
    enable_eager_execution()
    EXPORTS["app.run"](main, argv)


# ----------------------------------------------------------------------------------- in both modes


def evaluated(value: Any) -> Any:
    """Eager tensors and variables, also in lists and dicts, as arrays."""

    def one(item: Any) -> Any:
        if isinstance(item, (EagerTensor, EagerVariable)):
            return item.numpy()
        if isinstance(item, IndexedSlices):
            parts = (item.values, item.indices, item.dense_shape)
            return IndexedSlicesValue(*(None if part is None else one(part) for part in parts))
        if isinstance(item, SparseTensor):
            return SparseTensorValue(*map(one, (item.indices, item.values, item.dense_shape)))
        return item() if callable(item) else item

    return map_structure(one, value)


@export("contrib.eager.run_test_in_graph_and_eager_modes")
def run_in_graph_and_eager_modes(
    func: Callable[..., Any] | None = None,
    config: Any = None,
    use_gpu: bool = True,
    reset_test: bool = True,
    assert_no_eager_garbage: bool = False,
) -> Any:
    """Decorator of a test method: it runs twice, building a graph and executing at once.

    Args:
        func: the method of a tf.test.TestCase; it asks ``self.evaluate`` for values.
        config, use_gpu, assert_no_eager_garbage: accepted.
        reset_test: whether ``setUp`` and ``tearDown`` run for both.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def decorated(self: Any, *args: Any, **kwargs: Any) -> None:
            with Graph().as_default(), self.test_session(config=config):
                method(self, *args, **kwargs)
            if reset_test:
                self.tearDown()
                self._cached = None
                self.setUp()
            with eager_mode():
                method(self, *args, **kwargs)

        return decorated

    return decorate if func is None else decorate(func)


@export("contrib.eager.run_all_tests_in_graph_and_eager_modes")
def run_all_tests_in_graph_and_eager_modes(cls: type) -> type:
    """Decorator of a class: all its test methods run in both modes.

    Args:
        cls: a tf.test.TestCase.
    """
    for name, method in list(vars(cls).items()):
        if callable(method) and name.startswith("test") and name != "test_session":
            setattr(cls, name, run_in_graph_and_eager_modes(method))
    return cls


@export("contrib.eager.Saver")
class Saver:
    """Saves and restores eager variables.

    Args:
        var_list: the variables: a list, or a dict by name in the checkpoint.
    """

    def __init__(self, var_list: Any) -> None:
        self._saver = EXPORTS["train.Saver"](var_list)

    def save(self, file_prefix: str, global_step: Any = None) -> Any:
        """Write a checkpoint; its path.

        Args:
            file_prefix: the path, without endings.   global_step: a number behind it.
        """
        with eager_mode():
            return self._saver.save(None, file_prefix, global_step=global_step)

    def restore(self, file_prefix: str) -> None:
        """Set the variables to the values of a checkpoint.

        Args:
            file_prefix: what ``save`` returned.
        """
        with eager_mode():
            self._saver.restore(None, file_prefix)
