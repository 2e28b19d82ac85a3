"""Helpers of decoders: what the next inputs of a cell are, and when an example is finished.

    TrainingHelper            the inputs given, up to the length of each example
    GreedyEmbeddingHelper     the embedding of the class with the largest output
    SampleEmbeddingHelper     the embedding of a class drawn from the softmax of the outputs

Read next: decoders.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops import nest
from flowgraph.ops.embedding import embedding_lookup
from flowgraph.ops.random_classes import multinomial
from flowgraph.rnn.loops import ONE, ZERO, turned
from flowgraph.tensor_shape import TensorShape, as_shape


@export("contrib.seq2seq.Helper")
class Helper:
    """Base class: what a BasicDecoder asks at every step."""

    @property
    def batch_size(self) -> Any:
        """How many examples there are: a scalar tensor."""
        raise NotImplementedError("batch_size has not been implemented")

    @property
    def sample_ids_shape(self) -> TensorShape:
        """The shape of a sample without the batch axis."""
        raise NotImplementedError("sample_ids_shape has not been implemented")

    @property
    def sample_ids_dtype(self) -> Any:
        """The dtype of samples."""
        raise NotImplementedError("sample_ids_dtype has not been implemented")

    def initialize(self, name: str | None = None) -> Any:
        """``(finished, inputs)`` of the first step.

        Args:
            name: of the name scope.
        """
        raise NotImplementedError

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """What is chosen, of the outputs of a step.

        Args:
            time: the number of the step.
            outputs: of the cell.
            state: of the cell, after the step.
            name: of the name scope.
        """
        raise NotImplementedError

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> Any:
        """``(finished, inputs, state)`` of the next step.

        Args:
            time: the number of the step before.
            outputs: of the cell.
            state: of the cell.
            sample_ids: what ``sample`` returned.
            name: of the name scope.
        """
        raise NotImplementedError


def _first_row(x: Tensor) -> Tensor:
    """``x[0]``; zeros when there are no rows."""
    if (x.dims is not None and x.dims[0]) or not (x.dtype.is_floating or x.dtype.is_integer):
        return call.GatherV2(x, ZERO, 0)
    return call.Sum(x[:1], np.array([0], np.int32))


def largest(outputs: Any) -> Tensor:
    """The class with the largest output."""
    return call.ArgMax(outputs, np.array(-1, np.int32), output_type=int32)


@export("contrib.seq2seq.CustomHelper")
class CustomHelper(Helper):
    """A helper of functions.

    Args:
        initialize_fn: ``f()`` returns ``(finished, inputs)``.
        sample_fn: ``f(time, outputs, state)`` returns samples.
        next_inputs_fn: ``f(time, outputs, state, sample_ids)`` returns ``(finished, inputs,
            state)``.
        sample_ids_shape: of a sample without the batch axis; scalars by default.
        sample_ids_dtype: of samples; int32 by default.
    """

    def __init__(
        self,
        initialize_fn: Callable[..., Any],
        sample_fn: Callable[..., Any],
        next_inputs_fn: Callable[..., Any],
        sample_ids_shape: Any = None,
        sample_ids_dtype: Any = None,
    ) -> None:
        self._initialize_fn, self._sample_fn = initialize_fn, sample_fn
        self._next_inputs_fn, self._batch_size = next_inputs_fn, None
        self._shape = as_shape([] if sample_ids_shape is None else sample_ids_shape)
        self._dtype = int32 if sample_ids_dtype is None else as_dtype(sample_ids_dtype)

    @property
    def batch_size(self) -> Any:
        """How many examples there are; known after ``initialize``."""
        if self._batch_size is None:
            raise ValueError("batch_size accessed before initialize was called")
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """The shape of a sample without the batch axis."""
        return self._shape

    @property
    def sample_ids_dtype(self) -> Any:
        """The dtype of samples."""
        return self._dtype

    def initialize(self, name: str | None = None) -> Any:
        """``(finished, inputs)`` of the first step.

        Args:
            name: of the name scope.
        """
        with name_scope(name, "CustomHelperInitialize"):
            finished, inputs = self._initialize_fn()
            if self._batch_size is None:
                self._batch_size = call.Size(finished)
            return finished, inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """What ``sample_fn`` returns.

        Args:
            time, outputs, state: given to it.
            name: of the name scope.
        """
        with name_scope(name, "CustomHelperSample"):
            return self._sample_fn(time=time, outputs=outputs, state=state)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> Any:
        """What ``next_inputs_fn`` returns.

        Args:
            time, outputs, state, sample_ids: given to it.
            name: of the name scope.
        """
        with name_scope(name, "CustomHelperNextInputs"):
            return self._next_inputs_fn(
                time=time, outputs=outputs, state=state, sample_ids=sample_ids
            )


@export("contrib.seq2seq.TrainingHelper")
class TrainingHelper(Helper):
    """Feeds the inputs given; samples are the classes with the largest outputs.

    Args:
        inputs: of shape [batch, time, ...] ([time, batch, ...] when ``time_major``), or a nested
            structure of such tensors.
        sequence_length: int32 of shape [batch]: after how many steps each example is finished.
        time_major: whether the first axis is the time.
        name: of the name scope.

    Raises:
        ValueError: sequence_length is no vector.
    """

    def __init__(
        self, inputs: Any, sequence_length: Any, time_major: bool = False, name: str | None = None
    ) -> None:
        with name_scope(name, "TrainingHelper"):
            self._inputs = nest.map_structure(convert_to_tensor, inputs)
            if not time_major:
                self._inputs = nest.map_structure(turned, self._inputs)
            lengths = convert_to_tensor(sequence_length, name="sequence_length")
            if lengths.dims is not None and len(lengths.dims) != 1:
                raise ValueError(
                    "Expected sequence_length to be a vector, but received shape: "
                    f"{lengths.shape}"
                )
            if lengths.dtype.base_dtype is not int32:
                lengths = call.Cast(lengths, DstT=int32)
            self._lengths = lengths
            first = nest.flatten(self._inputs)[0]
            self._steps = call.Shape(first)[0]
            self._batch_size = call.Size(lengths)

    @property
    def inputs(self) -> Any:
        """The inputs, [time, batch, ...]."""
        return self._inputs

    @property
    def sequence_length(self) -> Tensor:
        """After how many steps each example is finished."""
        return self._lengths

    @property
    def batch_size(self) -> Any:
        """How many examples there are: a scalar tensor."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """A sample is a scalar."""
        return TensorShape([])

    @property
    def sample_ids_dtype(self) -> Any:
        """int32."""
        return int32

    def step_limit(self) -> Tensor:
        """How many steps there will be: those of the longest example."""
        return call.Max(call.ConcatV2([self._lengths, np.array([0], np.int32)], 0), [0])

    def _row(self, time: Any) -> Any:
        return nest.map_structure(lambda x: call.GatherV2(x, time, 0), self._inputs)

    def initialize(self, name: str | None = None) -> Any:
        """``(finished, inputs)`` of the first step; zeros when there is no step.

        Args:
            name: of the name scope.
        """
        with name_scope(name, "TrainingHelperInitialize"):
            finished = call.Equal(np.array(0, np.int32), self._lengths)
            return finished, nest.map_structure(_first_row, self._inputs)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The classes with the largest outputs.

        Args:
            time: not used.
            outputs: of the cell, [batch, classes].
            state: not used.
            name: of the name scope.
        """
        with name_scope(name, "TrainingHelperSample"):
            return largest(outputs)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> Any:
        """``(finished, inputs, state)`` of the next step.

        Args:
            time: the number of the step before.
            outputs: not used.
            state: passed on.
            sample_ids: not used.
            name: of the name scope.
        """
        with name_scope(name, "TrainingHelperNextInputs"):
            following = call.AddV2(time, ONE)
            finished = call.GreaterEqual(following, self._lengths)
            # behind the last row nobody looks at the inputs
            last = call.Sub(self._steps, ONE)
            return finished, self._row(call.Minimum(following, last)), state


@export("contrib.seq2seq.GreedyEmbeddingHelper")
class GreedyEmbeddingHelper(Helper):
    """Feeds the embedding of the class with the largest output.

    Args:
        embedding: a function of class numbers, or what ``tf.nn.embedding_lookup`` takes.
        start_tokens: int32 of shape [batch]: the classes that the first inputs are of.
        end_token: the class after which an example is finished.

    Raises:
        ValueError: start_tokens is no vector, end_token no scalar.
    """

    def __init__(self, embedding: Any, start_tokens: Any, end_token: Any) -> None:
        self._embed = (
            embedding if callable(embedding) else lambda ids: embedding_lookup(embedding, ids)
        )
        self._start = convert_to_tensor(start_tokens, int32, name="start_tokens")
        self._end = convert_to_tensor(end_token, int32, name="end_token")
        if self._start.dims is not None and len(self._start.dims) != 1:
            raise ValueError("start_tokens must be a vector")
        if self._end.dims is not None and self._end.dims != ():
            raise ValueError("end_token must be a scalar")
        self._batch_size = call.Size(self._start)

    @property
    def batch_size(self) -> Any:
        """How many examples there are: a scalar tensor."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """A sample is a scalar."""
        return TensorShape([])

    @property
    def sample_ids_dtype(self) -> Any:
        """int32."""
        return int32

    def initialize(self, name: str | None = None) -> Any:
        """``(finished, inputs)`` of the first step.

        Args:
            name: of the name scope.
        """
        finished = call.ZerosLike(call.Equal(self._start, self._start))
        return finished, self._embed(self._start)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The classes with the largest outputs.

        Args:
            time: not used.
            outputs: of the cell, [batch, classes].
            state: not used.
            name: of the name scope.

        Raises:
            TypeError: outputs are no tensor.
        """
        _require_tensor(outputs)
        return largest(outputs)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> Any:
        """``(finished, inputs, state)`` of the next step.

        Args:
            time: not used.
            outputs: not used.
            state: passed on.
            sample_ids: the classes chosen.
            name: of the name scope.
        """
        return call.Equal(sample_ids, self._end), self._embed(sample_ids), state


@export("contrib.seq2seq.SampleEmbeddingHelper")
class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """Feeds the embedding of a class drawn from ``softmax(outputs / softmax_temperature)``.

    ``tf.contrib.seq2seq.dynamic_decode`` needs ``maximum_iterations`` with it.

    Args:
        embedding: a function of class numbers, or what ``tf.nn.embedding_lookup`` takes.
        start_tokens: int32 of shape [batch]: the classes that the first inputs are of.
        end_token: the class after which an example is finished.
        softmax_temperature: a positive number or scalar tensor; 1 by default.
        seed: of the random numbers.

    Raises:
        ValueError: start_tokens is no vector, end_token no scalar.
    """

    def __init__(
        self,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        softmax_temperature: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(embedding, start_tokens, end_token)
        self._temperature, self._seed = softmax_temperature, seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """Classes drawn at random.

        Args:
            time: not used.
            outputs: of the cell, [batch, classes].
            state: not used.
            name: of the name scope.

        Raises:
            TypeError: outputs are no tensor.
        """
        _require_tensor(outputs)
        logits = outputs if self._temperature is None else outputs / self._temperature
        drawn = multinomial(logits, 1, seed=self._seed, output_dtype=int32)
        return call.Reshape(drawn, np.array([-1], np.int32))


def _require_tensor(outputs: Any) -> None:
    if not isinstance(outputs, Tensor):
        raise TypeError(f"Expected outputs to be a single Tensor, got: {type(outputs)}")
