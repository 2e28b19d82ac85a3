"""tf.summary.scalar, histogram, image, audio, text: a tag, an operation and a collection.

The tag is the name scope of the operation, with ``family/`` in front where one is given, so that
TensorBoard groups what the graph groups.

Read next: records.py.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from flowgraph.dtypes import float32, string
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.platform import tf_logging
from flowgraph.protos.summaries import SummaryDescription, SummaryMetadata

_NOT_IN_TAGS = re.compile(r"[^-/\w\.]")


def clean_tag(name: str) -> str:
    """``name`` with what may not stand in names of operations replaced by ``_``.

    >>> clean_tag("/mean loss")
    'mean_loss'
    """
    cleaned = _NOT_IN_TAGS.sub("_", name).lstrip("/")
    if cleaned != name:
        tf_logging.info("Summary name %s is illegal; using %s instead.", name, cleaned)
    return cleaned


@contextlib.contextmanager
def _summary_scope(
    name: str, family: str | None, values: Sequence[Any]
) -> Iterator[tuple[str, str]]:
    """Enter the scope of a summary; gives (its tag, its scope)."""
    name = clean_tag(name)
    family = None if family is None else clean_tag(family)
    with name_scope(name if family is None else f"{family}/{name}", None, values) as scope:
        tag = scope.rstrip("/")
        # The family is in the scope already; TensorBoard takes what precedes the first slash.
        yield (tag if family is None else f"{family}/{tag}"), scope


def _collected(summary: Tensor, collections: Sequence[Any] | None) -> Tensor:
    names = [GraphKeys.SUMMARIES] if collections is None else collections
    get_default_graph().add_to_collections(names, summary)
    return summary


@export("summary.scalar")
def scalar(
    name: str, tensor: Any, collections: Sequence[Any] | None = None, family: str | None = None
) -> Tensor:
    """A summary of one number, for a curve over the steps.

    Args:
        name: of the operation, and the tag of the curve.
        tensor: a real scalar; written as float32.
        collections: the collections that get the summary; ``[GraphKeys.SUMMARIES]`` by default.
        family: a prefix of the tag, by which curves are grouped.

    Returns:
        A string scalar: a serialized Summary, for ``FileWriter.add_summary``.

    Raises:
        ValueError: ``tensor`` is no scalar.   TypeError: its dtype is not real.

    Gradient: none.

    >>> loss = tf.summary.scalar("loss", 0.5)
    >>> tf.Summary.FromString(tf.Session().run(loss)).value[0].simple_value
    0.5
    """
    with _summary_scope(name, family, [tensor]) as (tag, scope):
        return _collected(apply_op("ScalarSummary", tag, tensor, name=scope), collections)


@export("summary.histogram")
def histogram(
    name: str, values: Any, collections: Sequence[Any] | None = None, family: str | None = None
) -> Tensor:
    """A summary of how values are spread.

    Buckets end at the powers of 1.1 times 1e-12, at their negatives and at 0.

    Args:
        name: of the operation, and the tag.
        values: real numbers of any shape.
        collections: the collections that get the summary; ``[GraphKeys.SUMMARIES]`` by default.
        family: a prefix of the tag.

    Returns:
        A string scalar: a serialized Summary.

    Raises:
        TypeError: the dtype is not real.
        InvalidArgumentError: a value is not finite (when run).

    Gradient: none.
    Numerics: sums are those of float64, one value after the other.

    >>> spread = tf.summary.histogram("weights", [1.0, 2.0, 2.0])
    >>> histo = tf.Summary.FromString(tf.Session().run(spread)).value[0].histo
    >>> histo.num, histo.sum, max(histo.bucket)
    (3.0, 5.0, 2.0)
    """
    with _summary_scope(name, family, [values]) as (tag, scope):
        return _collected(apply_op("HistogramSummary", tag, values, name=scope), collections)


@export("summary.image")
def image(
    name: str,
    tensor: Any,
    max_outputs: int = 3,
    collections: Sequence[Any] | None = None,
    family: str | None = None,
) -> Tensor:
    """A summary of images, as PNG.

    uint8 is shown as it is.  Floats are scaled, image by image: the largest value to 255 where none
    is negative, else 0 to 128 and the largest magnitude to 127 above or below.  Pixels that are not
    finite become red.

    Args:
        name: of the operation; the tags are ``name/image/0``, ..., or ``name/image`` when
            ``max_outputs`` is 1.
        tensor: (batch, height, width, channels), uint8 or float, of 1, 3 or 4 channels.
        max_outputs: how many images of the batch at most.
        collections: the collections that get the summary; ``[GraphKeys.SUMMARIES]`` by default.
        family: a prefix of the tags.

    Returns:
        A string scalar: a serialized Summary.

    Raises:
        ValueError: another shape.   TypeError: another dtype.

    Gradient: none.

    >>> shown = tf.summary.image("first", tf.ones([1, 2, 3, 1]))
    >>> tf.Summary.FromString(tf.Session().run(shown)).value[0].image.width
    3
    """
    with _summary_scope(name, family, [tensor]) as (tag, scope):
        made = apply_op("ImageSummary", tag, tensor, max_images=max_outputs, name=scope)
        return _collected(made, collections)


@export("summary.audio")
def audio(
    name: str,
    tensor: Any,
    sample_rate: Any,
    max_outputs: int = 3,
    collections: Sequence[Any] | None = None,
    family: str | None = None,
) -> Tensor:
    """A summary of sounds, as WAV files of 16 bits.

    Args:
        name: of the operation; the tags are ``name/audio/0``, ..., or ``name/audio`` when
            ``max_outputs`` is 1.
        tensor: (batch, frames) or (batch, frames, channels), float32 in [-1, 1].
        sample_rate: a float32 scalar: frames per second (Hz).
        max_outputs: how many sounds of the batch at most.
        collections: the collections that get the summary; ``[GraphKeys.SUMMARIES]`` by default.
        family: a prefix of the tags.

    Returns:
        A string scalar: a serialized Summary.

    Raises:
        ValueError: another shape.   TypeError: another dtype.
        InvalidArgumentError: ``sample_rate`` is not positive (when run).

    Gradient: none.
    """
    with _summary_scope(name, family, [tensor]) as (tag, scope):
        rate = convert_to_tensor(sample_rate, float32, name="sample_rate")
        made = apply_op("AudioSummaryV2", tag, tensor, rate, max_outputs=max_outputs, name=scope)
        return _collected(made, collections)


@export("summary.tensor_summary")
def tensor_summary(
    name: str,
    tensor: Any,
    summary_description: str | None = None,
    collections: Sequence[Any] | None = None,
    summary_metadata: Any = None,
    family: str | None = None,
    display_name: str | None = None,
) -> Tensor:
    """A summary of a whole tensor.

    Args:
        name: of the operation, and the tag.
        tensor: of any dtype and shape.
        summary_description: what it is, to be shown.
        collections: the collections that get the summary; ``[GraphKeys.SUMMARIES]`` by default.
        summary_metadata: a SummaryMetadata: which plugin shows the tensor.
        family: a prefix of the tag.
        display_name: the name to be shown, instead of the tag.

    Returns:
        A string scalar: a serialized Summary.

    Gradient: none.
    """
    metadata = SummaryMetadata()
    if summary_metadata is not None:
        metadata.CopyFrom(summary_metadata)
    if display_name is not None:
        metadata.display_name = display_name
    if summary_description is not None:
        metadata.summary_description = summary_description
    with _summary_scope(name, family, [tensor]) as (tag, scope):
        made = apply_op("TensorSummaryV2", tag, tensor, metadata.SerializeToString(), name=scope)
        return _collected(made, collections)


@export("summary.text")
def text(name: str, tensor: Any, collections: Sequence[Any] | None = None) -> Tensor:
    """A summary of text, which may be Markdown.

    Args:
        name: of the operation, and the tag.
        tensor: strings; a matrix is shown as a table.
        collections: the collections that get the summary; ``[GraphKeys.SUMMARIES]`` by default.

    Returns:
        A string scalar: a serialized Summary.

    Raises:
        ValueError: ``tensor`` holds no strings.

    Gradient: none.
    """
    given = convert_to_tensor(tensor)
    if given.dtype != string:
        raise ValueError(f"Expected tensor {given.name} to have dtype string, got {given.dtype}")
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    return tensor_summary(name, given, collections=collections, summary_metadata=metadata)


@export("summary.merge")
def merge(
    inputs: Sequence[Any], collections: Sequence[Any] | None = None, name: str | None = None
) -> Tensor:
    """One summary with the values of all ``inputs``.

    Args:
        inputs: a list of string tensors: serialized summaries.
        collections: the collections that get the result; none by default.
        name: of the scope and the operation; ``Merge/MergeSummary`` by default.

    Returns:
        A string scalar: a serialized Summary.

    Raises:
        RuntimeError: operations are executed at once.   ValueError: there are no inputs.
        InvalidArgumentError: two values have the same tag (when run).

    Gradient: none.
    """
    if get_default_graph().executes:
        raise RuntimeError("tf.summary.merge needs a graph: it is not for eager execution")
    if isinstance(inputs, Tensor):
        raise TypeError(f"inputs must be a list of summaries, got {inputs!r}")
    given = list(inputs)
    if not given:
        raise ValueError("tf.summary.merge: inputs must hold at least one summary")
    with name_scope(name, "Merge", given):
        made = apply_op("MergeSummary", given, name=name)
        return _collected(made, collections or ())


@export("summary.merge_all")
def merge_all(
    key: Any = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None
) -> Tensor | None:
    """One summary with the values of all those in a collection.

    Args:
        key: the collection.
        scope: only those whose names match this regular expression from their start.
        name: of the scope and the operation; ``Merge/MergeSummary`` by default.

    Returns:
        A string scalar, or None when there are no summaries.

    Raises:
        RuntimeError: operations are executed at once.

    Gradient: none.

    >>> with tf.Graph().as_default():
    ...     _ = tf.summary.scalar("a", 1.0), tf.summary.scalar("b", 2.0)
    ...     print(tf.summary.merge_all().name)
    Merge/MergeSummary:0
    """
    if get_default_graph().executes:
        raise RuntimeError("tf.summary.merge_all needs a graph: it is not for eager execution")
    found = get_default_graph().get_collection(key, scope)
    return merge(found, name=name) if found else None


@export("summary.get_summary_description")
def get_summary_description(node_def: Any) -> SummaryDescription:
    """The SummaryDescription in a node of type ``TensorSummary``.

    Args:
        node_def: a NodeDef, for instance of a GraphDef that was read.

    Returns:
        A SummaryDescription.

    Raises:
        ValueError: the node is of another type.
    """
    if node_def.op != "TensorSummary":
        raise ValueError(f"Can't get_summary_description on {node_def.op}")
    described = json.loads(node_def.attr["description"].s)
    return SummaryDescription(type_hint=described.get("typeHint", described.get("type_hint", "")))
