"""Dataset: a pipeline that users build step by step, ``Dataset.range(9).shuffle(9).batch(4)``.

Read next: node.py (what steps are), iterators.py (how a graph gets elements).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowgraph.data import order, sources, steps
from flowgraph.data.background import AUTOTUNE, ParallelMap, Prefetch
from flowgraph.data.functions import DATASET, Function, name_in
from flowgraph.data.iterators import WRAP_DATASET, EagerIterator, Iterator, initializable, one_shot
from flowgraph.data.node import Bound, Component, Env, Node, count_argument
from flowgraph.data.reduction import reduced
from flowgraph.data.structure import (
    Leaf,
    Nested,
    component,
    flatten,
    is_nest,
    map_leaves,
    of_types,
    parts,
    shapes_like,
    shapes_of,
    types_of,
)
from flowgraph.dtypes import bool_, string
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export, export_value
from flowgraph.graph.lint import warn
from flowgraph.graph.node import Tensor
from flowgraph.graph.site import find_site, format_site
from flowgraph.ops.random_seeds import get_seed, seeds_of
from flowgraph.shapes import format_dims

export_value(AUTOTUNE, "data.experimental.AUTOTUNE", "data.AUTOTUNE", "contrib.data.AUTOTUNE")

#: Steps after which the elements are still batches, and nobody has looked at them.
_KEEPING = (order.Shuffle, order.Repeat, order.Part, order.Cache, Prefetch)


def _warn_of_batches(node: Node) -> None:
    """A lint: batching what is batched already."""
    while isinstance(node, _KEEPING):
        node = node.inputs[0]
    if isinstance(node, steps.Batch):
        leaf = flatten(node.structure)[0]
        shape = format_dims(getattr(leaf, "dims", None))
        site = find_site()
        warn(
            "batch-twice",
            f"Dataset.batch: the elements are batches already, of shape {shape}: these become "
            "batches of batches",
            [],
            ("", format_site(site)),
            "leave one of the two out; dataset.unbatch() takes batches apart",
            site,
        )



def counted(value: Any, what: str, default: int = -1) -> Component:
    """A scalar int64 argument with a default."""
    return count_argument(default if value is None else value, what)


def _flag(value: Any) -> Component:
    return component(value, bool_)


@export("data.Dataset")
class Dataset:
    """Elements, one after the other: tensors, or tuples and dicts of them.

    Transformations return a new Dataset.  Nothing is computed before an iterator runs.

    >>> ds = tf.data.Dataset.range(5).map(lambda x: x * x).batch(2)
    >>> value = ds.make_one_shot_iterator().get_next()
    >>> with tf.Session() as sess:
    ...     print(sess.run(value), sess.run(value), sess.run(value))
    [0 1] [4 9] [16]
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    # ---- what it is

    @property
    def output_types(self) -> Any:
        """The dtypes of the elements, nested."""
        return types_of(self._node.structure)

    @property
    def output_shapes(self) -> Any:
        """The static shapes of the elements, nested."""
        return shapes_of(self._node.structure)

    @property
    def output_classes(self) -> Any:
        """tf.Tensor (Dataset for nested datasets), nested."""
        return map_leaves(
            lambda leaf: Tensor if isinstance(leaf, Leaf) else Dataset, self._node.structure
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} shapes: {self.output_shapes}, types: {self.output_types}>"

    def __iter__(self) -> EagerIterator:
        if not get_default_graph().executes:
            raise RuntimeError(
                "iterating over a Dataset in Python needs eager execution; in a graph, make an "
                "iterator: value = dataset.make_one_shot_iterator().get_next()"
            )
        return EagerIterator(self._node)

    # ---- sources

    @staticmethod
    def from_tensors(tensors: Any) -> Dataset:
        """One element.

        Args:
            tensors: a tensor, array or Python value, or tuples and dicts of them.
        """
        return Dataset(sources.Tensors(tensors))

    @staticmethod
    def from_tensor_slices(tensors: Any) -> Dataset:
        """The rows of tensors.

        Args:
            tensors: a tensor, array or list, or tuples and dicts of them; all with equally many
                rows.

        Raises:
            ValueError: a scalar, or different numbers of rows.
        """
        return Dataset(sources.Slices(tensors))

    @staticmethod
    def from_generator(
        generator: Callable[..., Any], output_types: Any, output_shapes: Any = None,
        args: Any = None,
    ) -> Dataset:  # fmt: skip
        """What a Python generator yields.

        Args:
            generator: is called, with ``args``, whenever iteration begins; returns an iterable.
            output_types: dtypes of an element, nested.
            output_shapes: its static shapes, which are checked; unknown by default.
            args: tensors whose values the generator gets, as arrays.

        Raises:
            InvalidArgumentError: it yields something else (when run).
        """
        if not callable(generator):
            raise TypeError("`generator` must be callable.")
        given = [component(arg) for arg in args or ()]
        structure = of_types(output_types, output_shapes)
        return Dataset(sources.Generated(generator, structure, given))

    @staticmethod
    def range(*args: Any) -> Dataset:
        """Integers, as of Python's range: ``range(stop)``, ``range(start, stop[, step])``.

        Args:
            args: int64 scalars.
        """
        if not 1 <= len(args) <= 3:
            raise ValueError(f"Dataset.range takes one to three arguments, not {len(args)}")
        start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
        names = "start", "stop", "step"
        values = zip((start, stop, step), names, strict=True)
        return Dataset(sources.Range(*[count_argument(value, name) for value, name in values]))

    @staticmethod
    def zip(datasets: Any) -> Dataset:
        """Elements of several datasets side by side; it ends with the shortest.

        Args:
            datasets: tuples and dicts of datasets.

        Raises:
            TypeError: it is something else.
        """
        flat = flatten(datasets)
        if not all(isinstance(ds, Dataset) for ds in flat):
            raise TypeError(
                "Dataset.zip takes a Dataset, or tuples and dicts of them (lists are no structure: "
                f"use a tuple), not {datasets!r}"
            )
        return Dataset(order.Zip(datasets, [ds._node for ds in flat]))

    @staticmethod
    def list_files(file_pattern: Any, shuffle: bool | None = None, seed: Any = None) -> Dataset:
        """The names of the files that match.

        Args:
            file_pattern: a string with ``*``, ``?`` and ``[...]``, or a vector of them.
            shuffle: False gives them sorted; by default they are shuffled.
            seed: of the shuffle.

        Raises:
            InvalidArgumentError: none matches (when run).
        """
        found = component(file_pattern, string)
        files = Dataset(sources.Matching(found))
        if shuffle is False:
            return files
        return files.shuffle(1 << 30, seed=seed)

    # ---- transformations

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """``transformation_func(self)``.

        Args:
            transformation_func: from a Dataset to a Dataset.
        """
        result = transformation_func(self)
        if not isinstance(result, Dataset):
            raise TypeError(
                f"`transformation_func` must return a Dataset. Got {type(result).__name__}"
            )
        return result

    def map(
        self, map_func: Callable[..., Any], num_parallel_calls: Any = None,
        deterministic: bool | None = None,
    ) -> Dataset:  # fmt: skip
        """``map_func`` of each element.

        Args:
            map_func: gets tensors (the parts of a tuple as several arguments) and returns tensors,
                or tuples and dicts of them.  It is called once, to build a graph.
            num_parallel_calls: how many elements are computed at a time; AUTOTUNE: as many as suit.
            deterministic: accepted; the order is always that of the elements.
        """
        function = Function(map_func, self._node.structure, "Map")
        if num_parallel_calls is None:
            return Dataset(steps.Map(self._node, function))
        calls = counted(num_parallel_calls, "num_parallel_calls")
        return Dataset(ParallelMap(self._node, function, calls))

    def _datasets(self, map_func: Callable[..., Any], name: str) -> tuple[Node, Any]:
        function = Function(map_func, self._node.structure, name)
        if not isinstance(function.result, Nested):
            raise TypeError(f"{name}: `map_func` must return a `Dataset` object.")
        return steps.Map(self._node, function), function.result.structure

    def flat_map(self, map_func: Callable[..., Any]) -> Dataset:
        """The elements of all the datasets ``map_func(element)``, one dataset after the other.

        Args:
            map_func: from an element to a Dataset.
        """
        return Dataset(order.Flat(*self._datasets(map_func, "FlatMap")))

    def interleave(
        self, map_func: Callable[..., Any], cycle_length: Any = AUTOTUNE, block_length: Any = 1,
        num_parallel_calls: Any = None, deterministic: bool | None = None,
    ) -> Dataset:  # fmt: skip
        """The elements of the datasets ``map_func(element)``, several of them in turn.

        Args:
            map_func: from an element to a Dataset.
            cycle_length: how many datasets are open at a time; AUTOTUNE: 4.
            block_length: how many elements of one come before the next one's.
            num_parallel_calls: accepted; the order is the same for every value.
            deterministic: accepted.
        """
        cycle = 4 if isinstance(cycle_length, int) and cycle_length == AUTOTUNE else cycle_length
        nested = self._datasets(map_func, "Interleave")
        return Dataset(
            order.Interleave(
                *nested, counted(cycle, "cycle_length"), counted(block_length, "block_length")
            )
        )

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """The elements for which ``predicate`` is True.

        Args:
            predicate: from an element to a scalar bool.
        """
        function = Function(predicate, self._node.structure, "Filter")
        return Dataset(steps.Filter(self._node, function))

    filter_with_legacy_function = filter
    map_with_legacy_function = map

    def shuffle(
        self, buffer_size: Any, seed: Any = None, reshuffle_each_iteration: bool | None = None
    ) -> Dataset:
        """The elements in random order.

        Each is drawn from a buffer that holds the next ``buffer_size`` elements; a buffer as large
        as the dataset gives every order equally often.

        Args:
            buffer_size: how many elements to choose from.
            seed: with it (or a graph seed) the order is TensorFlow's, and the same whenever an
                iterator starts; without, it depends on the dataset's place in the program and is
                another one at every start.
            reshuffle_each_iteration: False: the same order in every repetition.
        """
        size = count_argument(buffer_size, "buffer_size")
        if seed is None:
            found = seeds_of(None, name_in(get_default_graph(), "ShuffleDataset"))
            seeds = found["seed"], found["seed2"]
        else:
            seeds = get_seed(int(seed))
        reshuffle = True if reshuffle_each_iteration is None else bool(reshuffle_each_iteration)
        return Dataset(order.Shuffle(self._node, size, seeds, seed is not None, reshuffle))

    def repeat(self, count: Any = None) -> Dataset:
        """The elements ``count`` times.

        Args:
            count: None or -1: without end.
        """
        return Dataset(order.Repeat(self._node, counted(count, "count")))

    def _part(self, bounds: Any, *arguments: Component) -> Dataset:
        return Dataset(order.Part(self._node, arguments, bounds))

    def take(self, count: Any) -> Dataset:
        """The first ``count`` elements.

        Args:
            count: -1: all.
        """
        return self._part(order.take_bounds, counted(count, "count"))

    def skip(self, count: Any) -> Dataset:
        """All but the first ``count`` elements.

        Args:
            count: -1: none remain.
        """
        return self._part(order.skip_bounds, counted(count, "count"))

    def shard(self, num_shards: Any, index: Any) -> Dataset:
        """Every ``num_shards``-th element, from number ``index`` on.

        Args:
            num_shards: in how many parts the elements are divided.
            index: which part this is.

        Raises:
            ValueError, InvalidArgumentError: the index is not among them.
        """
        return self._part(
            order.shard_bounds, counted(num_shards, "num_shards"), counted(index, "index")
        )

    def batch(self, batch_size: Any, drop_remainder: Any = False) -> Dataset:
        """Elements stacked along a new first axis.

        Args:
            batch_size: how many.
            drop_remainder: True leaves out a last batch that is smaller; the static shape then
                has the batch size.

        Raises:
            InvalidArgumentError: the shapes differ (when run).
        """
        size = count_argument(batch_size, "batch_size")
        _warn_of_batches(self._node)
        return Dataset(steps.Batch(self._node, size, _flag(drop_remainder)))

    def padded_batch(
        self, batch_size: Any, padded_shapes: Any = None, padding_values: Any = None,
        drop_remainder: Any = False,
    ) -> Dataset:  # fmt: skip
        """Elements padded at their ends to equal shapes, and stacked.

        Args:
            batch_size: how many.
            padded_shapes: nested as the elements; None or -1 in a shape: as long as the longest of
                the batch.  By default the static shapes.
            padding_values: what to pad with, nested as the elements; 0 and '' by default.
            drop_remainder: True leaves out a last batch that is smaller.
        """
        structure = self._node.structure
        leaves = flatten(structure)
        if padded_shapes is None:
            shapes = [leaf.dims for leaf in leaves]
        else:
            shapes = shapes_like(structure, padded_shapes)
        values = _paddings(structure, padding_values)
        fills = [
            component(b"" if leaf.dtype is string else 0, leaf.dtype)
            if value is None else component(value, leaf.dtype)
            for leaf, value in zip(leaves, values, strict=True)
        ]  # fmt: skip
        size = count_argument(batch_size, "batch_size")
        return Dataset(steps.PaddedBatch(self._node, size, _flag(drop_remainder), shapes, fills))

    def window(
        self, size: Any, shift: Any = None, stride: Any = 1, drop_remainder: Any = False
    ) -> Dataset:
        """Datasets of ``size`` elements each.

        Args:
            size: elements of a window.
            shift: by how many elements a window begins after the last; ``size`` by default.
            stride: every how many-th element is taken.
            drop_remainder: True leaves out windows at the end that are smaller.
        """
        arguments = [
            counted(size, "size"), counted(size if shift is None else shift, "shift"),
            counted(stride, "stride"), _flag(drop_remainder),
        ]  # fmt: skip
        return Dataset(steps.Window(self._node, arguments))

    def unbatch(self) -> Dataset:
        """The rows of each element, one by one."""
        return Dataset(steps.Unbatch(self._node))

    def prefetch(self, buffer_size: Any) -> Dataset:
        """The same elements, prepared in the background while others are used.

        Args:
            buffer_size: how many may wait; AUTOTUNE: a few; 0: none.
        """
        return Dataset(Prefetch(self._node, counted(buffer_size, "buffer_size")))

    def cache(self, filename: Any = "") -> Dataset:
        """The elements, remembered: the input is used only the first time.

        Args:
            filename: must be empty: elements are kept in memory, until the iterator is started
                anew.
        """
        if filename not in ("", b""):
            raise NotImplementedError(
                "cache: elements are kept in memory only; leave out filename, or write them to a "
                "TFRecord file once"
            )
        return Dataset(order.Cache(self._node))

    def concatenate(self, dataset: Dataset) -> Dataset:
        """These elements, then those of another dataset.

        Args:
            dataset: with elements of the same structure and dtypes.
        """
        return Dataset(order.Concatenate(self._node, dataset._node))

    def enumerate(self, start: Any = 0) -> Dataset:
        """Pairs of a number and an element.

        Args:
            start: the first number.
        """
        return Dataset(order.Enumerate(self._node, counted(start, "start")))

    def reduce(self, initial_state: Any, reduce_func: Callable[..., Any]) -> Any:
        """The last state of ``state = reduce_func(state, element)``, as tensors.

        Args:
            initial_state: tensors, or tuples and dicts of them.
            reduce_func: returns a state of the same structure, dtypes and shapes.

        >>> total = tf.data.Dataset.range(5).reduce(np.int64(0), lambda s, x: s + x)
        >>> print(tf.Session().run(total))
        10
        """
        return reduced(self._node, initial_state, reduce_func)

    def with_options(self, options: Any) -> Dataset:
        """This dataset.

        Args:
            options: tf.data.Options, which change nothing here.
        """
        return self

    def options(self) -> Any:
        """tf.data.Options, which change nothing here."""
        return Options()

    # ---- iterators

    def make_one_shot_iterator(self) -> Any:
        """An iterator that starts by itself, once in each session.

        Raises:
            ValueError: the dataset depends on placeholders, variables or random numbers.
        """
        if get_default_graph().executes:
            return EagerIterator(self._node)
        return one_shot(self._node)

    def make_initializable_iterator(self, shared_name: str | None = None) -> Iterator:
        """An iterator that ``sess.run(iterator.initializer)`` starts, as often as one likes.

        Args:
            shared_name: iterators of one name are one.
        """
        if get_default_graph().executes:
            raise RuntimeError(
                "dataset.make_initializable_iterator is not supported when eager execution is "
                "enabled; iterate over the dataset: for element in dataset"
            )
        return initializable(self._node, shared_name)


def _paddings(structure: Any, values: Any) -> list[Any]:
    """Flat padding values, None where none is given."""
    if values is None:
        return [None] * len(flatten(structure))
    if not is_nest(structure):
        return [values]
    pairs = zip(parts(structure), parts(values), strict=True)
    return [leaf for part, value in pairs for leaf in _paddings(part, value)]


@export("data.Options")
class Options:
    """Settings of a dataset: any attribute can be set, and none has an effect."""

    def merge(self, options: Any) -> Options:
        """These options.

        Args:
            options: others.
        """
        return self


DATASET.append(Dataset)


class _Given(Node):
    """A dataset that an element holds, while operations are executed."""

    def __init__(self, bound: Bound) -> None:
        self.bound, self.structure = bound, bound.node.structure

    def iterate(self, env: Env) -> Any:
        """Its elements."""
        return self.bound.iterate()


WRAP_DATASET.append(lambda bound: Dataset(_Given(bound)))


# ------------------------------------------------------------------------- functions of TF 1.13 on


@export("data.make_one_shot_iterator")
def make_one_shot_iterator(dataset: Dataset) -> Any:
    """See Dataset.make_one_shot_iterator.

    Args:
        dataset: a Dataset.
    """
    return dataset.make_one_shot_iterator()


@export("data.make_initializable_iterator")
def make_initializable_iterator(dataset: Dataset, shared_name: str | None = None) -> Iterator:
    """See Dataset.make_initializable_iterator.

    Args:
        dataset: a Dataset.
        shared_name: iterators of one name are one.
    """
    return dataset.make_initializable_iterator(shared_name)


@export("data.get_output_types")
def get_output_types(dataset_or_iterator: Any) -> Any:
    """The dtypes of the elements, nested.

    Args:
        dataset_or_iterator: a Dataset or Iterator.
    """
    return dataset_or_iterator.output_types


@export("data.get_output_shapes")
def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """The static shapes of the elements, nested.

    Args:
        dataset_or_iterator: a Dataset or Iterator.
    """
    return dataset_or_iterator.output_shapes


@export("data.get_output_classes")
def get_output_classes(dataset_or_iterator: Any) -> Any:
    """The classes of the elements' parts, nested: tf.Tensor.

    Args:
        dataset_or_iterator: a Dataset or Iterator.
    """
    return dataset_or_iterator.output_classes
