"""ctc_loss and its kin: public functions of connectionist temporal classification.

Read next: ctc.py (the losses), ctc_decoders.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import constant_axes, number, one_name, shape_of


def _time_first(logits: Any, time_major: bool) -> Tensor:
    x = convert_to_tensor(logits, name="inputs")
    return x if time_major else call.Transpose(x, constant_axes([1, 0, 2]))


@export("nn.ctc_loss")
def ctc_loss(
    labels: Any,
    inputs: Any = None,
    sequence_length: Any = None,
    preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False,
    time_major: bool = True,
    logits: Any = None,
) -> Tensor:
    """Minus the log probability of labels without known places in time (Graves et al. 2006).

    A path has a class for each step; merging equal neighbours and leaving out blanks gives its
    labels.  loss = -log of the sum of softmax products over all paths that give ``labels``.

    Args:
        labels: SparseTensor of int32: row b has the labels of item b, each in [0, classes - 1);
            the last class is the blank.  A blank ends the labels of its row.
        inputs: (time, batch, classes) float32 or float64: unscaled log probabilities.
        sequence_length: (batch,) int32: steps of time of each item.
        preprocess_collapse_repeated: merge equal neighbours among the labels first.
        ctc_merge_repeated: False: equal neighbours of a path are not merged but are labels each
            (a simpler rule, not that of the paper).
        ignore_longer_outputs_than_inputs: an item with more labels than steps has loss 0 and
            gradient 0 instead of being an error.
        time_major: False: inputs are (batch, time, classes).
        logits: another name of ``inputs``.

    Returns:
        (batch,): the loss of each item; infinite where no path gives the labels.

    Raises:
        TypeError: labels is no SparseTensor.
        ValueError: the shapes do not fit.
        InvalidArgumentError: an item has no labels, negative ones, labels behind a blank, or more
            than steps; a length or an index is out of range; the indices are not in order (when
            run).

    Gradient: dy * (softmax - expected number of times that the class is in the path) to the inputs,
    0 beyond the length; its own gradient is a LookupError.
    Numerics: logarithms in float64 inside.

    >>> labels = tf.SparseTensor([[0, 0]], [0], [1, 1])
    >>> logits = tf.zeros([2, 1, 3])
    >>> tf.Session().run(tf.exp(-tf.nn.ctc_loss(labels, logits, [2])) * 9)  # 3 of 9 paths
    array([3.], dtype=float32)
    """
    if not isinstance(labels, SparseTensor):
        raise TypeError(f"ctc_loss: labels must be a SparseTensor, not {labels!r}")
    inputs = one_name("ctc_loss", inputs=inputs, logits=logits)
    if inputs is None or sequence_length is None:
        raise ValueError("ctc_loss: inputs and sequence_length must be given")
    loss, _ = apply_op(
        "CTCLoss",
        _time_first(inputs, time_major),
        labels.indices,
        labels.values,
        sequence_length,
        preprocess_collapse_repeated=preprocess_collapse_repeated,
        ctc_merge_repeated=ctc_merge_repeated,
        ignore_longer_outputs_than_inputs=ignore_longer_outputs_than_inputs,
    )
    return loss


@export("nn.ctc_loss_v2")
def ctc_loss_v2(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: int | None = None,
    name: str | None = None,
) -> Tensor:
    """ctc_loss of labels in a matrix, with any class as the blank.

    Args:
        labels: (batch, longest) integers, or a SparseTensor.
        logits: (time, batch, classes) float32 or float64: unscaled log probabilities.
        label_length: (batch,): how many labels each item has; None for a SparseTensor.
        logit_length: (batch,): steps of time of each item.
        logits_time_major: False: logits are (batch, time, classes).
        unique: what ctc_unique_labels gives; without effect: it is fast without.
        blank_index: the class of the blank, from the end where negative; 0 by default, to be given
            for a SparseTensor.
        name: of the operations; ``ctc_loss_dense`` by default.

    Returns:
        (batch,): the loss of each item; infinite where no path gives the labels.

    Raises:
        ValueError: the shapes do not fit; the blank is not given or not a class.
        InvalidArgumentError: a label or a length is out of range (when run).

    Gradient: as of ctc_loss.

    >>> loss = tf.nn.ctc_loss_v2([[1, 0]], tf.zeros([2, 1, 3]), [1], [2])
    >>> tf.Session().run(tf.exp(-loss) * 9)  # 3 of 9 paths
    array([3.], dtype=float32)
    """
    if isinstance(labels, SparseTensor):
        return _sparse_loss(labels, logits, logit_length, logits_time_major, blank_index)
    if label_length is None:
        raise ValueError("ctc_loss_v2: label_length must be given for labels in a matrix")
    with name_scope(name, "ctc_loss_dense", [logits, labels, label_length, logit_length]):
        x = _time_first(logits, logits_time_major)
        given = (labels, label_length, logit_length)
        numbers = [convert_to_tensor(value) for value in given]
        whole = [t if t.dtype.base_dtype is int32 else call.Cast(t, DstT=int32) for t in numbers]
        blank = 0 if blank_index is None else blank_index
        return apply_op("CTCLossDense", x, *whole, blank_index=blank)[0]


def _sparse_loss(
    labels: SparseTensor, logits: Any, lengths: Any, time_major: bool, blank_index: int | None
) -> Tensor:
    if blank_index is None:
        raise ValueError("ctc_loss_v2: blank_index must be given for a SparseTensor of labels")
    x = _time_first(logits, time_major)
    classes = None if x.dims is None else x.dims[-1]
    if classes is None:
        raise ValueError("ctc_loss_v2: the number of classes must be known when built")
    if not -classes <= blank_index < classes:
        raise ValueError(
            f"ctc_loss_v2: blank_index {blank_index} is not in [{-classes}, {classes})"
        )
    blank = blank_index % classes
    values = labels.values
    if values.dtype.base_dtype is not int32:
        values = call.Cast(values, DstT=int32)
    if blank != classes - 1:
        # the blank becomes the last class, those behind it move up
        order = [c for c in range(classes) if c != blank] + [blank]
        x = call.GatherV2(x, np.array(order, np.int32), 2)
        limit = number(blank, values)
        values = call.Select(call.Less(values, limit), values, values - 1)
    moved = SparseTensor(labels.indices, values, labels.dense_shape)
    return ctc_loss(moved, x, lengths)


def _sparse_tensors(indices: list[Any], values: list[Any], shapes: list[Any]) -> list[SparseTensor]:
    return [SparseTensor(*parts) for parts in zip(indices, values, shapes, strict=True)]


@export("nn.ctc_greedy_decoder")
def ctc_greedy_decoder(
    inputs: Any, sequence_length: Any, merge_repeated: bool = True, blank_index: int | None = None
) -> tuple[list[SparseTensor], Tensor]:
    """The most probable class of each step, merged and without blanks.

    Args:
        inputs: (time, batch, classes) float32 or float64 logits.
        sequence_length: (batch,) int32: steps of time of each item.
        merge_repeated: whether equal neighbours in time count once.
        blank_index: the class of the blank, from the end where negative; the last by default.

    Returns:
        ``([decoded], neg_sum_logits)``: a SparseTensor of int64 with the labels of each item, and
        (batch, 1): minus the sum of the greatest logits.

    Raises:
        ValueError: the shapes do not fit.
        FailedPreconditionError: a length is out of range.   InvalidArgumentError: the blank is no
            class (when run).

    Gradient: none.

    >>> logits = tf.one_hot([[0], [0], [2], [1]], 3)
    >>> [decoded], _ = tf.nn.ctc_greedy_decoder(logits, [4])
    >>> tf.Session().run(decoded.values)
    array([0, 1])
    """
    *decoded, most = apply_op(
        "CTCGreedyDecoder", inputs, sequence_length, merge_repeated=merge_repeated,
        blank_index=-1 if blank_index is None else blank_index,
    )  # fmt: skip
    return [SparseTensor(*decoded)], most


@export("nn.ctc_beam_search_decoder")
def ctc_beam_search_decoder(
    inputs: Any,
    sequence_length: Any,
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
) -> tuple[list[SparseTensor], Tensor]:
    """The most probable labels, by beam search over prefixes of labels; the last class is blank.

    Args:
        inputs: (time, batch, classes) float32 or float64 logits.
        sequence_length: (batch,) int32: steps of time of each item.
        beam_width: how many prefixes are kept at each step.
        top_paths: how many results are given, the best first; at most beam_width.
        merge_repeated: whether equal neighbours among the labels found count once.  NB: the true
            default is hardly what is wanted: "a a" becomes "a".

    Returns:
        ``(decoded, log_probability)``: a list of top_paths SparseTensors of int64 with the labels
        of each item, and (batch, top_paths).

    Raises:
        ValueError: the shapes do not fit; a number is below 1.
        FailedPreconditionError: a length is out of range.   InvalidArgumentError: there are fewer
            than top_paths prefixes (when run).

    Gradient: none.

    >>> logits = tf.one_hot([[0], [0], [2], [0]], 3) * 9.0
    >>> [decoded], _ = tf.nn.ctc_beam_search_decoder(logits, [4], merge_repeated=False)
    >>> tf.Session().run(decoded.values)
    array([0, 0])
    """
    found = apply_op(
        "CTCBeamSearchDecoder", inputs, sequence_length, beam_width=beam_width,
        top_paths=top_paths, merge_repeated=merge_repeated,
    )  # fmt: skip
    parts = [found[k * top_paths : (k + 1) * top_paths] for k in range(3)]
    return _sparse_tensors(*parts), found[-1]


@export("nn.ctc_beam_search_decoder_v2")
def ctc_beam_search_decoder_v2(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[SparseTensor], Tensor]:
    """ctc_beam_search_decoder with ``merge_repeated=False``.

    Args:
        inputs, sequence_length, beam_width, top_paths: see ctc_beam_search_decoder.

    Returns:
        ``(decoded, log_probability)``.

    Gradient: none.
    """
    return ctc_beam_search_decoder(inputs, sequence_length, beam_width, top_paths, False)


def _packed(values: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """(the ``kept`` values of each row moved to its beginning, zeros behind; their places).

    Of the shape of ``values``; places of those not kept are those of the last kept one before.
    """
    place = call.Cumsum(call.Cast(kept, DstT=int32), 1) - 1
    shape = shape_of(values)
    rows, columns = call.GatherV2(shape, 0, 0), call.GatherV2(shape, 1, 0)
    # what is not kept goes to one more column, which is cut off
    column = call.Select(kept, place, call.ZerosLike(place) + columns)
    row = call.ExpandDims(call.Range(0, rows, 1), 1) + call.ZerosLike(place)
    wide = call.Pack([rows, columns + 1], axis=0)
    spread = call.ScatterNd(call.Pack([row, column], axis=2), values, wide)
    return call.Slice(spread, constant_axes([0, 0]), shape), place


@export("nn.collapse_repeated")
def collapse_repeated(
    labels: Any, seq_length: Any, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Rows of labels with equal neighbours merged.

    Args:
        labels: (batch, longest) integers.
        seq_length: (batch,) integers: how many of each row count.
        name: of the operations; ``collapse_repeated_labels`` by default.

    Returns:
        ``(labels, lengths)``: (batch, longest of the new), zeros behind the labels; (batch,) of the
        dtype of seq_length.

    Raises:
        ValueError: labels is no matrix.

    Gradient: none.

    >>> tf.Session().run(tf.nn.collapse_repeated([[1, 1, 2, 2, 1]], [4]))
    (array([[1, 2]], dtype=int32), array([2], dtype=int32))
    """
    with name_scope(name, "collapse_repeated_labels", [labels, seq_length]):
        labels = convert_to_tensor(labels, name="labels")
        lengths = convert_to_tensor(seq_length, name="seq_length")
        labels.shape.assert_has_rank(2)
        columns = call.GatherV2(shape_of(labels), 1, 0)
        index = call.Cast(call.Range(0, columns, 1), DstT=lengths.dtype.base_dtype)
        inside = call.Less(index, call.ExpandDims(lengths, 1))
        is_first = call.Equal(labels[:, :1], labels[:, :1])
        changes = call.NotEqual(labels[:, 1:], labels[:, :-1])
        kept = call.LogicalAnd(call.ConcatV2([is_first, changes], 1), inside)
        packed, _ = _packed(labels, kept)
        counts = call.Sum(call.Cast(kept, DstT=int32), constant_axes([1]))
        longest = call.Max(call.ConcatV2([counts, constant_axes([0])], 0), constant_axes([0]))
        size = call.Pack([call.GatherV2(shape_of(labels), 0, 0), longest], axis=0)
        result = call.Slice(packed, constant_axes([0, 0]), size)
        return result, call.Cast(counts, DstT=lengths.dtype.base_dtype)


@export("nn.ctc_unique_labels")
def ctc_unique_labels(labels: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The different labels of each row, and which of them each label is.

    Args:
        labels: (batch, longest) integers.
        name: of the operations; ``ctc_unique_labels`` by default.

    Returns:
        ``(unique, indices)``, both of the shape of ``labels``: different labels in order of
        appearance, zeros behind, as int64; and int32 places:
        labels[b, i] = unique[b, indices[b, i]].

    Raises:
        ValueError: labels is no matrix.

    Gradient: none.

    >>> tf.Session().run(tf.nn.ctc_unique_labels([[7, 7, 5]]))
    (array([[7, 5, 0]]), array([[0, 0, 1]], dtype=int32))
    """
    with name_scope(name, "ctc_unique_labels", [labels]):
        labels = convert_to_tensor(labels, name="labels")
        labels.shape.assert_has_rank(2)
        equal = call.Equal(call.ExpandDims(labels, 2), call.ExpandDims(labels, 1))
        columns = call.GatherV2(shape_of(labels), 1, 0)
        index = call.Range(0, columns, 1)
        # the place of the first label equal to this one
        later = call.Cast(call.LogicalNot(equal), DstT=int32) * columns
        first = call.Min(index + later, constant_axes([2]))
        is_first = call.Equal(first, index)
        if labels.dtype.base_dtype is not int64:
            labels = call.Cast(labels, DstT=int64)
        unique, place = _packed(labels, is_first)
        return unique, call.GatherV2(place, first, 1, batch_dims=1)
