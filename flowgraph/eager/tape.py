"""``tf.GradientTape``: notes what is executed, and goes back along it.

    with tf.GradientTape() as tape:        record: Mul(v, x) -> a, Sum(a) -> y
        y = tf.reduce_sum(v * x)
    tape.gradient(y, v)                    the rules of Sum, then of Mul, executed

Going back applies the same rules as ``tf.gradients``; they are executed like everything else, so
the tapes around this one note them, which gives derivatives of higher order.

While a graph is built nothing need be noted, as the graph itself is the record: a tape then only
remembers which of its operations were made inside.

Read next: recording.py, function.py (functions on tapes).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from flowgraph.eager import recording
from flowgraph.eager.recording import Entry, Record, paused
from flowgraph.eager.tensor import EagerTensor, wrap
from flowgraph.eager.variables import EagerRef, EagerVariable
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert, convert_to_tensor
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.gradients import (
    IndexedSlices,
    UnconnectedGradients,
    apply_rule,
    gradients,
    total,
)
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS, NotDifferentiable
from flowgraph.graph.site import NO_SITE
from flowgraph.ops.jacobians import jacobian
from flowgraph.ops.nest import flatten, is_nested, pack_sequence_as
from flowgraph.ops.variables import Variable
from flowgraph.shapes import format_dims

_ONCE = "GradientTape.gradient can only be called once on non-persistent tapes."


@export("GradientTape", "contrib.eager.GradientTape")
class GradientTape:
    """Notes operations, to differentiate through them.

    Trainable variables are watched by themselves when they are read, tensors after ``watch``.
    Tapes can be nested; a gradient taken inside an outer tape can be differentiated again.

    Args:
        persistent: whether ``gradient`` may be called more than once.
        watch_accessed_variables: False watches only what ``watch`` names.

    Source: tf.GradientTape (TensorFlow 1.15).

    >>> with tf.eager_mode():
    ...     x = tf.constant(3.0)
    ...     with tf.GradientTape() as outer:
    ...         outer.watch(x)
    ...         with tf.GradientTape() as inner:
    ...             inner.watch(x)
    ...             y = x * x * x
    ...         dy = inner.gradient(y, x)
    ...     print(dy.numpy(), outer.gradient(dy, x).numpy())
    27.0 18.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watches_variables = watch_accessed_variables
        self._record: Record | None = None
        self._graph_record: _GraphRecord | None = None
        self._recording = False

    def __enter__(self) -> GradientTape:
        """Start to note."""
        self._start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop to note."""
        if self._recording:
            self._stop()

    def _start(self) -> None:
        if self._recording:
            raise ValueError("Tape is already recording.")
        if self._record is None:
            self._record = Record(watches_variables=self._watches_variables)
            self._graph_record = _GraphRecord()
        recording.start(self._record)
        self._graph_record.start()  # type: ignore[union-attr]
        self._recording = True

    def _stop(self) -> None:
        if not self._recording:
            raise ValueError("Tape is not recording.")
        recording.stop(self._record)  # type: ignore[arg-type]
        self._graph_record.stop()  # type: ignore[union-attr]
        self._recording = False

    # --------------------------------------------------------------------------------- noting

    def watch(self, tensor: Any) -> None:
        """Note what derives from ``tensor`` from now on.

        Args:
            tensor: a tensor or variable of a floating dtype, or a nest of them.

        Raises:
            RuntimeError: the tape is not recording.
        """
        if not self._recording:
            raise RuntimeError("watch: the tape is not recording; call it inside `with tape:`")
        record = self._record
        assert record is not None and self._graph_record is not None
        for item in flatten(tensor):
            if isinstance(item, EagerVariable):
                record.variables.setdefault(item, [])
                record.watch_variable(item, item._storage.read())
            elif isinstance(item, EagerTensor):
                if item.dtype.np.kind in "fc":
                    record.watch(item)
            elif not isinstance(item, (Tensor, Variable)):
                raise ValueError(f"watch takes tensors and variables, got {item!r}")
            self._graph_record.watched.append(item)

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Context manager: what happens inside is not noted.

        Raises:
            ValueError: the tape is not recording.
        """
        self._stop()
        try:
            yield
        finally:
            self._start()

    def reset(self) -> None:
        """Forget everything noted, and the tensors watched."""
        running = self._recording
        if running:
            self._stop()
        self._record = self._graph_record = None
        if running:
            self._start()

    def watched_variables(self) -> tuple[Any, ...]:
        """The variables watched so far, in the order in which they were made."""
        if self._record is None:
            return ()
        found = [v for v, values in self._record.variables.items() if values]
        traced = [v for v in _variables_of_trace() if v not in found]
        return tuple(sorted([*found, *traced], key=lambda v: v._number))

    # -------------------------------------------------------------------------------- gradients

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
    ) -> Any:
        """Derivatives of the sum of ``target`` with respect to each of ``sources``.

        ``dx[j] = sum_i output_gradients[i] * d target[i] / d sources[j]``

        Args:
            target: a tensor, or a nest of them.
            sources: a tensor or variable, or a nest of them.
            output_gradients: one per target, of its shape; None (also inside a list) means ones.
            unconnected_gradients: what stands for a source that no target depends on: "none" or
                "zero".

        Returns:
            A tensor or IndexedSlices per source, in the structure of ``sources``; None where no
            derivative flows or the source was not watched.

        Raises:
            RuntimeError: the tape is not persistent and was asked before, or nothing was recorded.
            ValueError: ``unconnected_gradients`` is neither.
        """
        unconnected = _option(unconnected_gradients)
        record = self._asked()
        targets, listed = flatten(target), flatten(sources)
        if output_gradients is None:
            dys = [None] * len(targets)
        else:
            dys = flatten(output_gradients) if is_nested(target) else [output_gradients]
        if len(dys) != len(targets):
            raise ValueError(
                f"gradient: {len(targets)} targets were given, but {len(dys)} output_gradients"
            )
        if any(_is_symbolic(item) for item in [*targets, *listed]):
            graph = get_default_graph()
            ys = [_of_graph(graph, y, value=True) for y in targets]
            found = self._derive(gradients, ys, listed, dys)
        elif self._persistent:
            found = backward(record, targets, listed, dys)
        else:
            with paused(record):
                found = backward(record, targets, listed, dys)
            self._record = self._graph_record = None  # frees what the entries hold
        if unconnected is UnconnectedGradients.ZERO:
            found = [
                call.ZerosLike(source) if dx is None else dx
                for source, dx in zip(listed, found, strict=True)
            ]
        return pack_sequence_as(sources, found)

    def _asked(self) -> Record:
        """The record, when the tape may be asked for a gradient."""
        if self._record is None:
            raise RuntimeError(_ONCE)
        record = self._record
        if self._recording and not self._persistent:
            self._stop()
        return record

    def _derive(
        self, derivative: Any, ys: Any, sources: list[Any], dys: Sequence[Any] | None = None
    ) -> list[Any]:
        assert self._graph_record is not None
        return self._graph_record.derive(derivative, ys, sources, dys, self._watches_variables)

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """All derivatives of ``target`` with respect to each of ``sources``.

        ``J[a, b] = d target[a] / d source[b]`` for multi-indices a and b.

        Args:
            target: one tensor.
            sources: a tensor or variable, or a nest of them.
            unconnected_gradients: as for ``gradient``.
            parallel_iterations: accepted.
            experimental_use_pfor: accepted: while executing, rows are computed one by one; while
                building a graph, as one batch (tf.jacobian).

        Returns:
            A tensor of shape ``target.shape + source.shape`` per source, in their structure, or
            None.

        Raises:
            RuntimeError: as ``gradient``.
        """
        unconnected = _option(unconnected_gradients)
        record = self._asked()
        listed = flatten(sources)
        if _is_symbolic(target):
            found = self._derive(jacobian, target, listed)
        else:
            target = convert_to_tensor(target)
            with contextlib.nullcontext() if self._persistent else paused(record):
                found = _rows(record, target, listed)
            if not self._persistent:
                self._record = self._graph_record = None
        if unconnected is UnconnectedGradients.ZERO:
            found = [
                _zeros([*target.dims, *_dims(x)], x) if j is None else j
                for x, j in zip(listed, found, strict=True)
            ]
        return pack_sequence_as(sources, found)

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """The Jacobian of every row: ``J[n, a, b] = d target[n, a] / d source[n, b]``.

        Row n of ``target`` must depend on row n of ``source`` alone.

        Args:
            target, source: tensors of one size of axis 0.
            unconnected_gradients, parallel_iterations, experimental_use_pfor: as ``jacobian``.

        Returns:
            A tensor of shape ``[n, *target.shape[1:], *source.shape[1:]]``, or None.

        Raises:
            ValueError: the sizes of axis 0 differ, or a tensor has no axis.
            RuntimeError: as ``gradient``.
        """
        unconnected = _option(unconnected_gradients)
        target_dims, source_dims = _dims(target), _dims(source)
        if not target_dims or not source_dims or target_dims[0] != source_dims[0]:
            raise ValueError(
                "batch_jacobian: target and source must agree in the size of axis 0, their shapes "
                f"are {format_dims(target_dims)} and {format_dims(source_dims)}"
            )
        if _is_symbolic(target):
            (matrix,) = self._derive(jacobian, target, [source])
            found = None if matrix is None else _diagonal(matrix, target_dims, source_dims)
        else:
            record = self._asked()
            with contextlib.nullcontext() if self._persistent else paused(record):
                found = _rows_of_batch(record, target, source)
            if not self._persistent:
                self._record = self._graph_record = None
        if found is None and unconnected is UnconnectedGradients.ZERO:
            return _zeros([*target_dims, *source_dims[1:]], source)
        return found


def _option(value: Any) -> UnconnectedGradients:
    try:
        return UnconnectedGradients(value)
    except ValueError:
        raise ValueError(f"Unknown value for unconnected_gradients: {value!r}") from None


def _dims(x: Any) -> tuple[Any, ...]:
    return tuple(x.shape.as_list())


def _zeros(sizes: Sequence[Any], like: Any) -> Tensor:
    return call.Fill(sizes, call.Cast(0, DstT=like.dtype.base_dtype))


def _is_symbolic(item: Any) -> bool:
    """True for what has no value yet: a tensor or variable of a graph."""
    if isinstance(item, EagerVariable):
        return not get_default_graph().executes
    graph = getattr(item, "graph", None)
    return isinstance(graph, Graph) and not graph.executes


# ---------------------------------------------------------------------------------- going back


def backward(
    record: Record, targets: Sequence[Any], sources: Sequence[Any], dys: Sequence[Any]
) -> list[Any]:
    """The gradient of each source, or None, by the entries of ``record``."""
    wanted: set[int] = set()
    for source in sources:
        wanted.update(id(tensor) for tensor in _tensors_of(record, source))
    walk = _Backward(record, wanted)
    for target, dy in zip(targets, dys, strict=True):
        walk.start(target, dy)
    walk.run()
    results: list[Any] = []
    for source in sources:
        parts = [walk.gradient_of(tensor) for tensor in _tensors_of(record, source)]
        parts = [part for part in parts if part is not None]
        results.append(total(parts) if parts else None)
    return results


def _tensors_of(record: Record, source: Any) -> Sequence[EagerTensor]:
    """The tensors whose gradients make that of ``source``, as far as the tape knows them."""
    if isinstance(source, EagerVariable):
        return record.variables.get(source, ())
    if isinstance(source, EagerTensor):
        return (source,) if id(source) in record.known else ()
    raise TypeError(f"gradient: a source must be a tensor or a variable, got {source!r}")


class _Backward:
    """Gradients on their way from the targets to the sources."""

    def __init__(self, record: Record, wanted: set[int]) -> None:
        #: ids of the tensors on a way from a source; the entries keep them alive.
        self.reached = set(wanted)
        self.entries: list[Entry] = []
        for entry in record.entries:
            if any(id(tensor) in self.reached for tensor in entry.inputs):
                self.entries.append(entry)
                self.reached.update(
                    id(tensor) for tensor in entry.outputs if tensor.dtype.np.kind in "fc"
                )
        self.record = record
        self.flowing: dict[int, list[Any]] = {}
        self.sums: dict[int, Any] = {}

    def start(self, target: Any, dy: Any) -> None:
        """Let ``dy`` (None: ones) enter at ``target``."""
        if isinstance(target, EagerVariable):
            for tensor in self.record.variables.get(target, ())[-1:]:
                self.start(tensor, dy)
            return
        target = target if isinstance(target, EagerTensor) else convert_to_tensor(target)
        if id(target) not in self.reached or target.dtype.np.kind not in "fc":
            return
        if dy is None:
            dy = wrap(np.ones(target.dims, target.dtype.np))
        elif not isinstance(dy, IndexedSlices):
            dy = convert(dy, target.dtype, "output_gradients")
        self.flowing.setdefault(id(target), []).append(dy)

    def gradient_of(self, tensor: EagerTensor) -> Any:
        """The sum of what flowed into ``tensor``."""
        key = id(tensor)
        if key in self.flowing:
            self.sums[key] = total(self.flowing.pop(key))
        return self.sums.get(key)

    def run(self) -> None:
        """Visit the entries, last first."""
        for entry in reversed(self.entries):
            dys = [self.gradient_of(tensor) for tensor in entry.outputs]
            if all(dy is None for dy in dys):
                continue
            for tensor, dx in zip(entry.inputs, self._derive(entry, dys), strict=True):
                if dx is not None and id(tensor) in self.reached:
                    self.flowing.setdefault(id(tensor), []).append(dx)

    def _derive(self, entry: Entry, dys: list[Any]) -> Sequence[Any]:
        if entry.backward is not None:
            return entry.backward(dys)
        if isinstance(OPDEFS[entry.type].grad, NotDifferentiable):
            return [None] * len(entry.inputs)
        op = Operation(
            EagerTensor._executing, -1, entry.type, entry.type, tuple(entry.inputs), entry.attrs,
            NO_SITE,
        )  # fmt: skip
        op.outputs = list(entry.outputs)
        return apply_rule(op, dys, None, lambda tensor: id(tensor) in self.reached)


def _rows(record: Record, target: EagerTensor, sources: Sequence[Any]) -> list[Any]:
    """The Jacobian for each source, row by row."""
    dims = target._spec.dims
    count = int(np.prod(dims))
    numbers = np.eye(count, dtype=target.dtype.np)
    rows = [
        backward(record, [target], sources, [wrap(numbers[i].reshape(dims))]) for i in range(count)
    ]
    results: list[Any] = []
    for k, source in enumerate(sources):
        column = [row[k] for row in rows]
        if all(dx is None for dx in column):
            results.append(None)
            continue
        zeros = _zeros(_dims(source), source)
        dense = [zeros if dx is None else convert(dx, None, None) for dx in column]
        results.append(call.Reshape(call.Pack(dense), [*dims, *_dims(source)]))
    return results


def _rows_of_batch(record: Record, target: EagerTensor, source: Any) -> Any:
    """As _rows, for all rows of the batch at once: entry a of each row of the target."""
    n, *inner = target._spec.dims
    count = int(np.prod(inner))
    columns = []
    for i in range(count):
        dy = np.zeros((n, count), target.dtype.np)
        dy[:, i] = 1
        (dx,) = backward(record, [target], [source], [wrap(dy.reshape(n, *inner))])
        columns.append(dx)
    if all(dx is None for dx in columns):
        return None
    zeros = _zeros(_dims(source), source)
    dense = [zeros if dx is None else convert(dx, None, None) for dx in columns]
    return call.Reshape(call.Pack(dense, axis=1), [n, *inner, *_dims(source)[1:]])


def _diagonal(matrix: Tensor, target: Sequence[Any], source: Sequence[Any]) -> Tensor:
    """Of ``[n, a, n, b]`` the part where both n are equal."""
    n = target[0]
    rows, columns = (
        [-1 if None in sizes else int(np.prod(sizes, dtype=int))]
        for sizes in (target[1:], source[1:])
    )
    block = call.Transpose(call.Reshape(matrix, [n, *rows, n, *columns]), [1, 3, 0, 2])
    found = call.Transpose(call.MatrixDiagPart(block), [2, 0, 1])
    return call.Reshape(found, [n, *target[1:], *source[1:]])


# ------------------------------------------------------------------------------ while building


class _GraphRecord:
    """What a tape remembers while a graph is built: which operations were made inside.

    Attributes:
        watched: what ``watch`` was given.
    """

    def __init__(self) -> None:
        self.watched: list[Any] = []
        self._graph: Graph | None = None
        #: First operation of the stretch being recorded, or None.
        self._first: int | None = None
        #: (first, past the last) operation of earlier stretches of recording.
        self._earlier: list[tuple[int, int]] = []

    def start(self) -> None:
        """What is made from now on is inside."""
        graph = get_default_graph()
        if not graph.executes:
            self._graph, self._first = graph, graph.version

    def stop(self) -> None:
        """What is made from now on is not."""
        self._earlier, self._first = self._stretches(), None

    def _stretches(self) -> list[tuple[int, int]]:
        if self._graph is None or self._first is None:
            return self._earlier
        return [*self._earlier, (self._first, self._graph.version)]

    def _stops(self, graph: Graph) -> list[Tensor]:
        """Outputs of the operations that were made outside: no gradient goes through them."""
        inside = [False] * graph.version
        for a, b in self._stretches():
            inside[a:b] = [True] * (b - a)
        return [
            op.outputs[0]
            for op, known in zip(graph._operations, inside, strict=True)
            if not known and op.outputs and not any(t.dtype.is_ref for t in op.inputs)
        ]

    def _counts(self, source: Any, watches_variables: bool) -> bool:
        """Whether ``source`` is watched, or derives from what is made inside."""
        if any(source is item for item in self.watched):
            return True
        if isinstance(source, Variable):
            return watches_variables and source.trainable
        if not isinstance(source, Tensor) or source.graph.executes:
            return False
        return any(a <= source.op._id < b for a, b in self._stretches())

    def derive(
        self,
        derivative: Callable[..., list[Any]],
        ys: Any,
        sources: Sequence[Any],
        dys: Sequence[Any] | None,
        watches_variables: bool,
    ) -> list[Any]:
        """What ``tf.gradients`` or ``tf.jacobian`` say of what was made inside; None elsewhere."""
        results: list[Any] = [None] * len(sources)
        places = [i for i, x in enumerate(sources) if self._counts(x, watches_variables)]
        if places:
            graph = self._graph or get_default_graph()
            xs = [_of_graph(graph, sources[i]) for i in places]
            given = () if dys is None else (list(dys),)
            found = derivative(ys, xs, *given, stop_gradients=self._stops(graph))
            for i, dx in zip(places, found, strict=True):
                results[i] = dx
        return results


def _of_graph(graph: Graph, item: Any, *, value: bool = False) -> Any:
    """``item`` as something of ``graph``."""
    if isinstance(item, EagerTensor) and not isinstance(item, EagerRef):
        return graph._own("gradient", [item], "")[0]
    return item.value() if value and isinstance(item, Variable) else item


def _variables_of_trace() -> list[Any]:
    """The variables that the function being traced reads and that are trainable."""
    graph = get_default_graph()
    return [v for v in getattr(graph, "variables_read", ()) if v.trainable]
