"""Connectionist temporal classification: labels without known places in time (Graves 2006)."""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras.backend.settings import epsilon

__all__ = ["ctc_batch_cost", "ctc_decode", "ctc_label_dense_to_sparse"]


def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> Any:
    """The first ``label_lengths[i]`` elements of row i of ``labels``, as a sparse tensor.

    Args:
        labels: (samples, longest).
        label_lengths: (samples,).
    """
    labels = tf.convert_to_tensor(labels)
    lengths = tf.cast(tf.reshape(label_lengths, [-1]), tf.int32)
    indices = tf.where(tf.sequence_mask(lengths, tf.shape(labels)[1]))
    return tf.SparseTensor(
        indices, tf.gather_nd(labels, indices), tf.shape(labels, out_type=tf.int64)
    )


def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """Minus the log probability of the labels, (samples, 1).

    Args:
        y_true: (samples, longest): classes; the last class of ``y_pred`` is the blank.
        y_pred: (samples, steps, classes): probabilities.
        input_length: (samples, 1): how many steps of each sample count.
        label_length: (samples, 1): how many labels each sample has.
    """
    labels = ctc_label_dense_to_sparse(tf.cast(y_true, tf.int32), label_length)
    lengths = tf.cast(tf.reshape(input_length, [-1]), tf.int32)
    logits = tf.log(tf.transpose(y_pred, [1, 0, 2]) + epsilon())
    loss = tf.nn.ctc_loss(inputs=logits, labels=labels, sequence_length=lengths)
    return tf.expand_dims(loss, 1)


def ctc_decode(
    y_pred: Any,
    input_length: Any,
    greedy: bool = True,
    beam_width: int = 100,
    top_paths: int = 1,
) -> tuple[list[Any], Any]:
    """The likeliest labels of probabilities over time.

    Args:
        y_pred: (samples, steps, classes): probabilities; the last class is the blank.
        input_length: (samples,): how many steps of each sample count.
        greedy: take the likeliest class of every step; else search with a beam.
        beam_width: how many labellings the search keeps.
        top_paths: how many labellings the search gives.

    Returns:
        ``(labels, score)``: a list of (samples, longest) with -1 behind the labels, the likeliest
        first; and for the search the log probability of each, (samples, top_paths), for the greedy
        choice minus the sum of the log probabilities of its classes, (samples, 1).
    """
    logits = tf.log(tf.transpose(y_pred, [1, 0, 2]) + epsilon())
    lengths = tf.cast(tf.reshape(input_length, [-1]), tf.int32)
    if greedy:
        found, score = tf.nn.ctc_greedy_decoder(logits, lengths)
    else:
        found, score = tf.nn.ctc_beam_search_decoder(
            logits, lengths, beam_width=beam_width, top_paths=top_paths, merge_repeated=False
        )
    return [tf.sparse_tensor_to_dense(x, default_value=-1) for x in found], score
