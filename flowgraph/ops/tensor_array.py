"""TensorArray: a list of tensors that loops write and read.

    ta = tf.TensorArray(tf.float32, 3)          EmptyStack(3)        [3, ?]
    ta = ta.write(0, x)                         StackStore(.., 0, x)  [3, *x.shape]
    ta.stack()                                  the stack itself

The elements lie in one tensor, so stack() and unstack() cost nothing, and a loop writes its element
straight into the result.  All elements have one shape.  A loop carries the *parts* of an array: the
stack; which elements are written, unless all are; how many there are, if the array grows.

Read next: stacks.py (the operations), loops.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype, int32
from flowgraph.errors import UnimplementedError, format_message
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.default import get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor, describe
from flowgraph.graph.site import find_site, format_site
from flowgraph.graph.static import constant_value
from flowgraph.shapes import Dims, format_dims, is_compatible, is_fully_known, merge
from flowgraph.tensor_shape import TensorShape, as_dims


@export("TensorArray")
class TensorArray:
    """A list of tensors of one dtype and shape, written once each, read by number.

    ``write`` and its like return the array as it is afterwards: go on with that one.

    Args:
        dtype: of the elements.
        size: how many elements; an integer or an int32 tensor without axes.
        dynamic_size: True: it grows when an element behind the last is written.
        clear_after_read: accepted; elements can be read as often as one likes.
        tensor_array_name: for messages and the names of operations.
        handle, flow: not taken: there are no handles to share.
        infer_shape: accepted; all elements have one shape anyway.
        element_shape: of the elements; by default that of the first that is written.  With a full
            one given, elements that were never written are zeros.
        colocate_with_first_write_call: accepted.
        name: of the name scope; ``"TensorArray"`` by default.

    Raises:
        ValueError: no size, or a negative one; ``handle`` or ``flow`` is given.

    >>> ta = tf.TensorArray(tf.float32, size=2).write(1, [3.0, 4.0]).write(0, [1.0, 2.0])
    >>> tf.Session().run(ta.stack())
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        if handle is not None or flow is not None:
            raise ValueError(
                "TensorArray: handles cannot be shared; pass the TensorArray itself on"
            )
        if size is None:
            raise ValueError("TensorArray: size must be given (0 for one that grows)")
        self._dtype: DType = as_dtype(dtype).base_dtype
        self._dynamic = bool(dynamic_size)
        self._label = f"TensorArray {tensor_array_name!r}" if tensor_array_name else "TensorArray"
        row = as_dims(element_shape)
        with name_scope(name, "TensorArray", [size]):
            count = convert_to_tensor(size, int32, name="size")
            known = constant_value(count)
            if known is not None and known < 0:
                raise ValueError(f"TensorArray: size must not be negative, got {int(known)}")
            self._count = count
            #: Executing, nothing written: the elements of the stack have no right shape yet.
            self._unshaped = get_default_graph().executes and not is_fully_known(row)
            self._stack: Tensor = self._empty(count, row)
            self._written: Tensor | None = None
            if not is_fully_known(row):
                self._written = call.Fill(call.Reshape(count, _vector(1)), np.False_)
        self._row: Dims = row
        #: What is known of elements, in a box that all versions share.
        self._known: list[Dims] = [row]
        #: The room is for more than there is: a loop knows how much will be needed.
        self._roomy = False
        #: The indices that were written, or None when they are not known.
        self._noted: list[Tensor] | None = []

    def _empty(self, count: Tensor, row: Dims) -> Any:
        if self._unshaped:
            row = ()
        return call.EmptyStack(count, dtype=self._dtype, row_shape=row)

    # ----------------------------------------------------------------------------------- what it is

    @property
    def dtype(self) -> DType:
        """The dtype of the elements."""
        return self._dtype

    @property
    def dynamic_size(self) -> bool:
        """True when it grows."""
        return self._dynamic

    @property
    def element_shape(self) -> TensorShape:
        """What is known of the shape of the elements."""
        return TensorShape(self._element_dims())

    def _element_dims(self) -> Dims:
        dims = None if self._unshaped else self._stack.dims
        return self._known[0] if dims is None else merge(self._known[0], dims[1:])

    @property
    def handle(self) -> Tensor:
        """The same as ``flow``."""
        return self._stack

    @property
    def flow(self) -> Tensor:
        """The tensor that holds the elements: what depends on it depends on all writes."""
        return self._stack

    def size(self, name: str | None = None) -> Tensor:
        """How many elements it has: an int32 tensor.

        Args:
            name: of the operation.
        """
        return call.Identity(self._count) if name is None else call.Identity(self._count, name=name)

    def identity(self) -> TensorArray:
        """The same array, made by new operations (which wait for open control dependencies)."""
        return self._with(*(call.Identity(part) for part in self._parts()))

    def close(self, name: str | None = None) -> Any:
        """An operation that does nothing: nothing must be freed.

        Args:
            name: of the operation.
        """
        return apply_op("NoOp", name=name)

    def grad(self, source: Any, flow: Any = None, name: str | None = None) -> TensorArray:
        """Not there: ``tf.gradients`` goes through arrays by itself.

        Args:
            source, flow, name: accepted.

        Raises:
            UnimplementedError: always.
        """
        raise UnimplementedError(
            None, None, "TensorArray.grad: tf.gradients differentiates what reads and writes arrays"
        )

    # ----------------------------------------------------------------------------------- reading

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """Element ``index``.

        Args:
            index: an int32 tensor without axes.
            name: of the operation; ``"TensorArrayReadV3"`` by default.

        Raises:
            ValueError: it is known that nothing was written.
            InvalidArgumentError (when run): there is no such element, or nothing wrote it.
        """
        with name_scope(name, "TensorArrayReadV3", [index]) as scope:
            place = convert_to_tensor(index, int32)
            if self._written is not None:
                if self._unshaped or (
                    self._stack.op.type == "EmptyStack" and self._stack.dims is None
                ):
                    raise ValueError(
                        format_message(
                            f"{self._label}: it is read, but nothing was written to it",
                            [describe("index", place)],
                            (scope[:-1], format_site(find_site())),
                            "go on with the array that write() returns",
                        )
                    )
                place = call.StackCheck(self._written, place, array=self._label)
            result = apply_op("GatherV2", self._stack, place, 0, name=scope)
            if result.dims is None and self._element_dims() is not None:
                result.set_shape(self._element_dims())
            return result

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        """Some elements, one behind the other.

        Args:
            indices: an int32 vector.
            name: of the operation; ``"TensorArrayGatherV3"`` by default.

        Returns:
            A tensor of shape ``[len(indices), *element_shape]``; zeros for what nothing wrote.
        """
        name = "TensorArrayGatherV3" if name is None else name
        return apply_op("GatherV2", self._stack, convert_to_tensor(indices, int32), 0, name=name)

    def stack(self, name: str | None = None) -> Tensor:
        """All elements, one behind the other: ``[size, *element_shape]``.

        Args:
            name: of the name scope; ``"TensorArrayStack"`` by default.
        """
        with name_scope(name, "TensorArrayStack"):
            result = self._elements()
            return self._with_shape(call.Identity(result, name="TensorArrayGatherV3"))

    def _elements(self) -> Tensor:
        """The stack without what is room only."""
        if not self._roomy:
            return self._stack
        rest = call.Slice(call.Shape(self._stack), [1], [-1])
        sizes = call.ConcatV2([call.Reshape(self._count, _vector(1)), rest], 0)
        result = call.Slice(self._stack, call.ZerosLike(sizes), sizes)
        return self._with_shape(result)

    def concat(self, name: str | None = None) -> Tensor:
        """All elements joined along their first axis.

        Args:
            name: of the operation; ``"TensorArrayConcatV3"`` by default.

        Raises:
            ValueError: the elements have no axes.
        """
        row = self._element_dims()
        if row == ():
            raise ValueError(f"{self._label}: elements without axes cannot be joined; use stack()")
        elements = self._elements()
        shape = call.Shape(elements)
        first = call.Mul(call.Slice(shape, [0], [1]), call.Slice(shape, [1], [1]))
        target = call.ConcatV2([first, call.Slice(shape, [2], [-1])], 0)
        name = "TensorArrayConcatV3" if name is None else name
        return apply_op("Reshape", elements, target, name=name)

    # ----------------------------------------------------------------------------------- writing

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with ``value`` as element ``index``.

        Args:
            index: an int32 tensor without axes.
            value: of the array's dtype and element shape.
            name: of the name scope; ``"TensorArrayWriteV3"`` by default.

        Raises:
            ValueError: the value has another shape than the elements.
            InvalidArgumentError (when run): there is no such element (and the array does not
                grow), or it is written for the second time.
        """
        with name_scope(name, "TensorArrayWriteV3", [index, value]) as scope:
            given = place = convert_to_tensor(index, int32)
            element = convert_to_tensor(value, self._dtype)
            self._check_element(element.dims, scope)
            stack, written, count = self._stack, self._written, self._count
            if self._dynamic:
                count = call.Maximum(count, call.AddV2(place, make_constant(np.array(1, np.int32))))
                if not self._roomy:
                    stack, written = self._resized(stack, written, count)
            stack = self._opened(stack, element.dims, count)
            if written is not None:
                written, place = call.StackMark(written, place, array=self._label)
            stack = call.StackStore(stack, place, element)
            new = self._with_stack(stack, written, count)
            new._noted = None if self._noted is None else [*self._noted, given]
            return new

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """The array with the rows of ``value`` as its first elements.

        Args:
            value: of shape ``[n, *element_shape]``, n at most the size (unless it grows).
            name: of the name scope; ``"TensorArrayUnstack"`` by default.

        Raises:
            ValueError: it is known that the rows do not fit.
            InvalidArgumentError (when run): they do not.
        """
        with name_scope(name, "TensorArrayUnstack", [value]) as scope:
            rows = convert_to_tensor(value, self._dtype)
            if rows.dims == ():
                raise ValueError(f"{self._label}: unstack needs a tensor with axes")
            self._check_element(None if rows.dims is None else rows.dims[1:], scope)
            number = call.Reshape(call.Slice(call.Shape(rows), [0], [1]), _vector())
            size, known = constant_value(self._count), constant_value(number)
            if self._dynamic:
                return self._with_stack(rows, None, number)
            if size is None or known is None or int(size) != int(known):
                if size is not None and known is not None and known > size:
                    raise ValueError(
                        f"{self._label}: {int(known)} rows do not fit into {int(size)} elements"
                    )
                rows = call.StackResize(rows, self._count)
            return self._with_stack(rows, None, self._count)

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """The array with consecutive parts of ``value`` as elements.

        Args:
            value: of shape ``[sum(lengths), ...]``.
            lengths: an int32 vector: rows of each element; all alike.
            name: of the name scope; ``"TensorArraySplit"`` by default.

        Raises:
            ValueError: ``value`` has no axes, or the lengths are known to have another sum.
            UnimplementedError: the lengths differ or are not known while the graph is built.
        """
        with name_scope(name, "TensorArraySplit", [value, lengths]):
            rows = convert_to_tensor(value, self._dtype)
            known = constant_value(convert_to_tensor(lengths, int32))
            if rows.dims == ():
                raise ValueError(f"{self._label}: split needs a tensor with axes")
            if known is None or len(set(known.tolist())) > 1:
                raise UnimplementedError(
                    None, None, f"{self._label}: elements of different lengths; the lengths must "
                    "be known while the graph is built, and alike"
                )  # fmt: skip
            length = int(known[0]) if known.size else 0
            if rows.dims is not None and rows.dims[0] not in (None, length * known.size):
                raise ValueError(
                    f"{self._label}: {rows.dims[0]} rows split into {known.size} of {length}"
                )
            rest = call.Slice(call.Shape(rows), [1], [-1])
            shape = call.ConcatV2([np.array([known.size, length], np.int32), rest], 0)
            return self.unstack(call.Reshape(rows, shape))

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with the rows of ``value`` as the elements ``indices``.

        Args:
            indices: an int32 vector.
            value: of shape ``[len(indices), *element_shape]``.
            name: of the name scope; ``"TensorArrayScatter"`` by default.

        Raises:
            ValueError: the rows have another shape than the elements.
            InvalidArgumentError (when run): there is no such element (and the array does not
                grow).
        """
        with name_scope(name, "TensorArrayScatter", [indices, value]) as scope:
            places = convert_to_tensor(indices, int32)
            rows = convert_to_tensor(value, self._dtype)
            dims = None if rows.dims is None else rows.dims[1:]
            self._check_element(dims, scope)
            stack, written, count = self._stack, self._written, self._count
            if self._dynamic:
                most = call.Max(call.ConcatV2([places, np.array([-1], np.int32)], 0), [0])
                count = call.Maximum(count, call.AddV2(most, make_constant(np.array(1, np.int32))))
                stack, written = self._resized(stack, written, count)
            stack = self._opened(stack, dims, count)
            tuples = call.ExpandDims(places, 1)
            if written is not None:
                yes = call.Fill(call.Shape(places), np.True_)
                written = call.TensorScatterUpdate(written, tuples, yes)
            stack = call.TensorScatterUpdate(stack, tuples, rows)
            return self._with_stack(stack, written, count)

    # ----------------------------------------------------------------------------------- inside

    def _check_element(self, dims: Dims, scope: str) -> None:
        if not is_compatible(self._element_dims(), dims):
            raise ValueError(
                format_message(
                    f"{self._label}: an element of shape {format_dims(dims)}, but the others have "
                    f"shape {format_dims(self._element_dims())}",
                    [describe("elements", self._stack)],
                    (scope[:-1], format_site(find_site())),
                )
            )
        self._known[0] = merge(self._known[0], dims)

    def _with_shape(self, elements: Tensor) -> Tensor:
        """``elements`` (all of them) with what is known of their shape."""
        row, size = self._element_dims(), constant_value(self._count)
        if row is not None and is_compatible(elements.dims, (None, *row)):
            count = None if size is None or self._roomy else int(size)
            elements.set_shape(merge(elements.dims, (count, *row)))
        return elements

    def _opened(self, stack: Tensor, dims: Dims, count: Tensor) -> Tensor:
        """``stack``; one whose rows are not known yet with ``count`` rows of shape ``dims``."""
        is_open = self._unshaped or (stack.op.type == "EmptyStack" and stack.dims is None)
        if not is_open or not is_fully_known(dims):
            return stack
        return call.EmptyStack(count, dtype=self._dtype, row_shape=dims)

    def _resized(
        self, stack: Tensor, written: Tensor | None, count: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        if self._unshaped or stack.op.type == "EmptyStack":
            stack = self._empty(count, self._row)
        else:
            stack = call.StackResize(stack, count)
        return stack, None if written is None else call.StackResize(written, count)

    def _with_stack(self, stack: Tensor, written: Tensor | None, count: Tensor) -> TensorArray:
        new = TensorArray.__new__(TensorArray)
        new.__dict__.update(self.__dict__)
        new._stack, new._written, new._count, new._noted = stack, written, count, None
        new._unshaped = False
        return new

    def _parts(self) -> list[Tensor]:
        """The tensors that a loop or branch carries for it."""
        parts = [self._stack]
        if self._written is not None:
            parts.append(self._written)
        if self._dynamic:
            parts.append(self._count)
        return parts

    def _parts_like(self, other: TensorArray) -> list[Tensor]:
        """The parts that stand for those of ``other``, which it has become."""
        parts = [self._stack]
        if other._written is not None:
            written = self._written
            if written is None:  # all of them
                shape = call.Slice(call.Shape(self._stack), [0], [1])
                written = call.Fill(shape, np.True_)
            parts.append(written)
        if other._dynamic:
            parts.append(self._count)
        return parts

    def _with(self, *parts: Tensor) -> TensorArray:
        """The array that has these parts."""
        rest: Sequence[Tensor] = parts[1:]
        written = rest[0] if self._written is not None else None
        count = rest[-1] if self._dynamic else self._count
        return self._with_stack(parts[0], written, count)

    def _in_a_loop(self, size: Tensor | None = None) -> TensorArray:
        """As a loop variable, or the result of one: what follows does not resize it.

        size: what is known of it.
        """
        new = self._with_stack(self._stack, self._written, self._count if size is None else size)
        new._noted, new._roomy = [], self._dynamic
        return new

    def _with_room(self, room: Tensor) -> list[Tensor]:
        """The parts with room for that many elements."""
        stack, written = self._resized(self._stack, self._written, room)
        return self._with_stack(stack, written, self._count)._parts()


def _vector(*numbers: int) -> Tensor:
    return make_constant(np.array(numbers, np.int32))


