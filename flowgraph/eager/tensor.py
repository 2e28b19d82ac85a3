"""EagerTensor: a tensor that has its value.

It is a Tensor in every way that matters to the library: ``dtype``, ``dims`` and, for what looks at
the graph (shape inference, messages), ``op``, a stand-in that looks like a constant.  What it does
not have is a history: nothing it was made from is kept alive, unless a tape noted it (tape.py).

Values never change: arrays are shared freely between tensors, and copied when handed out.

Read next: context.py.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.eager.recording import _active
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.site import NO_SITE
from flowgraph.runtime.scalars import scalar_type
from flowgraph.shapes import Dims, format_dims, format_tuple, is_compatible
from flowgraph.tensor_shape import as_dims

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

_numbers = itertools.count()

_DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"


class Spec:
    """A dtype and a shape, interned: equal ones are one object, so that cache keys are cheap."""

    __slots__ = ("__weakref__", "dims", "dtype")

    def __init__(self, dtype: DType, dims: tuple[int, ...]) -> None:
        self.dtype, self.dims = dtype, dims

    def __repr__(self) -> str:
        return f"{self.dtype.name}{format_dims(self.dims)}"


_specs: weakref.WeakValueDictionary[tuple[DType, tuple[int, ...]], Spec] = (
    weakref.WeakValueDictionary()
)


def spec_of(dtype: DType, dims: tuple[int, ...]) -> Spec:
    """The one Spec of this dtype and shape."""
    key = (dtype, dims)
    spec = _specs.get(key)
    if spec is None:
        spec = _specs.setdefault(key, Spec(dtype, dims))
    return spec


def wrap(array: Array, dtype: DType | None = None) -> EagerTensor:
    """A tensor of ``array``, which must not change from now on."""
    dtype = as_dtype(array.dtype) if dtype is None else dtype
    return EagerTensor(array, spec_of(dtype, array.shape))


class EagerOperation(Operation):
    """What ``tensor.op`` is: a constant without inputs that holds the value."""

    __slots__ = ("_tensor",)

    def __init__(self, tensor: Tensor, type: str, name: str, attrs: dict[str, Any]) -> None:
        super().__init__(tensor.graph, -1, type, name, (), attrs, NO_SITE)
        self._tensor = weakref.ref(tensor)
        self.device = _DEVICE

    @property
    def outputs(self) -> list[Tensor]:
        """The tensor, while anyone holds it."""
        tensor = self._tensor()
        return [] if tensor is None else [tensor]

    @outputs.setter
    def outputs(self, value: list[Tensor]) -> None:
        pass

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Not with eager execution: the operation has run."""
        raise NotImplementedError("run is not supported when eager execution is enabled.")


class EagerTensor(Tensor):
    """A tensor with its value: what operations give while executing eagerly.

    ``numpy()`` is the value.  Python's operators, indexing, ``bool``, ``int``, ``float``, ``len``
    and iteration work as for arrays; ``==`` compares identity, as for all tensors.

    >>> with tf.eager_mode():
    ...     x = tf.constant([[1.0, 2.0]]) * 2.0
    ...     print(x)
    ...     print(x.numpy().sum())
    tf.Tensor([[2. 4.]], shape=(1, 2), dtype=float32)
    6.0
    """

    __slots__ = ("_array", "_spec")

    #: Set by context.py: the graph that executes.
    _executing: Graph

    _consumers = None
    value_index = 0

    def __init__(self, array: Array, spec: Spec) -> None:
        self._array = array
        self._spec = spec

    # ------------------------------------------------------------------------ what Tensors have

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        """The element type."""
        return self._spec.dtype

    @property
    def dims(self) -> Dims:
        """The shape as flowgraph holds it."""
        return self._spec.dims

    @dims.setter
    def dims(self, value: Dims) -> None:
        pass  # all is known, and what is merged into it was checked

    @property
    def op(self) -> Operation:  # type: ignore[override]
        """A stand-in: a constant that holds the value."""
        known = self.__dict__.get("_op")
        if known is None:
            attrs = {"value": self._array, "dtype": self._spec.dtype}
            known = self.__dict__["_op"] = EagerOperation(self, "Const", "EagerTensor", attrs)
        return known

    @property
    def graph(self) -> Graph:
        """The graph that stands for eager execution."""
        return self._executing

    @property
    def name(self) -> str:
        """``"EagerTensor:0"``: eager tensors have no names of their own."""
        return "EagerTensor:0"

    @property
    def device(self) -> str:
        """The full name of the device."""
        return _DEVICE

    @property
    def backing_device(self) -> str:
        """The full name of the device whose memory holds the value."""
        return _DEVICE

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._spec.dims)

    @property
    def _id(self) -> int:
        number = self.__dict__.get("_number")
        if number is None:
            number = self.__dict__["_number"] = next(_numbers)
        return number

    def set_shape(self, shape: Any) -> None:
        """Nothing, when the shape is ``shape``.

        Raises:
            ValueError: it is another one.
        """
        dims = as_dims(shape)
        if not is_compatible(self.dims, dims):
            raise ValueError(
                f"Tensor's shape {format_tuple(self.dims)} is not compatible with supplied shape "
                f"{format_tuple(dims)}"
            )

    def consumers(self) -> list[Operation]:
        """Not with eager execution: nobody notes them."""
        raise NotImplementedError("consumers is not supported when eager execution is enabled.")

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Not with eager execution: ``numpy()`` is the value."""
        raise NotImplementedError(
            "eval is not supported when eager execution is enabled, is .numpy() what you're "
            "looking for?"
        )

    # -------------------------------------------------------------------------------- the value

    def numpy(self) -> Any:
        """The value: an array of its own, or a NumPy scalar (bytes for strings) at rank 0."""
        array = self._array
        if array.ndim:
            return array.copy()
        kind = scalar_type(array.dtype)
        return array[()] if kind is None else kind(array)

    def cpu(self) -> EagerTensor:
        """The tensor in the CPU's memory: itself."""
        return self

    def gpu(self, gpu_index: int = 0) -> EagerTensor:
        """Not there: operations run on the CPU.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("there is no GPU device to copy the tensor to")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        array = self._array.copy()
        return array if dtype is None else array.astype(dtype)

    def __bool__(self) -> bool:
        return bool(self._array)

    def __int__(self) -> int:
        return int(self._array)

    def __float__(self) -> float:
        return float(self._array)

    def __complex__(self) -> complex:
        return complex(self._array)

    def __index__(self) -> int:
        return self._array.__index__()

    def __round__(self, ndigits: int | None = None) -> Any:
        return round(self.numpy(), ndigits)

    def __getitem__(self, index: Any) -> Any:  # type: ignore[override]
        """The part that ``index`` says, as for every tensor."""
        if _active.records or not _is_plain_index(index):
            return Tensor.__getitem__(self, index)
        try:
            part = self._array[index]
        except IndexError:
            return Tensor.__getitem__(self, index)  # which says what is wrong
        return wrap(np.array(part, self._spec.dtype.np, order="C"), self._spec.dtype)

    def __len__(self) -> int:
        if not self._spec.dims:
            raise TypeError("Scalar tensor has no `len()`")
        return self._spec.dims[0]

    def __iter__(self) -> Iterator[Any]:
        if not self._spec.dims:
            raise TypeError("Cannot iterate over a scalar tensor.")
        return (self[i] for i in range(self._spec.dims[0]))

    def __format__(self, spec: str) -> str:
        return self.numpy().__format__(spec)

    def __reduce__(self) -> Any:
        return _unpickled, (self.numpy(),)

    def __copy__(self) -> EagerTensor:
        return self

    def __deepcopy__(self, memo: Any) -> EagerTensor:
        memo[id(self)] = self
        return self

    # -------------------------------------------------------------------------------- as text

    def _value_text(self, *, is_repr: bool) -> str:
        value = self.numpy()
        text = repr(value) if is_repr else str(value)
        return "\n" + text if "\n" in text else text

    def __str__(self) -> str:
        return (
            f"tf.Tensor({self._value_text(is_repr=False)}, shape={format_tuple(self.dims)}, "
            f"dtype={self.dtype.name})"
        )

    def __repr__(self) -> str:
        return (
            f"<tf.Tensor: id={self._id}, shape={format_tuple(self.dims)}, dtype={self.dtype.name}, "
            f"numpy={self._value_text(is_repr=True)}>"
        )


def _is_plain_index(index: Any) -> bool:
    """True for what NumPy understands as TensorFlow does: numbers, slices of numbers, ``...``."""
    for part in index if index.__class__ is tuple else (index,):
        kind = part.__class__
        if kind is int or part is Ellipsis or part is None:
            continue
        if kind is not slice:
            return False
        for bound in (part.start, part.stop, part.step):
            if bound is not None and bound.__class__ is not int:
                return False
        if part.step == 0:
            return False
    return True


def _unpickled(value: Any) -> EagerTensor:
    return wrap(np.asarray(value))
