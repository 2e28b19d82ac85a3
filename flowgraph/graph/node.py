"""Operation and Tensor: the nodes and edges of a Graph.

An Operation is made once by ``Graph.create_op`` and hardly changes after that: control inputs can
be added and the static shapes of its outputs refined, nothing else.  Tensors are compared by
identity.

Python operators on tensors (``a + b``, ``x[1:]``) belong to the op files: they register a function
with ``Tensor._override_operator``, because this package knows no op.

Read next: core.py (Graph).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from flowgraph.dtypes import DType
from flowgraph.errors import did_you_mean, format_message
from flowgraph.graph.nodedef import NodeDef
from flowgraph.graph.site import Site, find_site, format_site, source_line
from flowgraph.shapes import Dims, format_dims, format_tuple, is_compatible, merge
from flowgraph.tensor_shape import TensorShape, as_dims

if TYPE_CHECKING:
    from flowgraph.graph.contexts import Context
    from flowgraph.graph.core import Graph

# ------------------------------------------------------------------------------- the session hook

#: ``runner(fetches, feed_dict, session, graph)``: set by session.py, used by ``eval`` and ``run``.
_runner: Callable[[Any, Any, Any, Any], Any] | None = None


def set_session_runner(runner: Callable[[Any, Any, Any, Any], Any]) -> None:
    """Register what ``Tensor.eval`` and ``Operation.run`` call.

    ``runner(fetches, feed_dict, session, graph)`` uses the default session when ``session`` is None
    and raises ValueError when there is none.
    """
    global _runner
    _runner = runner


def run_in_session(fetches: Any, feed_dict: Any, session: Any, graph: Graph) -> Any:
    """Run ``fetches`` through the registered session runner."""
    if _runner is None:
        raise ValueError("no session is available: flowgraph.session has not been imported")
    return _runner(fetches, feed_dict, session, graph)


# ----------------------------------------------------------------------------------------- Tensor


class Tensor:
    """One output of an operation: a value that exists only while a Session runs.

    Attributes:
        op: the Operation that makes it.
        value_index: which of its outputs this is.
        dtype: the element type; a ``_ref`` type for a variable's own output.
        dims: the static shape as flowgraph holds it (see shapes.py).
    """

    # NB: programs do hang attributes on tensors (Keras does), so there is a __dict__; it costs
    # nothing until it is used.
    __slots__ = ("__dict__", "__weakref__", "_consumers", "dims", "dtype", "op", "value_index")

    #: Above ndarray's, so that ``array + tensor`` becomes ``tensor.__radd__(array)``.
    __array_priority__ = 100

    def __init__(self, op: Operation, value_index: int, dtype: DType, dims: Dims) -> None:
        self.op = op
        self.value_index = value_index
        self.dtype = dtype
        self.dims = dims
        self._consumers: list[Operation] | None = None

    @property
    def graph(self) -> Graph:
        """The Graph that contains this tensor."""
        return self.op.graph

    @property
    def name(self) -> str:
        """``"add:0"``: operation name and output number."""
        return f"{self.op.name}:{self.value_index}"

    @property
    def device(self) -> str:
        """The device string of the operation."""
        return self.op.device

    @property
    def shape(self) -> TensorShape:
        """The static shape; sizes known only when running are ``?``."""
        return TensorShape(self.dims)

    def get_shape(self) -> TensorShape:
        """Same as ``shape``."""
        return TensorShape(self.dims)

    def set_shape(self, shape: Any) -> None:
        """Add what is known about the shape.

        Raises:
            ValueError: ``shape`` contradicts what is known already.
        """
        dims = as_dims(shape)
        if not is_compatible(self.dims, dims):
            raise ValueError(
                format_message(
                    f"set_shape: shape {format_dims(dims)} contradicts the known shape "
                    f"{format_dims(self.dims)}",
                    [describe("self", self)],
                    ("", format_site(find_site())),
                    "where the size varies, leave None",
                )
            )
        self.dims = merge(self.dims, dims)

    def consumers(self) -> list[Operation]:
        """The operations that take this tensor as an input, each once."""
        return list(dict.fromkeys(self._consumers or ()))

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The value, computed in ``session`` or else the default session.

        Raises:
            ValueError: there is neither.
        """
        return run_in_session(self, feed_dict, session, self.graph)

    def _as_tensor(self) -> Tensor:
        return self

    # ---- protocol

    def __str__(self) -> str:
        shape = "" if self.dims is None else f", shape={format_tuple(self.dims)}"
        device = f", device={self.device}" if self.device else ""
        return f'Tensor("{self.name}"{shape}, dtype={self.dtype.name}{device})'

    def __repr__(self) -> str:
        return f"<tf.Tensor {self.name!r} shape={format_tuple(self.dims)} dtype={self.dtype.name}>"

    def __bool__(self) -> bool:
        raise TypeError(
            self._misused(
                "has no truth value while the graph is built",
                "use tf.cond or tf.where to choose by its value, `is None` to test for absence, or "
                "run it in a Session",
            )
        )

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(
            self._misused(
                "cannot be iterated over while the graph is built",
                "use tf.unstack to split it, tf.map_fn to apply a function to each row, or run it "
                "in a Session",
            )
        )

    def __len__(self) -> int:
        raise TypeError(
            self._misused(
                "has no len()",
                "use x.shape[0] for the static size or tf.shape(x)[0] for the size at run time",
            )
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise NotImplementedError(
            self._misused(
                "cannot become a NumPy array while the graph is built",
                "use the tf function instead of the NumPy one, or run it in a Session",
            )
        )

    def _misused(self, what: str, fix: str) -> str:
        """The text of an error about a tensor that is taken for a value."""
        place = ("", format_site(find_site()))
        return format_message(f"the tensor {self.name!r} {what}", [describe("x", self)], place, fix)

    if TYPE_CHECKING:
        # The operators that op files register: all take what converts to a tensor.
        _Operator = Callable[["Tensor", Any], "Tensor"]
        __add__: _Operator
        __radd__: _Operator
        __sub__: _Operator
        __rsub__: _Operator
        __mul__: _Operator
        __rmul__: _Operator
        __truediv__: _Operator
        __rtruediv__: _Operator
        __floordiv__: _Operator
        __rfloordiv__: _Operator
        __mod__: _Operator
        __rmod__: _Operator
        __pow__: _Operator
        __rpow__: _Operator
        __matmul__: _Operator
        __rmatmul__: _Operator
        __and__: _Operator
        __rand__: _Operator
        __or__: _Operator
        __ror__: _Operator
        __xor__: _Operator
        __rxor__: _Operator
        __lt__: _Operator
        __le__: _Operator
        __gt__: _Operator
        __ge__: _Operator
        __getitem__: _Operator
        __neg__: Callable[[Tensor], Tensor]
        __abs__: Callable[[Tensor], Tensor]
        __invert__: Callable[[Tensor], Tensor]

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: Any) -> Tensor:
        raise NotImplementedError(f"the tensor {self.name!r} belongs to its graph: it has no copy")

    @classmethod
    def _override_operator(cls, operator: str, function: Callable[..., Any]) -> None:
        """Let ``function`` implement the special method ``operator`` (``"__add__"``)."""
        if operator not in OVERLOADABLE_OPERATORS:
            raise ValueError(f"{operator} is not an operator that tensors may define")
        setattr(cls, operator, function)


#: The special methods that op files may register on Tensor.
OVERLOADABLE_OPERATORS = frozenset(
    [f"__{side}{name}__" for name in (
        "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "div",
        "and", "or", "xor",
    ) for side in ("", "r")]
    + [f"__{name}__" for name in ("lt", "le", "gt", "ge", "neg", "abs", "invert", "getitem")]
)  # fmt: skip
Tensor.OVERLOADABLE_OPERATORS = OVERLOADABLE_OPERATORS  # type: ignore[attr-defined]


def describe(label: str, tensor: Any) -> tuple[str, str, str, str]:
    """A row of errors.format_message for ``tensor``: label, quoted name, spec, site."""
    spec = f"{tensor.dtype.base_dtype.name}{format_dims(tensor.dims)}"
    return label, repr(tensor.name), spec, format_site(tensor.op.site)


# -------------------------------------------------------------------------------------- Operation


class Operation:
    """A node of the graph: computes its outputs from its inputs.

    Attributes:
        name: unique in the graph, ``"dense/MatMul"``.
        type: the op type, ``"MatMul"``.
        inputs: tuple of Tensors.
        outputs: list of Tensors.
        attrs: attr name -> value (dtypes as DType, shapes as Dims, tensors as ndarray).
        device: canonical device string, or ``""``.
        site: (file, line) of the user's code that made it; see site.py.
        graph: the Graph that contains it.
    """

    __slots__ = (
        "__weakref__",
        "_context",
        "_control_inputs",
        "_id",
        "attrs",
        "device",
        "graph",
        "inputs",
        "name",
        "outputs",
        "site",
        "type",
    )

    def __init__(
        self,
        graph: Graph,
        number: int,
        type: str,
        name: str,
        inputs: tuple[Tensor, ...],
        attrs: dict[str, Any],
        site: Site,
    ) -> None:
        self.graph, self._id = graph, number
        self.type, self.name = type, name
        self.inputs, self.attrs = inputs, attrs
        self.site = site
        self.device = ""
        self.outputs: list[Tensor] = []
        self._control_inputs: tuple[Operation, ...] = ()
        self._context: Context | None = None

    @property
    def control_inputs(self) -> list[Operation]:
        """Operations that run before this one without giving it a value."""
        return list(self._control_inputs)

    @property
    def _control_outputs(self) -> list[Operation]:
        return [op for op in self.graph.get_operations() if self in op._control_inputs]

    def values(self) -> tuple[Tensor, ...]:
        """The outputs, as a tuple."""
        return tuple(self.outputs)

    def get_attr(self, name: str) -> Any:
        """The attr ``name``; strings are bytes and shapes TensorShapes, as in TensorFlow.

        Raises:
            ValueError: there is no such attr.
        """
        if name not in self.attrs:
            raise ValueError(
                f"operation {self.name!r} of type {self.type} has no attr named {name!r}"
                + did_you_mean(name, self.attrs)
            )
        return _public_attr(self.attrs[name])

    @property
    def node_def(self) -> Any:
        """The operation as a NodeDef: ``name``, ``op``, ``input``, ``device``, ``attr``."""
        from flowgraph.protos.exporting import node_def

        return node_def(self)

    @property
    def traceback(self) -> list[tuple[str, int, str]]:
        """The user's line that made the operation: one entry (file, line number, text)."""
        return [(*self.site, source_line(self.site))]

    def colocation_groups(self) -> list[bytes]:
        """``loc:@name`` of each operation this one shall share a device with."""
        given = self.attrs.get("_class")
        return [text.encode() for text in (given or [f"loc:@{self.name}"])]

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Run the operation in ``session`` or else the default session.

        Raises:
            ValueError: there is neither.
        """
        run_in_session(self, feed_dict, session, self.graph)

    def _add_control_input(self, op: Operation) -> None:
        self._add_control_inputs([op])

    def _add_control_inputs(self, ops: list[Operation]) -> None:
        for op in ops:
            if not isinstance(op, Operation):
                raise TypeError(f"a control input must be an Operation, got {op!r}")
            if op.graph is not self.graph:
                raise ValueError(f"control input {op.name!r} belongs to another graph")
        self.graph._check_not_finalized()
        self._control_inputs = tuple(dict.fromkeys((*self._control_inputs, *ops)))
        self.graph._edited()

    def _set_device(self, device: str) -> None:
        self.device = device

    def __str__(self) -> str:
        return str(NodeDef.of(self))

    def __repr__(self) -> str:
        return f"<tf.Operation {self.name!r} type={self.type}>"

    def __copy__(self) -> Operation:
        return self

    def __deepcopy__(self, memo: Any) -> Operation:
        raise NotImplementedError(f"operation {self.name!r} belongs to its graph: it has no copy")


def _public_attr(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, tuple):
        return TensorShape(value)
    if isinstance(value, list):
        return [_public_attr(item) for item in value]
    return value
