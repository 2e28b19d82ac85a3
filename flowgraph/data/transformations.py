"""tf.data.experimental and tf.contrib.data: transformations for ``Dataset.apply``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from flowgraph.data.dataset import AUTOTUNE, Dataset
from flowgraph.data.functions import Function
from flowgraph.data.node import Component, Element, Env, Node, bad, count_argument
from flowgraph.data.order import Words
from flowgraph.data.reduction import single_element
from flowgraph.data.steps import Filter, IgnoreErrors, Scan
from flowgraph.data.structure import Leaf, compatible, component, flatten, map_leaves
from flowgraph.dtypes import int64
from flowgraph.graph.export import export
from flowgraph.ops.random_seeds import get_seed, seeds_of

Transformation = Callable[[Dataset], Dataset]


@export("data.experimental.shuffle_and_repeat", "contrib.data.shuffle_and_repeat")
def shuffle_and_repeat(buffer_size: Any, count: Any = None, seed: Any = None) -> Transformation:
    """For ``apply``: ``shuffle(buffer_size, seed).repeat(count)``.

    Args:
        buffer_size: how many elements to choose from.
        count: how often; None or -1: without end.
        seed: of the order.
    """
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


@export("data.experimental.map_and_batch", "contrib.data.map_and_batch")
def map_and_batch(
    map_func: Callable[..., Any],
    batch_size: Any,
    num_parallel_batches: Any = None,
    drop_remainder: Any = False,
    num_parallel_calls: Any = None,
) -> Transformation:
    """For ``apply``: ``map(map_func, num_parallel_calls).batch(batch_size, drop_remainder)``.

    Args:
        map_func: from an element to another.
        batch_size: elements of a batch.
        num_parallel_batches: instead of num_parallel_calls: batches prepared at a time.
        drop_remainder: True leaves out a last batch that is smaller.
        num_parallel_calls: how many elements are computed at a time.
    """
    if num_parallel_batches is not None and num_parallel_calls is not None:
        raise ValueError(
            "The `num_parallel_batches` and `num_parallel_calls` arguments are mutually exclusive."
        )
    calls = AUTOTUNE if num_parallel_batches is not None else num_parallel_calls
    return lambda dataset: dataset.map(map_func, calls).batch(batch_size, drop_remainder)


@export("contrib.data.batch_and_drop_remainder")
def batch_and_drop_remainder(batch_size: Any) -> Transformation:
    """For ``apply``: ``batch(batch_size, drop_remainder=True)``.

    Args:
        batch_size: elements of a batch.
    """
    return lambda dataset: dataset.batch(batch_size, True)


@export("contrib.data.padded_batch_and_drop_remainder")
def padded_batch_and_drop_remainder(
    batch_size: Any, padded_shapes: Any, padding_values: Any = None
) -> Transformation:
    """For ``apply``: ``padded_batch(..., drop_remainder=True)``.

    Args:
        batch_size: elements of a batch.
        padded_shapes: the shapes to pad to.
        padding_values: what to pad with.
    """
    return lambda dataset: dataset.padded_batch(batch_size, padded_shapes, padding_values, True)


@export("data.experimental.unbatch", "contrib.data.unbatch")
def unbatch() -> Transformation:
    """For ``apply``: the rows of every element, one by one."""
    return lambda dataset: dataset.unbatch()


@export("data.experimental.enumerate_dataset", "contrib.data.enumerate_dataset")
def enumerate_dataset(start: Any = 0) -> Transformation:
    """For ``apply``: ``enumerate(start)``.

    Args:
        start: the first number.
    """
    return lambda dataset: dataset.enumerate(start)


@export("data.experimental.ignore_errors", "contrib.data.ignore_errors")
def ignore_errors() -> Transformation:
    """For ``apply``: the elements that could be computed; the others are left out."""
    return lambda dataset: Dataset(IgnoreErrors(dataset._node))


@export("data.experimental.take_while")
def take_while(predicate: Callable[..., Any]) -> Transformation:
    """For ``apply``: the elements before the first for which ``predicate`` is False.

    Args:
        predicate: from an element to a scalar bool.
    """

    def transform(dataset: Dataset) -> Dataset:
        function = Function(predicate, dataset._node.structure, "TakeWhile")
        return Dataset(Filter(dataset._node, function, stop=True))

    return transform


@export("data.experimental.scan", "contrib.data.scan")
def scan(initial_state: Any, scan_func: Callable[..., Any]) -> Transformation:
    """For ``apply``: elements that depend on those before.

    Args:
        initial_state: tensors, or tuples and dicts of them.
        scan_func: ``scan_func(state, element)`` returns (next state, new element).
    """

    def transform(dataset: Dataset) -> Dataset:
        nested = map_leaves(component, initial_state)
        state = map_leaves(lambda c: Leaf(c.dtype, c.dims), nested)
        function = Function(scan_func, (state, dataset._node.structure), "Scan")
        return Dataset(Scan(dataset._node, function, flatten(nested), state))

    return transform


@export("data.experimental.parallel_interleave", "contrib.data.parallel_interleave")
def parallel_interleave(
    map_func: Callable[..., Any],
    cycle_length: Any,
    block_length: Any = 1,
    sloppy: Any = False,
    buffer_output_elements: Any = None,
    prefetch_input_elements: Any = None,
) -> Transformation:
    """For ``apply``: ``interleave(map_func, cycle_length, block_length)``.

    Args:
        map_func: from an element to a Dataset.
        cycle_length: how many datasets are open at a time.
        block_length: how many elements of one come before the next one's.
        sloppy: accepted; the order is always the same.
        buffer_output_elements, prefetch_input_elements: accepted.
    """
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length)


@export(
    "data.experimental.copy_to_device", "data.experimental.prefetch_to_device",
    "contrib.data.prefetch_to_device",
)  # fmt: skip
def prefetch_to_device(device: Any, buffer_size: Any = None) -> Transformation:
    """For ``apply``: ``prefetch(buffer_size)``; there is one device.

    Args:
        device: accepted.
        buffer_size: how many elements may wait.
    """
    return lambda dataset: dataset.prefetch(AUTOTUNE if buffer_size is None else buffer_size)


@export("data.experimental.get_single_element", "contrib.data.get_single_element")
def get_single_element(dataset: Dataset) -> Any:
    """The only element of a dataset, as tensors.

    Args:
        dataset: a Dataset.

    Raises:
        InvalidArgumentError: it has none, or several (when run).
    """
    return single_element(dataset._node)


class _Chosen(Node):
    """Elements of several datasets, which one each time being told by numbers."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        for node in nodes[1:]:
            if not compatible(nodes[0].structure, node.structure):
                raise TypeError(
                    "the datasets have elements of different types or structure: "
                    f"{nodes[0].structure!r} and {node.structure!r}"
                )
        self.inputs, self.structure = tuple(nodes), nodes[0].structure
        self.count = len(nodes)

    def choices(self, env: Env) -> Iterator[int]:
        """The numbers."""
        raise NotImplementedError

    def iterate(self, env: Env) -> Iterator[Element]:
        """The elements, until all datasets end; those that have ended are passed over."""
        streams = [node.iterate(env) for node in self.inputs[: self.count]]
        left = set(range(self.count))
        for number in self.choices(env):
            if not 0 <= number < self.count:
                raise bad(f"there is no dataset number {number}: there are {self.count}")
            for element in streams[number]:
                yield element
                break
            else:
                left.discard(number)
                if not left:
                    return


class _ByDataset(_Chosen):
    def __init__(self, nodes: Sequence[Node], choice: Node) -> None:
        super().__init__(nodes)
        if choice.structure != Leaf(int64, ()):
            raise TypeError("choice_dataset must be a dataset of scalar int64")
        self.inputs = (*self.inputs, choice)

    def choices(self, env: Env) -> Iterator[int]:
        """Those of the dataset."""
        return (int(value) for (value,) in self.inputs[-1].iterate(env))


class _ByChance(_Chosen):
    def __init__(self, nodes: Sequence[Node], weights: Component, seeds: tuple[int, int]) -> None:
        super().__init__(nodes)
        self.arguments, self.seeds = (weights,), seeds

    def choices(self, env: Env) -> Iterator[int]:
        """Numbers drawn with these weights."""
        weights = env.value(self.arguments[0]).astype(np.float64)
        if weights.shape != (self.count,) or not (weights >= 0).all() or weights.sum() <= 0:
            raise bad(f"weights must be {self.count} numbers that are not negative, not {weights}")
        bounds = np.cumsum(weights) / weights.sum()
        for word in Words(*self.seeds):
            yield int(np.searchsorted(bounds, word / 2**32, "right"))


@export("data.experimental.choose_from_datasets", "contrib.data.choose_from_datasets")
def choose_from_datasets(datasets: Sequence[Dataset], choice_dataset: Dataset) -> Dataset:
    """Elements of several datasets; ``choice_dataset`` says which is next.

    Args:
        datasets: with elements of one structure.
        choice_dataset: of scalar int64.
    """
    return Dataset(_ByDataset([ds._node for ds in datasets], choice_dataset._node))


@export("data.experimental.sample_from_datasets", "contrib.data.sample_from_datasets")
def sample_from_datasets(
    datasets: Sequence[Dataset], weights: Any = None, seed: Any = None
) -> Dataset:
    """Elements of several datasets; chance says which is next.

    Args:
        datasets: with elements of one structure.
        weights: how likely each is; equally by default.
        seed: of the choices.
    """
    if weights is None:
        weights = np.ones(len(datasets))
    if seed is None:
        found = seeds_of(None, "SampleFromDatasets")
        seeds = found["seed"], found["seed2"]
    else:
        seeds = get_seed(int(seed))
    return Dataset(_ByChance([ds._node for ds in datasets], component(weights), seeds))


class _Counting(Node):
    def __init__(self, start: Component, step: Component) -> None:
        self.arguments, self.structure = (start, step), Leaf(int64, ())

    def iterate(self, env: Env) -> Iterator[Element]:
        """Numbers without end."""
        start, step = (env.number(c) for c in self.arguments)
        return ((np.array(i, np.int64),) for i in itertools.count(start, step))


@export("data.experimental.Counter", "contrib.data.Counter")
def Counter(start: Any = 0, step: Any = 1, dtype: Any = int64) -> Dataset:
    """``start``, ``start + step`` and so on, without end.

    Args:
        start, step: int64 scalars.
        dtype: int64.
    """
    if dtype != int64:
        raise NotImplementedError("Counter counts in int64; use map to cast")
    return Dataset(_Counting(count_argument(start, "start"), count_argument(step, "step")))
