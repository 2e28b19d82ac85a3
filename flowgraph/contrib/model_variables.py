"""Variables of models: tf.contrib.framework's functions to make them and to find them.

Read next: arg_scopes.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flowgraph.graph.default import GraphKeys, get_collection, get_default_graph
from flowgraph.graph.export import export, export_value
from flowgraph.graph.node import Tensor
from flowgraph.ops.variable_scope import get_variable, variable_scope
from flowgraph.ops.variables import Variable, global_variables
from flowgraph.train.step_counter import (
    assert_global_step,
    create_global_step,
    get_global_step,
    get_or_create_global_step,
)

_SPACES = ("contrib.framework", "contrib.slim")

for _function in (
    assert_global_step, create_global_step, get_global_step, get_or_create_global_step,
):  # fmt: skip
    export_value(_function, f"contrib.slim.{_function.__name__}")


def _exported(name: str) -> Callable[[Any], Any]:
    return export(*(f"{space}.{name}" for space in _SPACES))


def model_getter(rename: Mapping[str, str] | None = None) -> Callable[..., Variable]:
    """A custom getter that makes model variables, some of them under other names."""
    names = rename or {}

    def getter(make: Callable[..., Variable], name: str, **arguments: Any) -> Variable:
        scope, slash, last = name.rpartition("/")
        arguments["collections"] = [
            *(arguments.get("collections") or ()),
            GraphKeys.GLOBAL_VARIABLES,
            GraphKeys.MODEL_VARIABLES,
        ]
        return make(scope + slash + names.get(last, last), **arguments)

    return getter


def collect_variable(variable: Any, collections: Any, kind: str) -> None:
    """Put a variable into collections: names of them, or a dict from kinds to names."""
    if variable is None or not collections:
        return
    names = collections.get(kind) if isinstance(collections, Mapping) else collections
    for name in [names] if isinstance(names, str) else names or ():
        get_default_graph().add_to_collection(name, variable)


@export("contrib.layers.utils.collect_named_outputs", "contrib.slim.utils.collect_named_outputs")
def collect_named_outputs(collections: Any, alias: str, outputs: Tensor) -> Tensor:
    """Put a tensor into collections, under a name.

    Args:
        collections: a name or several; None for none.
        alias: the name.
        outputs: the tensor, which is given back.
    """
    if collections:
        names = [collections] if isinstance(collections, str) else collections
        for name in names:
            get_default_graph().add_to_collection(name, outputs)
        known = getattr(outputs, "aliases", [])
        outputs.aliases = [*known, alias]  # type: ignore[attr-defined]
    return outputs


@export(
    "contrib.layers.utils.convert_collection_to_dict",
    "contrib.slim.utils.convert_collection_to_dict",
)
def convert_collection_to_dict(
    collection: str, clear_collection: bool = False
) -> dict[str, Tensor]:
    """The tensors of a collection, by the names that layers gave them.

    Args:
        collection: its name.
        clear_collection: whether to empty it.
    """
    items = get_default_graph().get_collection_ref(collection)
    found = {alias: x for x in items for alias in getattr(x, "aliases", [x.op.name])}
    if clear_collection:
        items.clear()
    return found


@_exported("variable")
def variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    collections: Any = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    use_resource: bool | None = None,
) -> Variable:
    """tf.get_variable with a device.

    Args:
        name, shape, dtype, initializer, regularizer, trainable, caching_device, partitioner,
            custom_getter, use_resource: as in tf.get_variable.
        collections: further collections; the global variables' is always one.
        device: a device or a function of the operation.
    """
    wanted = [*(collections or ()), GraphKeys.GLOBAL_VARIABLES]
    with get_default_graph().device(device or ""):
        return get_variable(
            name, shape, dtype, initializer, regularizer, trainable,
            collections=list(dict.fromkeys(wanted)), caching_device=caching_device,
            partitioner=partitioner, custom_getter=custom_getter, use_resource=use_resource,
        )  # fmt: skip


@_exported("model_variable")
def model_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    collections: Any = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    use_resource: bool | None = None,
) -> Variable:
    """``variable`` that also joins ``GraphKeys.MODEL_VARIABLES``.

    Args:
        name, shape, dtype, initializer, regularizer, trainable, collections, caching_device,
            device, partitioner, custom_getter, use_resource: as in ``variable``.
    """
    wanted = [*(collections or ()), GraphKeys.MODEL_VARIABLES]
    return variable(
        name, shape, dtype, initializer, regularizer, trainable, wanted, caching_device, device,
        partitioner, custom_getter, use_resource,
    )  # fmt: skip


@_exported("local_variable")
def local_variable(
    initial_value: Any,
    validate_shape: bool = True,
    name: str | None = None,
    use_resource: bool | None = None,
) -> Variable:
    """A variable that is neither trained nor saved.

    Args:
        initial_value, validate_shape, name, use_resource: as in tf.Variable.
    """
    return Variable(
        initial_value,
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES],
        validate_shape=validate_shape,
        name=name,
    )


@_exported("get_variables")
def get_variables(
    scope: Any = None, suffix: str | None = None, collection: str = GraphKeys.GLOBAL_VARIABLES
) -> list[Variable]:
    """The variables of a scope.

    Args:
        scope: a regular expression that names begin with, or a variable scope.
        suffix: what names end with.
        collection: where to look.
    """
    if isinstance(scope, variable_scope):
        raise TypeError("get_variables takes the scope that `with variable_scope(...) as s` gives")
    name = getattr(scope, "name", scope)
    if suffix is not None:
        name = (name or "") + ".*" + suffix
    return get_collection(collection, name)


@_exported("get_model_variables")
def get_model_variables(scope: Any = None, suffix: str | None = None) -> list[Variable]:
    """``get_variables`` of the model variables; ``scope`` and ``suffix`` as there."""
    return get_variables(scope, suffix, GraphKeys.MODEL_VARIABLES)


@_exported("get_local_variables")
def get_local_variables(scope: Any = None, suffix: str | None = None) -> list[Variable]:
    """``get_variables`` of the local variables; ``scope`` and ``suffix`` as there."""
    return get_variables(scope, suffix, GraphKeys.LOCAL_VARIABLES)


@_exported("get_trainable_variables")
def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list[Variable]:
    """``get_variables`` of the trained variables; ``scope`` and ``suffix`` as there."""
    return get_variables(scope, suffix, GraphKeys.TRAINABLE_VARIABLES)


@_exported("get_variables_by_name")
def get_variables_by_name(given_name: str, scope: str | None = None) -> list[Variable]:
    """The variables whose last name is ``given_name``.

    Args:
        given_name: the name, without scopes.
        scope: a regular expression that names begin with.
    """
    return [v for v in get_variables(scope) if v.op.name.rpartition("/")[2] == given_name]


@_exported("get_variables_by_suffix")
def get_variables_by_suffix(suffix: str, scope: str | None = None) -> list[Variable]:
    """The variables whose names end with ``suffix``, in a ``scope``."""
    return get_variables(scope, suffix)


@_exported("get_unique_variable")
def get_unique_variable(var_op_name: str) -> Variable:
    """The one variable of this full name.

    Args:
        var_op_name: its name, with scopes.

    Raises:
        ValueError: there is none.
    """
    found = [v for v in global_variables() if v.op.name == var_op_name]
    if len(found) != 1:
        raise ValueError(f"there is no variable {var_op_name!r}")
    return found[0]


@_exported("get_variables_to_restore")
def get_variables_to_restore(
    include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
) -> list[Variable]:
    """The global variables, less some.

    Args:
        include: scopes to take; all by default.
        exclude: scopes to leave out.
    """
    if include is None:
        taken = get_variables()
    else:
        taken = [v for scope in include for v in get_variables(scope)]
    left = {v for scope in exclude or () for v in get_variables(scope)}
    return [v for v in taken if v not in left]


@_exported("filter_variables")
def filter_variables(
    var_list: Iterable[Variable],
    include_patterns: Iterable[str] | None = None,
    exclude_patterns: Iterable[str] | None = None,
    reg_search: bool = True,
) -> list[Variable]:
    """The variables of a list whose names match.

    Args:
        var_list: the variables.
        include_patterns: regular expressions of which one must match; all by default.
        exclude_patterns: regular expressions of which none may match.
        reg_search: match anywhere in the name, not at its beginning only.
    """
    match = re.search if reg_search else re.match
    found = list(var_list)
    if include_patterns is not None:
        patterns = list(include_patterns)
        found = [v for v in found if any(match(p, v.op.name) for p in patterns)]
    without = list(exclude_patterns or ())
    return [v for v in found if not any(match(p, v.op.name) for p in without)]
