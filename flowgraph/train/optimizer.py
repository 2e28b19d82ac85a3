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

from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies, get_default_graph, name_scope
from flowgraph.graph.gradients import IndexedSlices, gradients
from flowgraph.graph.node import Operation, Tensor
from flowgraph.ops.constants import zeros
from flowgraph.ops.control import group
from flowgraph.ops.variable_scope import variable_scope
from flowgraph.ops.variables import Variable, trainable_variables

GradAndVar = tuple[Any, Variable]


class Optimizer:
    """Base class of the optimizers.

    Args:
        use_locking: accepted; updates never race here.
        name: prefix of the operations it makes.
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
        self._non_slots: dict[tuple[str, Any], Variable] = {}

    def get_name(self) -> str:
        """The name given at construction."""
        return self._name

    def minimize(
        self,
        loss: Tensor,
        global_step: Variable | None = None,
        var_list: Iterable[Variable] | None = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Tensor | None = None,
    ) -> Operation:
        """The operation that makes one step against ``loss``.

        All gradients use the variables' values from before the step.

        Args:
            loss: a float tensor; summed if it is no scalar.
            global_step: a variable to increase by one after the update.
            var_list: what to train (default: ``tf.trainable_variables()``).
            name: of the operation (default: the optimizer's).   grad_loss: gradient of ``loss``.
            gate_gradients, aggregation_method, colocate_gradients_with_ops: accepted; they change
                nothing that can be observed here.
        Raises:
            ValueError: no variable depends on anything that leads to ``loss``.
        """
        grads_and_vars = self.compute_gradients(
            loss,
            var_list,
            gate_gradients,
            aggregation_method,
            colocate_gradients_with_ops,
            grad_loss,
        )
        with_gradient = [v for g, v in grads_and_vars if g is not None]
        if not with_gradient:
            names = [v.name for _, v in grads_and_vars]
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that do not "
                f"support gradients, between variables {names} and loss {loss}."
            )
        return self.apply_gradients(grads_and_vars, global_step, name)

    def compute_gradients(
        self,
        loss: Tensor,
        var_list: Iterable[Variable] | None = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Tensor | None = None,
    ) -> list[GradAndVar]:
        """``[(d loss / d v, v)]`` for every variable; the gradient is None where none flows.

        Arguments as in ``minimize``.
        """
        if callable(loss):
            raise RuntimeError("`loss` passed to Optimizer.compute_gradients should be a Tensor")
        if gate_gradients not in (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH):
            raise ValueError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, "
                f"Optimizer.GATE_GRAPH. Not {gate_gradients}"
            )
        variables = list(trainable_variables() if var_list is None else _flatten(var_list))
        if not variables:
            raise ValueError("No variables to optimize.")
        for variable in variables:
            if not isinstance(variable, (Variable, Tensor)):
                raise TypeError(f"Argument is not a tf.Variable: {variable!r}")
        grads = gradients(
            loss,
            variables,
            grad_ys=grad_loss,
            aggregation_method=aggregation_method,
            gate_gradients=gate_gradients == self.GATE_OP,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        return list(zip(grads, variables, strict=True))

    def apply_gradients(
        self,
        grads_and_vars: Iterable[GradAndVar],
        global_step: Variable | None = None,
        name: str | None = None,
    ) -> Operation:
        """The operation that updates every variable with its gradient.

        Args:
            grads_and_vars: as ``compute_gradients`` returns; pairs without gradient are skipped.
            global_step: a variable to increase by one after the update.
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
                f"No gradients provided for any variable: {[v.name for _, v in pairs]}."
            )
        self._create_slots([v for _, v in chosen])
        with name_scope(name, self._name) as scope:
            self._prepare()
            updates = []
            for gradient, variable in chosen:
                with name_scope("update_" + variable.op.name):
                    updates.append(self._apply(gradient, variable))
            if global_step is None:
                return self._finish(updates, scope)
            with control_dependencies([self._finish(updates, "update")]):
                return global_step.assign_add(
                    convert_to_tensor(1, dtype=global_step.dtype.base_dtype, name="value"),
                    name=scope,
                ).op

    def _apply(self, gradient: Any, variable: Variable) -> Operation:
        if isinstance(gradient, IndexedSlices):
            return self._apply_sparse(gradient, variable)
        return self._apply_dense(gradient, variable)

    # ------------------------------------------------------------------------- slots

    def get_slot(self, var: Variable, name: str) -> Variable | None:
        """The slot ``name`` of ``var``, or None before it was made."""
        return self._slots.get(name, {}).get(var)

    def get_slot_names(self) -> list[str]:
        """The names of the slots, sorted."""
        return sorted(self._slots)

    def variables(self) -> list[Variable]:
        """Every variable the optimizer keeps in the current graph."""
        graph = get_default_graph()
        kept = [v for (_, g), v in self._non_slots.items() if g is graph]
        for slots in self._slots.values():
            kept.extend(v for v in slots.values() if v.graph is graph)
        return sorted(kept, key=lambda v: v.name)

    def _zeros_slot(self, var: Variable, slot_name: str, op_name: str) -> Variable:
        """The slot of ``var``, made of zeros on first use; its name is ``<var>/<op_name>``."""
        slots = self._slots.setdefault(slot_name, {})
        if var not in slots:
            sizes, dtype = var.shape.as_list(), var.dtype.base_dtype
            # Slots belong to their variable, not to the scope that minimize is called in.
            with name_scope(None), variable_scope(None, var.op.name + "/" + op_name) as scope:
                name = scope.name + "/"  # exactly this name: the scope made it unique
            with name_scope(None):
                slots[var] = Variable(
                    lambda: zeros(sizes, dtype, name="zeros"), trainable=False, name=name
                )
        return slots[var]

    def _scalar_variable(self, initial: float, name: str, like: Variable) -> Variable:
        """A variable of its own (no slot), made on first use."""
        key = (name, like.graph)
        if key not in self._non_slots:
            self._non_slots[key] = Variable(initial, name=name, trainable=False)
        return self._non_slots[key]

    def _get_non_slot(self, name: str) -> Variable:
        return self._non_slots[name, get_default_graph()]

    # ------------------------------------------------------- what a concrete optimizer says

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        """Make the slots of these variables."""

    def _prepare(self) -> None:
        """Make tensors of the hyperparameters."""

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        """The update of one variable."""
        raise NotImplementedError

    def _apply_sparse(self, grad: IndexedSlices, var: Variable) -> Operation:
        """The update of the rows that ``grad`` names; duplicates add up."""
        raise NotImplementedError

    def _finish(self, update_ops: list[Operation], name_scope: str) -> Operation:
        """The operation that stands for the whole update."""
        return group(*update_ops, name=name_scope)


def _as_gradient(gradient: Any) -> Any:
    if gradient is None or isinstance(gradient, (Tensor, IndexedSlices)):
        return gradient
    try:
        return convert_to_tensor(gradient)
    except (TypeError, ValueError):
        raise TypeError(
            f"Gradient must be convertible to a Tensor or IndexedSlices, or None: {gradient!r}"
        ) from None


def _flatten(items: Any) -> list[Any]:
    if isinstance(items, (list, tuple)):
        return [leaf for item in items for leaf in _flatten(item)]
    return [items]
