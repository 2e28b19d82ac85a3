"""tf.contrib.staging.StagingArea: a queue whose operations need no handle: the name says which.

Read next: host_queue.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, int32
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import HOST, REQUIRED, Attr, Call, define, error_sample
from flowgraph.ops.rules import f32, require_rank
from flowgraph.queues.host_queue import HostQueue
from flowgraph.queues.queue_classes import listed_dtypes, refuse_eager
from flowgraph.queues.queue_ops import NO_GRADIENT, resource_name
from flowgraph.queues.stores import Fifo
from flowgraph.runtime.state import current_state
from flowgraph.shapes import Dims
from flowgraph.tensor_shape import TensorShape, as_shape


def _area(call_: Call) -> HostQueue:
    """The staging area of an operation, made by the first that uses it."""
    name = f"staging area {resource_name(call_)}"
    resources = current_state().resources
    if name not in resources:
        capacity = call_.attrs["capacity"] or -1
        dtypes = list(call_.attrs["dtypes"])
        resources[name] = HostQueue("StagingArea", name, capacity, dtypes, [], Fifo())
    return resources[name]


def _stage(call_: Call, *values: Any) -> tuple[()]:
    _area(call_).enqueue(values)
    return ()


def _clear(call_: Call) -> tuple[()]:
    _area(call_).clear()
    return ()


def _values(call_: Call) -> list[Dims]:
    if call_.type == "StagePeek":
        require_rank(call_.shapes[0], 0, "index")
    return [None] * len(call_.attrs["dtypes"])


_ATTRS: dict[str, Any] = {"capacity": 0, "memory_limit": 0, "container": "", "shared_name": ""}
_COMMON: dict[str, Any] = {**_ATTRS, "grad": NO_GRADIENT, "samples": (), "effect": HOST}
_TYPES = Attr("list(type)", REQUIRED)
_NO_TYPES = Attr("list(type)", [])
_WRONG = error_sample(TypeError, "no_such_attr", no_such_attr=1, dtypes=["float32"])

define(
    "Stage",
    "values: [dtypes] ->",
    dtypes=_TYPES,
    infer=lambda call_: [],
    reference=_stage,
    errors=(error_sample(TypeError, "no_such_attr", [f32(1)], no_such_attr=1),),
    doc="Puts an element into a staging area.",
    **_COMMON,
)
define(
    "Unstage",
    "-> values: [dtypes]",
    dtypes=_TYPES,
    infer=_values,
    reference=lambda call_: _area(call_).dequeue(),
    errors=(_WRONG,),
    doc="Takes the oldest element out of a staging area.",
    **_COMMON,
)
define(
    "StagePeek",
    "index: int32 -> values: [dtypes]",
    dtypes=_TYPES,
    infer=_values,
    reference=lambda call_, index: _area(call_).peek(int(index)),
    errors=(
        error_sample(
            ValueError, "index must be a scalar", np.zeros(1, np.int32), dtypes=["float32"]
        ),
    ),
    doc="An element of a staging area, which stays there.",
    **_COMMON,
)
define(
    "StageSize",
    "-> size: int32",
    dtypes=_NO_TYPES,
    infer=lambda call_: [()],
    reference=lambda call_: np.array(len(_area(call_)), np.int32),
    errors=(_WRONG,),
    doc="How many elements are in a staging area.",
    **_COMMON,
)
define(
    "StageClear",
    "->",
    dtypes=_NO_TYPES,
    infer=lambda call_: [],
    reference=_clear,
    errors=(_WRONG,),
    doc="Takes everything out of a staging area.",
    **_COMMON,
)


@export("contrib.staging.StagingArea")
class StagingArea:
    """Holds elements between two parts of a graph, or two runs: first in, first out.

    Args:
        dtypes: a list of the dtypes of an element's components.
        shapes: a list of their shapes, or None.
        names: of the components; then elements are dicts.
        shared_name: staging areas of one name are one in a session.
        capacity: how many elements it holds; 0: any number.
        memory_limit: must be 0: elements are counted, not bytes.

    Raises:
        ValueError: not as many shapes or names as dtypes; a negative capacity.
        NotImplementedError: ``memory_limit`` is given.

    >>> area = tf.contrib.staging.StagingArea([tf.float32], shapes=[[]])
    >>> put, (got,) = area.put([tf.constant(3.0)]), area.get()
    >>> with tf.Session() as sess:
    ...     sess.run(put)
    ...     print(sess.run(got))
    3.0
    """

    def __init__(
        self,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        capacity: int = 0,
        memory_limit: int = 0,
    ) -> None:
        refuse_eager("tf.contrib.staging.StagingArea")
        self._dtypes = listed_dtypes(dtypes)
        if shapes is not None and len(shapes) != len(self._dtypes):
            raise ValueError(
                f"StagingArea shapes must be the same length as dtypes: {len(shapes)} shapes, "
                f"{len(self._dtypes)} dtypes"
            )
        self._shapes = [
            as_shape(shape) for shape in (shapes or [TensorShape(None)] * len(self._dtypes))
        ]
        if names is not None and len(names) != len(self._dtypes):
            raise ValueError(
                f"StagingArea names must be the same length as dtypes: {len(names)} names, "
                f"{len(self._dtypes)} dtypes"
            )
        if capacity < 0:
            raise ValueError(f"capacity must not be negative, got {capacity}")
        if memory_limit:
            raise NotImplementedError("StagingArea: give capacity (elements), not memory_limit")
        self._names = names or None
        self._capacity, self._memory_limit = capacity, memory_limit
        self._name = shared_name or get_default_graph().unique_name("StagingArea")

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def dtypes(self) -> list[DType]:
        """Dtypes of the components."""
        return self._dtypes

    @property
    def shapes(self) -> list[TensorShape]:
        """Shapes of the components."""
        return self._shapes

    @property
    def names(self) -> Any:
        """Names of the components, or None."""
        return self._names

    @property
    def capacity(self) -> int:
        """How many elements it holds; 0: any number."""
        return self._capacity

    @property
    def memory_limit(self) -> int:
        """0."""
        return self._memory_limit

    def _attrs(self) -> dict[str, Any]:
        return {"shared_name": self._name, "capacity": self._capacity}

    def _element(self, made: Any) -> Any:
        tensors = made if isinstance(made, list) else [made]
        for tensor, shape in zip(tensors, self._shapes, strict=True):
            tensor.set_shape(shape)
        return tensors if self._names is None else dict(zip(self._names, tensors, strict=True))

    def put(self, values: Any, name: str | None = None) -> Operation:
        """Put an element in.  Running it waits while the area is full.

        Args:
            values: a tensor, a list of them, or a dict where components have names.
            name: of the operation; ``<area>_put`` by default.

        Returns:
            The operation that does it.

        Raises:
            ValueError: components or shapes do not fit.
        """
        if isinstance(values, Mapping):
            if self._names is None or set(values) != set(self._names):
                raise ValueError(f"values have the names {sorted(values)}, not {self._names}")
            values = [values[key] for key in self._names]
        elif self._names is not None:
            raise ValueError("the components of this staging area have names: give a dict")
        elif not isinstance(values, (list, tuple)):
            values = [values]
        if len(values) != len(self._dtypes):
            raise ValueError(f"Unexpected number of inputs {len(values)} vs {len(self._dtypes)}")
        with name_scope(name, f"{self._name}_put", list(values)) as scope:
            tensors = [
                convert_to_tensor(value, dtype)
                for value, dtype in zip(values, self._dtypes, strict=True)
            ]
            for tensor, shape in zip(tensors, self._shapes, strict=True):
                tensor.get_shape().assert_is_compatible_with(shape)
            return apply_op("Stage", tensors, name=scope, **self._attrs())

    def get(self, name: str | None = None) -> Any:
        """Take the oldest element out.  Running it waits while the area is empty.

        Args:
            name: of the operation; ``<area>_get`` by default.

        Returns:
            A list of tensors, or a dict where components have names.
        """
        name = name or f"{self._name}_get"
        return self._element(apply_op("Unstage", dtypes=self._dtypes, name=name, **self._attrs()))

    def peek(self, index: Any, name: str | None = None) -> Any:
        """An element, which stays where it is.  Running it waits until it is there.

        Args:
            index: int32 scalar; 0 is the oldest.
            name: of the operation; ``<area>_peek`` by default.

        Returns:
            As of ``get``.
        """
        name = name or f"{self._name}_peek"
        index = convert_to_tensor(index, int32, name=f"{name}/index")
        return self._element(
            apply_op("StagePeek", index, dtypes=self._dtypes, name=name, **self._attrs())
        )

    def size(self, name: str | None = None) -> Tensor:
        """How many elements are in it: an int32 scalar.

        Args:
            name: of the operation; ``<area>_size`` by default.
        """
        name = name or f"{self._name}_size"
        return apply_op("StageSize", dtypes=self._dtypes, name=name, **self._attrs())

    def clear(self, name: str | None = None) -> Operation:
        """Take everything out.

        Args:
            name: of the operation; ``<area>_clear`` by default.

        Returns:
            The operation that does it.
        """
        name = name or f"{self._name}_clear"
        return apply_op("StageClear", dtypes=self._dtypes, name=name, **self._attrs())
