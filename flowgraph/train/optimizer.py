"""Optimizer: from a loss to the operation that makes one training step.

    minimize(loss)  =  compute_gradients(loss)  ->  [(gradient, variable)]  ->  apply_gradients

A concrete optimizer (gradient_descent.py, adam.py) says which slots (extra variables per trained
variable) it keeps and how one variable is updated; everything else is here.  Names of slots and
operations are TensorFlow 1.15's: ``W/Adam``, ``Adam/update_W/ApplyAdam``, the step itself ``Adam``.

Read next: gradient_descent.py (the shortest optimizer).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flowgraph.dtypes import DType, float16, float32, float64
from flowgraph.eager.tape import GradientTape
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.cuts import why_no_gradient
from flowgraph.graph.default import (
    GraphKeys,
    control_dependencies,
    get_default_graph,
    name_scope,
)
from flowgraph.graph.export import export
from flowgraph.graph.gradients import IndexedSlices, gradients
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.report import call_message
from flowgraph.ops.control import group, tuple_
from flowgraph.ops.nest import flatten
from flowgraph.ops.variables import Variable, trainable_variables
from flowgraph.train.slots import create_slot, create_slot_with_initializer, create_zeros_slot

GradAndVar = tuple[Any, Variable]


@export("train.Optimizer")
class Optimizer:
    """Base class of the optimizers.

    A class derived from it defines ``_apply_dense(grad, var)`` and ``_apply_sparse(grad, var)``,
    the update of one variable, and if need be ``_create_slots(var_list)``, ``_prepare()`` (tensors
    of the hyperparameters) and ``_finish(update_ops, name_scope)``.

    Args:
        use_locking: accepted; updates never race here.
        name: prefix of the operations it makes.

    Raises:
        ValueError: the name is empty.
    """

    GATE_NONE, GATE_OP, GATE_GRAPH = 0, 1, 2

    def __init__(self, use_locking: bool, name: str) -> None:
        if not name:
            raise ValueError("Must specify the optimizer name")
        self._use_locking = use_locking
        self._name = name
        #: slot name -> variable -> slot variable
        self._slots: dict[str, dict[Variable, Variable]] = {}
        #: Variables not tied to one trained variable, by name and graph (Adam's beta powers).
        self._non_slot_dict: dict[tuple[str, Any], Variable] = {}

    def get_name(self) -> str:
        """The name given at construction."""
        return self._name

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Iterable[Variable] | None = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """The operation that makes one step against ``loss``.

        All gradients use the variables' values from before the step.

        Args:
            loss: a float tensor, summed if it is no scalar; in eager mode a function without
                arguments that computes it.
            global_step: a variable to increase by one after the update.
            var_list: what to train (default: ``tf.trainable_variables()``, in eager mode what
                ``loss`` reads).
            gate_gradients, aggregation_method, colocate_gradients_with_ops, grad_loss: as for
                ``compute_gradients``.
            name: of the operation (default: the optimizer's).

        Returns:
            The operation; in eager mode the step is made at once.

        Raises:
            ValueError: no variable depends on anything that leads to ``loss``.
        """
        grads_and_vars = self.compute_gradients(
            loss,
            var_list=var_list,
            gate_gradients=gate_gradients,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
            grad_loss=grad_loss,
        )
        with_gradient = [v for g, v in grads_and_vars if g is not None]
        if not with_gradient:
            names = [v.name for _, v in grads_and_vars]
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that do not "
                f"support gradients, between variables {names} and loss {loss}."
                + _causes(loss, [v for _, v in grads_and_vars])
            )
        return self.apply_gradients(grads_and_vars, global_step=global_step, name=name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Iterable[Variable] | None = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[GradAndVar]:
        """``[(d loss / d v, v)]`` for every variable; the gradient is None where none flows.

        Args:
            loss: a float tensor, summed if it is no scalar; or a function without arguments that
                computes it (in eager mode it must be one).
            var_list: the variables (default: ``tf.trainable_variables()``, of a function those that
                it reads).
            gate_gradients: GATE_GRAPH lets no gradient be used before all are computed; the others
                change nothing.
            aggregation_method: accepted; see AggregationMethod.
            colocate_gradients_with_ops: give gradients the device of the operation they derive.
            grad_loss: the gradient of what is minimised with respect to ``loss``; ones.

        Raises:
            RuntimeError: in eager mode, ``loss`` is no function.
            ValueError: there is no variable, or a dtype is not floating.
            TypeError: something in ``var_list`` is no variable.
        """
        if gate_gradients not in (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH):
            raise ValueError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, "
                f"Optimizer.GATE_GRAPH. Not {gate_gradients}"
            )
        if callable(loss):
            return self._gradients_on_tape(loss, var_list, grad_loss)
        if get_default_graph().executes:
            raise RuntimeError(
                "`loss` passed to Optimizer.compute_gradients should be a function when eager "
                "execution is enabled."
            )
        self._assert_valid_dtypes([loss])
        if grad_loss is not None:
            grad_loss = convert_to_tensor(grad_loss)
            self._assert_valid_dtypes([grad_loss])
        variables = trainable_variables() if var_list is None else flatten(_listed(var_list))
        if not variables:
            raise ValueError(
                call_message(
                    "No variables to optimize.",
                    [("loss", loss)],
                    fix="make variables with tf.Variable or tf.get_variable, trainable=True",
                )
            )
        for variable in variables:
            if not isinstance(variable, (Variable, Tensor)):
                raise TypeError(f"Argument is not a tf.Variable: {variable!r}")
        grads = gradients(
            loss,
            variables,
            grad_ys=grad_loss,
            gate_gradients=gate_gradients == self.GATE_OP,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gate_gradients == self.GATE_GRAPH:
            grads = tuple_(grads)
        found = list(zip(grads, variables, strict=True))
        self._assert_valid_dtypes([v for g, v in found if g is not None])
        if var_list is None:
            pairs = [(loss, v) for g, v in found if g is None]
            getattr(get_default_graph(), "_without_gradient", []).extend(pairs)
        return found

    def _gradients_on_tape(self, loss: Any, var_list: Any, grad_loss: Any) -> list[GradAndVar]:
        """The gradients of what the function ``loss`` returns."""
        with GradientTape() as tape:
            if var_list is not None:
                tape.watch(var_list)
            value = loss()
        variables = tape.watched_variables() if var_list is None else flatten(_listed(var_list))
        if not variables:
            raise ValueError("No variables to optimize.")
        grads = tape.gradient(value, list(variables), grad_loss)
        return list(zip(grads, variables, strict=True))

    def apply_gradients(
        self,
        grads_and_vars: Iterable[GradAndVar],
        global_step: Any = None,
        name: str | None = None,
    ) -> Operation:
        """The operation that updates every variable with its gradient.

        Args:
            grads_and_vars: as ``compute_gradients`` returns; pairs without gradient are skipped.
            global_step: a variable to increase by one after the update.
            name: of the operation (default: the optimizer's).

        Raises:
            ValueError: there is no pair, or none with a gradient.
            TypeError: a gradient is neither tensor nor IndexedSlices.
        """
        pairs = [(_as_gradient(g), v) for g, v in grads_and_vars]
        if not pairs:
            raise ValueError("No variables provided.")
        chosen = [(g, v) for g, v in pairs if g is not None]
        if not chosen:
            raise ValueError(
                f"No gradients provided for any variable: {[v.name for _, v in pairs]}.\n"
                "  fix: print(tf.why_no_gradient(loss, variable)) names the operation that cuts "
                "the path to a variable"
            )
        for _, variable in chosen:
            if not isinstance(variable, Variable):
                raise NotImplementedError(f"Trying to update a Tensor: {variable!r}")
        self._create_slots([v for _, v in chosen])
        with name_scope(name, self._name) as scope:
            self._prepare()
            updates = []
            for gradient, variable in chosen:
                with name_scope("update_" + variable.op.name):
                    updates.append(self._update(gradient, variable))
            if global_step is None:
                operation = self._finish(updates, scope)
            else:
                with control_dependencies([self._finish(updates, "update")]):
                    operation = call.AssignAdd(
                        global_step,
                        convert_to_tensor(1, dtype=global_step.dtype.base_dtype, name="value"),
                        name=scope,
                    ).op
        graph = get_default_graph()
        if not graph.executes:
            graph.add_to_collection(GraphKeys.TRAIN_OP, operation)
        return operation

    def _update(self, gradient: Any, variable: Variable) -> Operation:
        """One variable's update, and then what its constraint makes of it."""
        if isinstance(gradient, IndexedSlices):
            if variable.constraint is not None:
                raise RuntimeError(
                    "Cannot use a constraint function on a sparse variable: "
                    f"{variable.name!r}, whose gradient is IndexedSlices"
                )
            return self._apply_sparse_duplicate_indices(gradient, variable)
        update = self._apply_dense(gradient, variable)
        if variable.constraint is None:
            return update
        with control_dependencies([update]):
            return variable.assign(variable.constraint(variable)).op

    # ------------------------------------------------------------------------- slots

    def get_slot(self, var: Variable, name: str) -> Variable | None:
        """The slot ``name`` of ``var``, or None before it was made.

        Args:
            var: a trained variable.   name: one of ``get_slot_names()``.
        """
        return self._slots.get(name, {}).get(var)

    def get_slot_names(self) -> list[str]:
        """The names of the slots, sorted."""
        return sorted(self._slots)

    def variables(self) -> list[Variable]:
        """Every variable the optimizer keeps in the current graph, by name."""
        graph = _home()
        kept = [v for v in self._non_slot_variables() if v.graph is graph]
        for slots in self._slots.values():
            kept.extend(v for v in slots.values() if v.graph is graph)
        return sorted(kept, key=lambda v: v.name)

    def _slot_dict(self, slot_name: str) -> dict[Variable, Variable]:
        return self._slots.setdefault(slot_name, {})

    def _get_or_make_slot(self, var: Variable, val: Any, slot_name: str, op_name: str) -> Variable:
        """The slot of ``var`` that starts as ``val``; its name is ``<var>/<op_name>``."""
        slots = self._slot_dict(slot_name)
        if var not in slots:
            slots[var] = create_slot(var, val, op_name)
        return slots[var]

    def _get_or_make_slot_with_initializer(
        self, var: Variable, initializer: Any, shape: Any, dtype: DType, slot_name: str,
        op_name: str,
    ) -> Variable:  # fmt: skip
        """The slot of ``var`` that starts as ``initializer`` says."""
        slots = self._slot_dict(slot_name)
        if var not in slots:
            slots[var] = create_slot_with_initializer(var, initializer, shape, dtype, op_name)
        return slots[var]

    def _zeros_slot(self, var: Variable, slot_name: str, op_name: str) -> Variable:
        """The slot of ``var`` that starts as zeros."""
        slots = self._slot_dict(slot_name)
        if var not in slots:
            slots[var] = create_zeros_slot(var, op_name)
        return slots[var]

    def _create_non_slot_variable(
        self, initial_value: Any, name: str, colocate_with: Variable
    ) -> Variable:
        """A variable of its own (no slot), made on first use."""
        key = (name, colocate_with.graph)
        if key not in self._non_slot_dict:
            self._non_slot_dict[key] = Variable(initial_value, name=name, trainable=False)
        return self._non_slot_dict[key]

    def _get_non_slot_variable(self, name: str, graph: Any = None) -> Variable:
        return self._non_slot_dict[name, _home() if graph is None else graph]

    def _non_slot_variables(self) -> list[Variable]:
        return list(self._non_slot_dict.values())

    # -------------------------------------------------------------------------------- checks

    def _valid_dtypes(self) -> set[DType]:
        """The dtypes of losses, variables and gradients."""
        return {float16, float32, float64}

    def _assert_valid_dtypes(self, tensors: Iterable[Any]) -> None:
        valid = self._valid_dtypes()
        for tensor in tensors:
            dtype = tensor.dtype.base_dtype
            if dtype not in valid:
                names = [v.name for v in sorted(valid, key=lambda v: v.name)]
                raise ValueError(
                    call_message(
                        f"Invalid type {dtype.name} for {tensor.name}, expected: {names}.",
                        [("tensor", tensor)],
                        fix="compute it in floats, e.g. tf.cast(x, tf.float32) of its inputs",
                    )
                )

    def _call_if_callable(self, param: Any) -> Any:
        return param() if callable(param) else param

    # ------------------------------------------------------- what a concrete optimizer says

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        """Make the slots of these variables."""

    def _prepare(self) -> None:
        """Make tensors of the hyperparameters."""

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        """The update of one variable."""
        raise NotImplementedError(f"{type(self).__name__}._apply_dense")

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Variable) -> Operation:
        """The update of the rows that ``grad`` names, which may be named several times."""
        indices, positions = call.Unique(grad.indices)
        rows = call.StridedSlice(call.Shape(indices), [0], [1], [1], shrink_axis_mask=1)
        values = call.UnsortedSegmentSum(grad.values, positions, rows)
        return self._apply_sparse(IndexedSlices(values, indices, grad.dense_shape), var)

    def _apply_sparse(self, grad: IndexedSlices, var: Variable) -> Operation:
        """The update of the rows that ``grad`` names, each once."""
        raise NotImplementedError(f"{type(self).__name__}._apply_sparse")

    def _finish(self, update_ops: list[Operation], name_scope: str) -> Operation:
        """The operation that stands for the whole update."""
        return group(*update_ops, name=name_scope)


class StepOptimizer(Optimizer):
    """An optimizer whose updates are one operation each: ``Apply<X>`` and ``SparseApply<X>``.

    A class derived from it says in ``_hyper`` which numbers there are, in ``_step`` the name X,
    and in ``_arguments`` and ``_attrs`` what the operation takes.
    """

    _step: str

    def __init__(self, use_locking: bool, name: str, **hyper: Any) -> None:
        super().__init__(use_locking, name)
        #: Name of a number -> what was given: a number, a tensor, or a function of none.
        self._hyper = hyper
        self._tensors: dict[str, Tensor] = {}

    def _prepare(self) -> None:
        for name, value in self._hyper.items():
            self._tensors[name] = convert_to_tensor(self._call_if_callable(value), name=name)

    def _numbers(self, var: Variable, *names: str) -> list[Tensor]:
        """The hyperparameters in the dtype of ``var``."""
        return [cast(self._tensors[name], var) for name in names]

    def _slots_of(self, var: Variable, *names: str) -> list[Variable]:
        return [self._slots[name][var] for name in names]

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        """The inputs of the operation after ``var``; ``grad``: gradient, and indices if sparse."""
        raise NotImplementedError

    def _attrs(self) -> dict[str, Any]:
        return {}

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        apply = getattr(call, f"Apply{self._step}")
        arguments = self._arguments(var, [grad])
        return apply(var, *arguments, use_locking=self._use_locking, **self._attrs()).op

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Variable) -> Operation:
        return self._apply_rows(grad, var, _sum_duplicates=True)

    def _apply_sparse(self, grad: IndexedSlices, var: Variable) -> Operation:
        return self._apply_rows(grad, var)

    def _apply_rows(self, grad: IndexedSlices, var: Variable, **how: Any) -> Operation:
        apply = getattr(call, f"SparseApply{self._step}")
        arguments = self._arguments(var, [grad.values, grad.indices])
        options = {**self._attrs(), **how}
        return apply(var, *arguments, use_locking=self._use_locking, **options).op


def cast(tensor: Tensor, var: Variable) -> Tensor:
    """``tensor`` in the dtype of ``var``."""
    dtype = var.dtype.base_dtype
    return tensor if tensor.dtype.base_dtype is dtype else call.Cast(tensor, DstT=dtype)


#: Variables whose missing gradient an error explains.
_MAX_EXPLAINED = 3


def _causes(loss: Any, variables: Sequence[Any]) -> str:
    """Why none of the variables has a gradient, as further lines of an error."""
    if callable(loss):
        return ""
    texts = dict.fromkeys(str(why_no_gradient(loss, v)) for v in variables[:_MAX_EXPLAINED])
    more = len(variables) - _MAX_EXPLAINED
    rest = [f"({more} more variables have no gradient either)"] if more > 0 else []
    return "".join("\n" + text for text in (*texts, *rest))


def _home() -> Any:
    """The graph in which variables live that are made now."""
    graph: Any = get_default_graph()
    return graph.outer_context if graph.building_function else graph


def _listed(items: Any) -> list[Any]:
    return list(items) if isinstance(items, Iterable) and not isinstance(items, Tensor) else [items]


def _as_gradient(gradient: Any) -> Any:
    if gradient is None or isinstance(gradient, (Tensor, IndexedSlices)):
        return gradient
    try:
        return convert_to_tensor(gradient)
    except (TypeError, ValueError):
        raise TypeError(
            f"Gradient must be convertible to a Tensor or IndexedSlices, or None: {gradient!r}"
        ) from None
