"""tf.contrib.seq2seq: decoders and the loop that runs them, losses of sequences.

Read next: helpers.py (where the inputs come from), loops.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops import nest
from flowgraph.ops.loops import while_loop
from flowgraph.ops.tensor_array import TensorArray
from flowgraph.ops.variable_scope import variable_scope
from flowgraph.rnn.cells import map_sizes, require_cell, zeros_of
from flowgraph.rnn.helpers import Helper
from flowgraph.rnn.loops import ONE, ZERO, as_dims_of, chosen, flatten_sizes, turned
from flowgraph.tensor_shape import TensorShape, as_shape


class _OutputFields(NamedTuple):
    rnn_output: Any
    sample_id: Any


@export("contrib.seq2seq.BasicDecoderOutput")
class BasicDecoderOutput(_OutputFields):
    """What a BasicDecoder gives at every step.

    Args:
        rnn_output: of the cell, or of the layer behind it.
        sample_id: what the helper has chosen.
    """

    __slots__ = ()


@export("contrib.seq2seq.Decoder")
class Decoder:
    """Base class: what ``dynamic_decode`` asks at every step."""

    @property
    def batch_size(self) -> Any:
        """How many examples there are: a scalar tensor."""
        raise NotImplementedError

    @property
    def output_size(self) -> Any:
        """Sizes of the outputs without the batch axis."""
        raise NotImplementedError

    @property
    def output_dtype(self) -> Any:
        """Dtypes of the outputs, in the structure of ``output_size``."""
        raise NotImplementedError

    def initialize(self, name: str | None = None) -> Any:
        """``(finished, inputs, state)`` of the first step.

        Args:
            name: of the name scope.
        """
        raise NotImplementedError

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """``(outputs, next state, next inputs, finished)``.

        Args:
            time: the number of the step.
            inputs: of the step.
            state: before the step.
            name: of the name scope.
        """
        raise NotImplementedError

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """``(outputs, state)`` that the decoding returns.

        Args:
            outputs: of all steps, [time, batch, ...].
            final_state: after the last step.
            sequence_lengths: how many steps each example took.
        """
        raise NotImplementedError

    @property
    def tracks_own_finished(self) -> bool:
        """True when an example may go on that was finished before."""
        return False


@export("contrib.seq2seq.BasicDecoder")
class BasicDecoder(Decoder):
    """A cell whose inputs come from a helper.

    Args:
        cell: an RNNCell.
        helper: a Helper.
        initial_state: of the cell.
        output_layer: a layer that is applied to the outputs, before something is chosen.

    Raises:
        TypeError: cell, helper or output_layer is something else.
    """

    def __init__(
        self, cell: Any, helper: Any, initial_state: Any, output_layer: Any = None
    ) -> None:
        require_cell("cell", cell)
        if not isinstance(helper, Helper):
            raise TypeError(f"helper must be a Helper, received: {type(helper)}")
        if output_layer is not None and not callable(output_layer):
            raise TypeError(f"output_layer must be a Layer, received: {type(output_layer)}")
        self._cell, self._helper = cell, helper
        self._initial_state, self._output_layer = initial_state, output_layer

    @property
    def batch_size(self) -> Any:
        """That of the helper."""
        return self._helper.batch_size

    @property
    def output_size(self) -> BasicDecoderOutput:
        """Sizes of a step's outputs and samples."""
        size = self._cell.output_size
        if self._output_layer is not None:

            def behind(s: Any) -> TensorShape:
                shape = self._output_layer.compute_output_shape(as_shape([None, *as_dims_of(s)]))
                return as_shape((as_shape(shape).as_list())[1:])

            size = map_sizes(behind, size)
        return BasicDecoderOutput(size, self._helper.sample_ids_shape)

    @property
    def output_dtype(self) -> BasicDecoderOutput:
        """Dtypes of a step's outputs and samples."""
        dtype = nest.flatten(self._initial_state)[0].dtype.base_dtype
        size = self._cell.output_size
        return BasicDecoderOutput(map_sizes(lambda _: dtype, size), self._helper.sample_ids_dtype)

    def initialize(self, name: str | None = None) -> Any:
        """``(finished, inputs, state)`` of the first step.

        Args:
            name: of the name scope.
        """
        return (*self._helper.initialize(), self._initial_state)

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """``(outputs, next state, next inputs, finished)``.

        Args:
            time: the number of the step.
            inputs: of the step.
            state: before the step.
            name: of the name scope.
        """
        with name_scope(name, "BasicDecoderStep"):
            outputs, after = self._cell(inputs, state)
            if self._output_layer is not None:
                outputs = self._output_layer(outputs)
            ids = self._helper.sample(time=time, outputs=outputs, state=after)
            finished, following, after = self._helper.next_inputs(
                time=time, outputs=outputs, state=after, sample_ids=ids
            )
        return BasicDecoderOutput(outputs, ids), after, following, finished

    def step_limit(self) -> Tensor | None:
        """How many steps there will be, where the helper knows."""
        limit = getattr(self._helper, "step_limit", None)
        return None if limit is None else limit()


@export("contrib.seq2seq.dynamic_decode")
def dynamic_decode(
    decoder: Any,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: Any = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: Any = None,
    **kwargs: Any,
) -> Any:
    """Run a decoder until all examples are finished.

    Args:
        decoder: a Decoder.
        output_time_major: whether the outputs are [time, batch, ...] instead of [batch, time, ...].
        impute_finished: True: outputs of finished examples are zeros, and their state stays.
        maximum_iterations: the most steps; an integer or a scalar tensor.
        parallel_iterations: accepted.
        swap_memory: accepted.
        scope: of the variables; ``"decoder"`` by default.
        kwargs: given to ``decoder.initialize``.

    Returns:
        ``(outputs, state, sequence_lengths)``: outputs in the structure of ``decoder.output_size``,
        with as many steps as were run; the state at the end; how many steps each example took.

    Raises:
        TypeError: ``decoder`` is no Decoder.
        ValueError: maximum_iterations is no scalar; without it, the number of steps depends on
            random numbers.
    """
    if not hasattr(decoder, "step") or not hasattr(decoder, "initialize"):
        raise TypeError(f"Expected decoder to be type Decoder, but saw: {type(decoder)}")
    with variable_scope(scope, "decoder"):
        return _Decoding(decoder, impute_finished, maximum_iterations).run(
            output_time_major, parallel_iterations, swap_memory, kwargs
        )


class _Decoding:
    """One decoding being made."""

    def __init__(self, decoder: Any, impute: bool, maximum: Any) -> None:
        self.decoder, self.impute, self.maximum = decoder, impute, None
        if maximum is not None:
            self.maximum = convert_to_tensor(maximum, int32, name="maximum_iterations")
            if self.maximum.dims not in ((), None):
                raise ValueError("maximum_iterations must be a scalar")
        self.zeros: list[Tensor] = []

    def run(self, time_major: bool, parallel: int, swap: bool, kwargs: Any) -> Any:
        decoder = self.decoder
        finished, inputs, state = decoder.initialize(**kwargs)
        finished = convert_to_tensor(finished)
        batch = None if finished.dims is None else finished.dims[0]
        size, dtypes = decoder.output_size, nest.flatten(decoder.output_dtype)
        self.zeros = [
            zeros_of(s, decoder.batch_size if batch is None else batch, d)
            for s, d in zip(flatten_sizes_of(size), dtypes, strict=True)
        ]
        limit = self.maximum
        if limit is not None:
            finished = call.LogicalOr(finished, call.GreaterEqual(ZERO, limit))
        exact = decoder.step_limit() if hasattr(decoder, "step_limit") else None
        if exact is not None:
            limit = exact if limit is None else call.Minimum(exact, call.Maximum(limit, ZERO))
        # Where the number of steps has a bound, there is room for so many, and the rest is cut off
        arrays = [
            TensorArray(
                d, 0 if limit is None else limit, dynamic_size=limit is None,
                element_shape=(batch, *as_dims_of(s)),
            )
            for s, d in zip(flatten_sizes_of(size), dtypes, strict=True)
        ]  # fmt: skip
        lengths = call.Cast(call.ZerosLike(finished), DstT=int32)
        time, arrays, state, _, _, lengths = while_loop(
            lambda t, arrays, state, inputs, done, lengths: (
                call.LogicalNot(call.All(done, np.array([0], np.int32)))
                if exact is None
                else call.Less(t, limit)  # the same, known before the loop runs
            ),
            self._body,
            (make_constant(ZERO), arrays, state, inputs, finished, lengths),
            maximum_iterations=limit if exact is None else None,
            parallel_iterations=parallel,
            swap_memory=swap,
        )
        outputs = [array.stack() for array in arrays]
        if limit is not None and exact is None:
            outputs = [_first(output, time) for output in outputs]
        packed = pack_sizes(outputs, size)
        try:
            packed, state = decoder.finalize(packed, state, lengths)
        except NotImplementedError:
            pass
        if not time_major:
            packed = nest.map_structure(turned, packed)
        return packed, state, lengths

    def _body(
        self, t: Tensor, arrays: Any, state: Any, inputs: Any, finished: Tensor, lengths: Tensor
    ) -> Any:
        decoder = self.decoder
        outputs, after, following, ended = decoder.step(t, inputs, state)
        done = ended
        if not decoder.tracks_own_finished:
            done = call.LogicalOr(ended, finished)
        next_time = call.AddV2(t, ONE)
        lengths = call.SelectV2(finished, lengths, next_time)
        nest.assert_same_structure(state, after, check_types=False)
        nest.assert_same_structure(inputs, following, check_types=False)
        flat = [convert_to_tensor(y) for y in nest.flatten(outputs)]
        if self.impute:
            flat = [chosen(finished, zero, y) for zero, y in zip(self.zeros, flat, strict=True)]
            pairs = zip(nest.flatten(state), nest.flatten(after), strict=True)
            after = nest.pack_sequence_as(state, [chosen(finished, a, b) for a, b in pairs])
        new = [array.write(t, y) for array, y in zip(arrays, flat, strict=True)]
        return next_time, new, after, following, done, lengths


def _first(tensor: Tensor, count: Tensor) -> Tensor:
    """The first ``count`` rows."""
    rest = call.Slice(call.Shape(tensor), [1], [-1])
    sizes = call.ConcatV2([call.Reshape(count, np.array([1], np.int32)), rest], 0)
    result = call.Slice(tensor, call.ZerosLike(sizes), sizes)
    if tensor.dims is not None:
        result.set_shape((None, *tensor.dims[1:]))
    return result


def flatten_sizes_of(sizes: Any) -> list[Any]:
    """The sizes of nested structures; a TensorShape is one."""
    if isinstance(sizes, tuple) and hasattr(sizes, "_fields"):
        return [found for part in sizes for found in flatten_sizes(part)]
    return flatten_sizes(sizes)


def pack_sizes(flat: list[Any], sizes: Any) -> Any:
    """``flat`` in the structure of sizes."""
    items = iter(flat)
    return map_sizes(lambda _: next(items), sizes)


@export("contrib.seq2seq.tile_batch")
def tile_batch(t: Any, multiplier: int, name: str | None = None) -> Any:
    """Every example ``multiplier`` times, one behind the other.

    Args:
        t: a tensor [batch, ...], or a nested structure of them.
        multiplier: how many times.
        name: of the name scope; ``tile_batch`` by default.

    Returns:
        Tensors of shape [batch * multiplier, ...].

    Raises:
        ValueError: a tensor has no axes.

    >>> tf.Session().run(tf.contrib.seq2seq.tile_batch([1, 2], 2))
    array([1, 1, 2, 2], dtype=int32)
    """

    def tiled(value: Any) -> Tensor:
        x = convert_to_tensor(value)
        if x.dims == ():
            raise ValueError("t must have statically known rank of at least 1")
        shape = call.Shape(x)
        rest = call.Slice(shape, [1], [-1])
        times = make_constant(np.array([multiplier], np.int32))
        wide = call.BroadcastTo(
            call.ExpandDims(x, 1), call.ConcatV2([call.Slice(shape, [0], [1]), times, rest], 0)
        )
        first = call.Mul(call.Slice(shape, [0], [1]), times)
        result = call.Reshape(wide, call.ConcatV2([first, rest], 0))
        if x.dims is not None:
            size = None if x.dims[0] is None else x.dims[0] * int(multiplier)
            result.set_shape((size, *x.dims[1:]))
        return result

    with name_scope(name, "tile_batch"):
        known = constant_value(t) if isinstance(t, Tensor) else None
        if known is None and isinstance(t, list) and not any(isinstance(x, Tensor) for x in t):
            return tiled(t)
        return nest.map_structure(tiled, t)


@export("contrib.seq2seq.sequence_loss")
def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Tensor:
    """Cross-entropy of sequences of classes, weighted: ``-log softmax(logits)[target] * weight``.

    Args:
        logits: float, [batch, time, classes].
        targets: integers, [batch, time]: the right classes.
        weights: float, [batch, time]; 0 for steps that do not count.
        average_across_timesteps: whether the sum along the time is divided by that of the weights.
        average_across_batch: the same along the batch.
        sum_over_timesteps: whether the sum along the time is divided by the number of weights that
            are not 0.
        sum_over_batch: the same along the batch.
        softmax_loss_function: ``f(labels, logits)`` instead of sparse softmax cross-entropy.
        name: of the name scope; ``sequence_loss`` by default.

    Returns:
        A scalar; without any of the averages [batch, time], with one of the two [batch] or [time].

    Raises:
        ValueError: ranks are others, or both an average and a sum are asked for.

    >>> loss = tf.contrib.seq2seq.sequence_loss(tf.zeros([2, 3, 4]), [[0, 1, 2], [3, 3, 3]],
    ...                                         tf.ones([2, 3]))
    >>> round(float(tf.Session().run(tf.exp(loss))), 4)
    4.0
    """
    given = [convert_to_tensor(t) for t in (logits, targets, weights)]
    texts = (
        "Logits must be a [batch_size x sequence_length x logits] tensor",
        "Targets must be a [batch_size x sequence_length] tensor",
        "Weights must be a [batch_size x sequence_length] tensor",
    )
    for tensor, rank, text in zip(given, (3, 2, 2), texts, strict=True):
        if tensor.dims is not None and len(tensor.dims) != rank:
            raise ValueError(text)
    for average, total, axis in (
        (average_across_timesteps, sum_over_timesteps, "timesteps"),
        (average_across_batch, sum_over_batch, "batch"),
    ):
        if average and total:
            raise ValueError(
                f"average_across_{axis} and sum_over_{axis} cannot be set to True at same time."
            )
    scores, labels, weight = given
    line = np.array([-1], np.int32)
    with name_scope(name, "sequence_loss"):
        classes = call.Slice(call.Shape(scores), [2], [1])
        flat = call.Reshape(scores, call.ConcatV2([line, classes], 0))
        if scores.dims is not None:
            flat.set_shape((None, scores.dims[2]))
        labels = call.Reshape(labels, line)
        if softmax_loss_function is None:
            losses = call.SparseSoftmaxCrossEntropyWithLogits(flat, labels)[0]
        else:
            losses = softmax_loss_function(labels=labels, logits=flat)
        losses = call.Reshape(call.Mul(losses, call.Reshape(weight, line)), call.Shape(weight))
        averaged = _axes(average_across_batch, average_across_timesteps)
        axes = averaged or _axes(sum_over_batch, sum_over_timesteps)
        if not axes:
            return losses
        counted = weight
        if not averaged:
            zero = np.zeros((), weight.dtype.np)
            counted = call.Cast(call.NotEqual(weight, zero), DstT=weight.dtype.base_dtype)
        numbers = np.array(axes, np.int32)
        return call.DivNoNan(call.Sum(losses, numbers), call.Sum(counted, numbers))


def _axes(batch: bool, time: bool) -> list[int]:
    return [axis for axis, wanted in enumerate((batch, time)) if wanted]
