"""VariableDefs: the operations of a Variable by name, as MetaGraphDefs list them.

Read next: variables.py; saving/meta_graphs.py.
"""

from __future__ import annotations

from flowgraph.graph.core import Graph
from flowgraph.ops.variables import Variable
from flowgraph.protos.meta_graphs import VariableDef


def variable_def(variable: Variable, export_scope: str | None = None) -> VariableDef | None:
    """The message of a variable; None where it is outside of ``export_scope``.

    Args:
        variable: the variable.
        export_scope: the name scope that the names are relative to.
    """
    lead = f"{export_scope.rstrip('/')}/" if export_scope else ""
    if not variable.name.startswith(lead):
        return None
    return VariableDef(
        variable_name=variable.name.removeprefix(lead),
        initializer_name=variable.initializer.name.removeprefix(lead),
        snapshot_name=variable._snapshot.name.removeprefix(lead),
        initial_value_name=variable.initial_value.name.removeprefix(lead),
        trainable=variable.trainable,
    )


def variable_of(graph: Graph, said: VariableDef, import_scope: str | None = None) -> Variable:
    """The Variable whose operations are in ``graph``; resource variables have become plain.

    Args:
        graph: the graph.
        said: the message.
        import_scope: the name scope that the graph was imported into.
    """
    prefix = f"{import_scope.rstrip('/')}/" if import_scope else ""
    made = object.__new__(Variable)
    made._trainable, made._constraint, made._caching_device = said.trainable, None, None
    made._synchronization = made._aggregation = None
    made._variable = graph.get_tensor_by_name(prefix + said.variable_name)
    made._initializer = graph.get_operation_by_name(prefix + said.initializer_name)
    made._snapshot = graph.get_tensor_by_name(prefix + said.snapshot_name)
    initial = said.initial_value_name
    made._initial_value = (
        graph.get_tensor_by_name(prefix + initial) if initial else made._initializer.inputs[1]
    )
    return made
