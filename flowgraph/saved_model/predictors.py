"""tf.contrib.predictor: a loaded graph as a function from arrays to arrays.

    predict = tf.contrib.predictor.from_saved_model("export/1")
    predict({"x": [[1.0, 2.0]]})["y"]

Read next: loading.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowgraph.graph.core import Graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.protos.meta_graphs import SignatureDef
from flowgraph.saved_model import names
from flowgraph.saved_model.loading import load
from flowgraph.saved_model.signatures import get_tensor_from_tensor_info
from flowgraph.session import Session


class Predictor:
    """Feeds some tensors of a session's graph, and fetches others.

    Args:
        session: the session.
        feed_tensors: name -> tensor that is fed.
        fetch_tensors: name -> tensor that is computed.
    """

    def __init__(
        self, session: Any, feed_tensors: Mapping[str, Any], fetch_tensors: Mapping[str, Any]
    ) -> None:
        self._session = session
        self._feeds, self._fetches = dict(feed_tensors), dict(fetch_tensors)

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self._session.graph

    @property
    def session(self) -> Any:
        """The session, which holds the variables."""
        return self._session

    @property
    def feed_tensors(self) -> dict[str, Any]:
        """Name -> tensor that is fed."""
        return self._feeds

    @property
    def fetch_tensors(self) -> dict[str, Any]:
        """Name -> tensor that is computed."""
        return self._fetches

    def __call__(self, input_dict: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs for some inputs.

        Args:
            input_dict: name -> array.

        Raises:
            ValueError: a name is no input.
        """
        unknown = set(input_dict) - set(self._feeds)
        if unknown:
            raise ValueError(
                f"Got unexpected keys in input_dict: {sorted(unknown)}\n"
                f"expected: {sorted(self._feeds)}"
            )
        feeds = {self._feeds[name]: value for name, value in input_dict.items()}
        return self._session.run(self._fetches, feeds)

    def __repr__(self) -> str:
        return f"Predictor(feeds {sorted(self._feeds)}, fetches {sorted(self._fetches)})"


@export("contrib.predictor.from_saved_model")
def from_saved_model(
    export_dir: Any,
    signature_def_key: str | None = None,
    signature_def: SignatureDef | None = None,
    input_names: Mapping[str, str] | None = None,
    output_names: Mapping[str, str] | None = None,
    tags: str | Iterable[str] | None = None,
    graph: Graph | None = None,
    config: Any = None,
) -> Predictor:
    """A function from arrays to arrays out of a SavedModel.

    Args:
        export_dir: its directory.
        signature_def_key: name of the signature; ``serving_default`` when None.
        signature_def: a SignatureDef in place of one of the model's.
        input_names: name -> name of the tensor that is fed, in place of a signature.
        output_names: name -> name of the tensor that is computed, in place of a signature.
        tags: the tags of the graph, a list or text with commas; ``serve`` when None.
        graph: the Graph to load into; a new one when None.
        config: the session's ConfigProto.

    Returns:
        A Predictor: call it with a dict of arrays, and it returns a dict of arrays.

    Raises:
        OSError: there is no SavedModel.
        ValueError: there is no such signature, or more than one of signature_def_key, signature_def
            and input_names was given, or only one of input_names and output_names.

    >>> import tempfile
    >>> x = tf.placeholder(tf.float32, [None], name="x")
    >>> with tf.Session() as sess, tempfile.TemporaryDirectory() as folder:
    ...     tf.saved_model.simple_save(sess, folder, {"x": x}, {"y": x * 2.0})
    ...     predict = tf.contrib.predictor.from_saved_model(folder)
    >>> predict({"x": [1.0, 2.0]})["y"]
    array([2., 4.], dtype=float32)
    """
    if sum(given is not None for given in (signature_def_key, signature_def, input_names)) > 1:
        raise ValueError(
            "You must specify at most one of signature_def_key OR signature_def OR (input_names AND"
            " output_names)."
        )
    if (input_names is None) != (output_names is None):
        raise ValueError("input_names and output_names must both be specified or both unspecified.")
    wanted = tags.split(",") if isinstance(tags, str) else tags or [names.SERVING]
    graph = Graph() if graph is None else graph
    with graph.as_default():
        session = Session(graph=graph, config=config)
        meta = load(session, wanted, export_dir)
        if input_names is not None and output_names is not None:
            return Predictor(session, _named(graph, input_names), _named(graph, output_names))
        if signature_def is None:
            key = signature_def_key or names.DEFAULT_SERVING_SIGNATURE_DEF_KEY
            if key not in meta.signature_def:
                raise ValueError(
                    f"Got signature_def_key {key!r}. Available signatures are "
                    f"{sorted(meta.signature_def)}."
                )
            signature_def = meta.signature_def[key]

        def tensors(infos: Mapping[str, Any]) -> dict[str, Any]:
            return {n: get_tensor_from_tensor_info(info, graph) for n, info in infos.items()}

        return Predictor(session, tensors(signature_def.inputs), tensors(signature_def.outputs))


def _named(graph: Graph, given: Mapping[str, str]) -> dict[str, Tensor]:
    return {key: graph.get_tensor_by_name(name) for key, name in given.items()}
