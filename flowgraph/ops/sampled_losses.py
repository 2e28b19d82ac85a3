"""Losses over sampled classes: nce_loss and sampled_softmax_loss.

    logits of the true classes [batch, num_true] and of the sampled ones [batch, num_sampled],
    each less log(expected count), beside one another

Read next: candidate_sampling.py (where candidates come from), embedding.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import int64
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.ops.rules import number


def _rows(table: Any, ids: Tensor, strategy: str) -> Tensor:
    return EXPORTS["nn.embedding_lookup"](table, ids, partition_strategy=strategy)


def _sampled_logits(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int,
    sampled_values: Any,
    subtract_log_q: bool,
    remove_accidental_hits: bool,
    partition_strategy: str,
    name: str,
    seed: int | None,
) -> tuple[Tensor, Tensor]:
    """(logits, labels), both [batch, num_true + num_sampled]."""
    tables = weights if isinstance(weights, (list, tuple)) else [weights]
    with name_scope(name, name, [*tables, biases, inputs, labels]):
        inputs = convert_to_tensor(inputs, name="inputs")
        labels = convert_to_tensor(labels, name="labels")
        if labels.dtype.base_dtype is not int64:
            labels = call.Cast(labels, DstT=int64)
        if sampled_values is None:
            sampled_values = EXPORTS["nn.log_uniform_candidate_sampler"](
                true_classes=labels, num_true=num_true, num_sampled=num_sampled, unique=True,
                range_max=num_classes, seed=seed,
            )  # fmt: skip
        sampled, of_true, of_sampled = (call.StopGradient(value) for value in sampled_values)
        sampled = call.Cast(sampled, DstT=int64)
        true_ids = call.Reshape(labels, np.array([-1], np.int32))
        # NB: TensorFlow looks up true and sampled classes together and takes them apart again.
        sampled_logits = call.MatMul(
            inputs, _rows(weights, sampled, partition_strategy), transpose_b=True
        )
        sampled_logits = sampled_logits + _rows(biases, sampled, partition_strategy)
        true_rows = _rows(weights, true_ids, partition_strategy)
        depth = -1 if inputs.dims is None or inputs.dims[-1] is None else inputs.dims[-1]
        if num_true > 1:
            true_rows = call.Reshape(true_rows, np.array([-1, num_true, depth], np.int32))
            products = call.ExpandDims(inputs, 1) * true_rows
        else:
            products = call.ExpandDims(inputs * true_rows, 1)
        true_bias = call.Reshape(
            _rows(biases, true_ids, partition_strategy), np.array([-1, num_true], np.int32)
        )
        true_logits = call.Sum(products, 2) + true_bias
        if remove_accidental_hits:
            # [batch, true, sampled] -> the sampled classes that are a true one of the row
            hits = call.Any(call.Equal(call.ExpandDims(labels, 2), sampled), 1)
            lowest = number(float(np.finfo(np.float32).min), sampled_logits)
            sampled_logits += lowest * call.Cast(hits, DstT=sampled_logits.dtype)
        if subtract_log_q:
            true_logits = true_logits - call.Log(of_true)
            sampled_logits = sampled_logits - call.Log(of_sampled)
        logits = call.ConcatV2([true_logits, sampled_logits], 1)
        share = call.OnesLike(true_logits) / number(num_true, true_logits)
        return logits, call.ConcatV2([share, call.ZerosLike(sampled_logits)], 1)


_ARGUMENTS = """Args:
        weights: (num_classes, dim), or a list of tables that are its parts.
        biases: (num_classes,).
        labels: (batch, num_true) integers: the right classes.
        inputs: (batch, dim).
        num_sampled: how many classes to sample for the whole batch.
        num_classes: how many there are.
        num_true: right classes in each row; each gets the target 1 / num_true.
        sampled_values: what a candidate sampler gave; by default of
            log_uniform_candidate_sampler with ``unique=True``.
        remove_accidental_hits: leave out sampled classes that are right ones of the row.
        partition_strategy: how classes belong to parts, see embedding_lookup.
        name: of the scope; ``{name}`` by default.{seed}

    Returns:
        (batch,): the loss of each row.

    Raises:
        ValueError: the shapes do not fit.
        InvalidArgumentError: a label is out of range (when run).

    Gradient: IndexedSlices for weights and biases: only rows of right and sampled classes."""


@export("nn.nce_loss")
def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
) -> Tensor:
    """Noise-contrastive estimation: right classes against sampled ones, each a yes or no.

    sum over classes of the sigmoid cross-entropy of ``inputs @ weights + biases - log(expected)``

    {arguments}
    Source: Gutmann and Hyvarinen, "Noise-contrastive estimation" (2010).
    """
    logits, targets = _sampled_logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        True, remove_accidental_hits, partition_strategy, name, None,
    )  # fmt: skip
    losses = EXPORTS["nn.sigmoid_cross_entropy_with_logits"](
        labels=targets, logits=logits, name="sampled_losses"
    )
    return call.Sum(losses, 1)


@export("nn.sampled_softmax_loss")
def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss",
    seed: int | None = None,
) -> Tensor:
    """The softmax cross-entropy among right and sampled classes in place of all: for training.

    {arguments}
    Source: Jean et al., "On using very large target vocabulary for neural machine translation"
    (2015).
    """
    logits, targets = _sampled_logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        True, remove_accidental_hits, partition_strategy, name, seed,
    )  # fmt: skip
    return EXPORTS["nn.softmax_cross_entropy_with_logits_v2"](
        labels=call.StopGradient(targets), logits=logits
    )


for _function, _seed in (
    (nce_loss, ""),
    (sampled_softmax_loss, "\n        seed: of the sampler; see tf.set_random_seed."),
):
    _function.__doc__ = (_function.__doc__ or "").replace(
        "{arguments}", _ARGUMENTS.format(name=_function.__name__, seed=_seed)
    )
