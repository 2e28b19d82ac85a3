"""Variables of eager execution: a value that can be replaced.

    v = tf.Variable([1.0, 2.0])      Storage: the array, and the tensor that was read last
    y = v + 1.0                      reads: all reads between two writes are one EagerTensor
    v.assign_add([1.0, 1.0])         writes: in place, unless somebody still holds the value

Tensors never change, so a write first copies the array when a tensor that was read is still held by
anyone (the user, a tape).

Read next: engine.py (operations that write).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.eager.recording import tapes
from flowgraph.eager.tensor import EagerOperation, EagerTensor, spec_of
from flowgraph.errors import format_message
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph, name_scope
from flowgraph.graph.node import Operation, Tensor, describe
from flowgraph.graph.stack import graph_as_default
from flowgraph.ops.variables import Variable
from flowgraph.runtime.state import aligned_empty
from flowgraph.shapes import Dims, format_dims, format_tuple, is_compatible
from flowgraph.tensor_shape import TensorShape, as_dims

Array = np.ndarray[Any, Any]

_numbers = itertools.count()


class Storage:
    """Where the value of one variable lies.

    Attributes:
        array: the value.
        dtype: its element type.   dims: what its shape must fit.
    """

    __slots__ = ("_own", "_read", "array", "dims", "dtype")

    def __init__(self, array: Array, dtype: DType, dims: Dims) -> None:
        self.array, self.dtype, self.dims = array, dtype, dims
        self._own = False  # whether ``array`` was made here, so that nobody else can know it
        self._read: EagerTensor | None = None

    def read(self) -> EagerTensor:
        """The value as a tensor: the same one until the next write."""
        if self._read is None:
            self._read = EagerTensor(self.array, spec_of(self.dtype, self.array.shape))
        return self._read

    def replace(self, array: Array) -> None:
        """Let ``array``, which nobody will change, be the value."""
        self.array, self._own, self._read = array, False, None

    def writable(self) -> Array:
        """The array, to be written: nobody else sees its memory."""
        self._read = None
        array = self.array
        if self._own:
            memory = array.base
            # Held by self.array, the local name and the argument; views hold the memory itself.
            if sys.getrefcount(array) <= 3 and sys.getrefcount(memory) <= 3:
                return array
        if array.dtype.hasobject:
            self.array = array.copy()
            return self.array
        self.array = aligned_empty(array.nbytes).view(array.dtype).reshape(array.shape)
        self.array[...] = array
        self._own = True
        return self.array


class EagerRef(Tensor):
    """The variable's own output: what operations that write it take."""

    __slots__ = ("storage",)

    _executing: Graph
    value_index = 0
    _consumers = None

    def __init__(self, storage: Storage, name: str) -> None:
        self.storage = storage
        attrs = {"shape": storage.dims, "dtype": storage.dtype, "container": "", "shared_name": ""}
        self.op = EagerOperation(self, "VariableV2", name, attrs)

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        """The reference dtype."""
        return self.storage.dtype._as_ref

    @property
    def dims(self) -> Dims:
        """The static shape."""
        return self.storage.dims

    @dims.setter
    def dims(self, value: Dims) -> None:
        self.storage.dims = value

    @property
    def graph(self) -> Graph:
        """The graph that stands for eager execution."""
        return self._executing


class EagerVariable(Variable):
    """tf.Variable while executing eagerly: it has its value from the start.

    Reading it (``v + 1``, ``v.read_value()``) gives the value of this moment; ``assign``,
    ``assign_add`` and ``assign_sub`` change it at once and return the variable.

    >>> with tf.eager_mode():
    ...     v = tf.Variable([1.0, 2.0])
    ...     v.assign_add([1.0, 1.0])
    <tf.Variable 'Variable:0' shape=(2,) dtype=float32, numpy=array([2., 3.], dtype=float32)>
    """

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Iterable[Any] | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        expected_shape: Any = None,
        import_scope: str | None = None,
        constraint: Callable[[Any], Any] | None = None,
        use_resource: bool | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
    ) -> None:
        if initial_value is None:
            raise ValueError("Variable: initial_value must be given")
        if constraint is not None and not callable(constraint):
            raise ValueError(f"Variable: constraint must be callable, got {constraint!r}")
        self._trainable = trainable is None or bool(trainable)
        self._constraint = constraint
        self._caching_device = caching_device
        wanted = None if dtype is None else as_dtype(dtype).base_dtype
        graph: Any = get_default_graph()
        outer = graph if graph.executes else graph.outer_context
        if outer is not graph:
            if not graph.may_make_variables:
                raise ValueError(
                    "tf.function-decorated function tried to create variables on non-first call."
                )
            graph.variables_made += 1
        self._number = next(_numbers)
        with graph_as_default(outer):
            self._make(initial_value, wanted, name, validate_shape, shape)
        if collections is not None and GraphKeys.GLOBAL_STEP in collections:
            outer.add_to_collection(GraphKeys.GLOBAL_STEP, self)

    def _make(
        self, given: Any, dtype: DType | None, name: str | None, validate_shape: bool, shape: Any
    ) -> None:
        with name_scope(name, "Variable") as scope:
            initial = convert(given() if callable(given) else given, dtype, "initial_value")
        if initial.graph.building_function:
            initial = initial.graph.value_of(initial)  # type: ignore[attr-defined]
        if not isinstance(initial, EagerTensor):
            raise ValueError(
                format_message(
                    "Variable: the initial value is a tensor of a function being traced, which has "
                    "no value yet",
                    [describe("initial_value", initial)],
                    fix="make the variable outside, or give a function without arguments that "
                    "makes the initial value",
                )
            )
        self._initial_value = initial
        dims: Dims = initial.dims if validate_shape else None
        if shape is not None:
            dims = as_dims(shape)
            if validate_shape and not is_compatible(dims, initial.dims):
                raise ValueError(
                    f"Variable: an initial value of shape {format_dims(initial.dims)} does not fit "
                    f"the shape {format_dims(dims)}"
                )
        self._storage = Storage(initial._array, initial.dtype, dims)
        self._own_ref = EagerRef(self._storage, scope.removesuffix("/"))

    # --------------------------------------------------------------------------------- reading

    @property
    def _variable(self) -> Tensor:  # type: ignore[override]
        """What operations of the current graph that write the variable take."""
        graph = get_default_graph()
        return self._own_ref if graph.executes else graph.captured_variable(self)  # type: ignore[attr-defined]

    def _read_value(self) -> EagerTensor:
        """The value of this moment; tapes learn that it was read."""
        tensor = self._storage.read()
        for record in tapes():
            record.variable_read(self, tensor)
        return tensor

    def value(self) -> Tensor:
        """The value of this moment; while a function is traced, that of its run."""
        graph = get_default_graph()
        return self._read_value() if graph.executes else graph.read_variable(self)  # type: ignore[attr-defined]

    def read_value(self) -> Tensor:
        """Same as ``value``."""
        return self.value()

    def initialized_value(self) -> Tensor:
        """Same as ``value``: an eager variable is always initialised."""
        return self.value()

    def numpy(self) -> Any:
        """The value as an array of its own, or a NumPy scalar."""
        return self._storage.read().numpy()

    def eval(self, session: Any = None) -> Any:
        """Not with eager execution: ``numpy()`` is the value."""
        raise RuntimeError("This operation is not supported when eager execution is enabled.")

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """``tf.gather(v, indices)``."""
        return call.GatherV2(self, indices, 0, name=name or "Gather")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self._storage.read().__array__(dtype, copy)

    def __bool__(self) -> bool:
        return bool(self._storage.read())

    def __int__(self) -> int:
        return int(self._storage.read())

    def __float__(self) -> float:
        return float(self._storage.read())

    def __index__(self) -> int:
        return self._storage.read().__index__()

    def __iter__(self) -> Any:
        raise TypeError("'Variable' object is not iterable.")

    def __deepcopy__(self, memo: Any) -> EagerVariable:
        with graph_as_default(self.graph):
            copied = EagerVariable(
                self._storage.read(), trainable=self._trainable, constraint=self._constraint,
                name=self.op.name,
            )  # fmt: skip
        memo[id(self)] = copied
        return copied

    # --------------------------------------------------------------------------------- writing

    def _written(self, result: Any, read_value: bool) -> Any:
        if get_default_graph().executes:
            return self if read_value else None
        return result if read_value else result.op

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None,
        read_value: bool = True,
    ) -> Any:  # fmt: skip
        """``v = value``, at once.

        Args:
            value: a tensor of the variable's dtype and shape, or what converts to one.
            use_locking, name: accepted.
            read_value: True returns the variable, False None.
        """
        result = call.Assign(
            self._variable, value, validate_shape=self._storage.dims is not None, name=name
        )
        return self._written(result, read_value)

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None,
        read_value: bool = True,
    ) -> Any:  # fmt: skip
        """``v += delta``, at once; arguments as ``assign``."""
        return self._written(call.AssignAdd(self._variable, delta, name=name), read_value)

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None,
        read_value: bool = True,
    ) -> Any:  # fmt: skip
        """``v -= delta``, at once; arguments as ``assign``."""
        return self._written(call.AssignSub(self._variable, delta, name=name), read_value)

    def _scatter(self, type: str, delta: Any, use_locking: bool, name: str | None) -> Any:
        return self._written(super()._scatter(type, delta, use_locking, name), read_value=True)

    def load(self, value: Any, session: Any = None) -> None:
        """``v.assign(value)``."""
        self.assign(value)

    # ------------------------------------------------------------------------------ describing

    @property
    def initializer(self) -> Operation:
        """None: the variable was initialised when it was made."""
        return None  # type: ignore[return-value]

    @property
    def name(self) -> str:
        """``"v:0"``; not unique."""
        return self._own_ref.op.name + ":0"

    @property
    def _shared_name(self) -> str:
        return self._own_ref.op.name

    @property
    def op(self) -> Operation:
        """A stand-in with the variable's name."""
        return self._own_ref.op

    @property
    def graph(self) -> Graph:
        """The graph that stands for eager execution."""
        return self._own_ref.graph

    @property
    def device(self) -> str:
        """The full name of the device."""
        return self._own_ref.op.device

    @property
    def dtype(self) -> DType:
        """The dtype, ``float32``."""
        return self._storage.dtype

    @property
    def shape(self) -> TensorShape:
        """The static shape."""
        return TensorShape(self._storage.dims)

    def get_shape(self) -> TensorShape:
        """Same as ``shape``."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Add what is known about the shape; see Tensor.set_shape."""
        self._own_ref.set_shape(shape)

    def _as_graph_element(self) -> Tensor:
        return self._variable

    def __repr__(self) -> str:
        value = self._storage.read()._value_text(is_repr=True)
        return (
            f"<tf.Variable {self.name!r} shape={format_tuple(self._storage.dims)} "
            f"dtype={self._storage.dtype.name}, numpy={value}>"
        )
