"""Variables that begin with the values of a checkpoint: init_from_checkpoint, warm_start.

The initializer of a variable is replaced by one that reads the file; running the program's
initializer, or a variable's own, then sets the stored value.

Read next: reader.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from flowgraph.errors import did_you_mean
from flowgraph.graph.apply import call
from flowgraph.graph.default import GraphKeys, get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.ops.host import py_func
from flowgraph.ops.shared_variables import _variables
from flowgraph.ops.variables import Variable
from flowgraph.saving.reader import NewCheckpointReader, load_checkpoint
from flowgraph.saving.saver import check_fit


@export("train.init_from_checkpoint")
def init_from_checkpoint(ckpt_dir_or_file: str, assignment_map: Mapping[str, Any]) -> None:
    """Let variables begin with values of a checkpoint, once they are initialised.

    Args:
        ckpt_dir_or_file: the path, or a directory whose newest checkpoint is meant.
        assignment_map: names there -> what they are here:
            ``{"weights": variable}``, or the name of a variable made by tf.get_variable;
            ``{"scope/": "other/"}`` for all variables of a scope (``"/"``: all there are).

    Raises:
        ValueError: a name means nothing here or there.
        NotFoundError, InvalidArgumentError: variables do not fit what is stored (all are listed).
    """
    reader = load_checkpoint(ckpt_dir_or_file)
    known = _variables(get_default_graph())
    pairs: dict[str, Variable] = {}
    for there, here in assignment_map.items():
        if there.endswith("/") != (isinstance(here, str) and here.endswith("/")):
            raise ValueError(
                f"init_from_checkpoint: {there!r} and {here!r} must both be scopes, which end in "
                "'/', or both be variables"
            )
        if there.endswith("/"):
            pairs.update(_of_scope(reader, there, str(here), known))
        else:
            pairs[there] = _variable(here, known)
    check_fit(reader, str(ckpt_dir_or_file), pairs)
    for name, variable in pairs.items():
        _begin_with(variable, reader, name)


def _variable(here: Any, known: Mapping[str, Variable]) -> Variable:
    if isinstance(here, Variable):
        return here
    if isinstance(here, (list, tuple)) and len(here) == 1:
        return _variable(here[0], known)
    if not isinstance(here, str) or here not in known:
        raise ValueError(
            f"init_from_checkpoint: there is no variable {here!r} made with get_variable"
            f"{did_you_mean(str(here), known)}"
        )
    return known[here]


def _of_scope(
    reader: NewCheckpointReader, there: str, here: str, known: Mapping[str, Variable]
) -> dict[str, Variable]:
    """The variables below the scope ``here``, by their names below ``there``."""
    lead, own = ("" if there == "/" else there), ("" if here == "/" else here)
    found = {lead + name[len(own) :]: v for name, v in known.items() if name.startswith(own)}
    if not found:
        raise ValueError(f"init_from_checkpoint: there are no variables in the scope {here!r}")
    stored = reader.get_variable_to_shape_map()
    missing = [name for name in found if name not in stored]
    if missing:
        raise ValueError(
            f"init_from_checkpoint: not in the checkpoint: {', '.join(map(repr, missing))}"
        )
    return found


def _begin_with(variable: Variable, reader: NewCheckpointReader, name: str) -> None:
    dtype = variable.dtype.base_dtype
    read = partial(_read, reader, name, dtype.np)
    with variable.graph.as_default(), name_scope("init_from_checkpoint"):
        value = py_func(read, [], dtype, stateful=True, name="checkpoint_initializer")
        value.set_shape(reader.get_variable_to_shape_map()[name])
        variable._initializer = call.Assign(variable._variable, value, name="Assign").op
    variable._initial_value = value


def _read(reader: NewCheckpointReader, name: str, dtype: Any) -> Any:
    return np.asarray(reader.get_tensor(name), dtype)


@export("train.warm_start")
def warm_start(
    ckpt_to_initialize_from: str,
    vars_to_warm_start: Any = ".*",
    var_name_to_vocab_info: Any = None,
    var_name_to_prev_var_name: Mapping[str, str] | None = None,
) -> None:
    """Let variables begin with the values of a checkpoint.

    Args:
        ckpt_to_initialize_from: its path, or a directory whose newest one is meant.
        vars_to_warm_start: a regular expression that names of trained variables match, a list of
            such (for names of all variables), or a list of variables; None for none.
        var_name_to_vocab_info: not supported.
        var_name_to_prev_var_name: variables' names -> what they are called there, where it differs.

    Raises:
        NotImplementedError: ``var_name_to_vocab_info`` is given.
        NotFoundError, InvalidArgumentError: variables do not fit what is stored (all are listed).
    """
    if var_name_to_vocab_info:
        raise NotImplementedError("warm_start: vocabularies are not supported")
    other = dict(var_name_to_prev_var_name or {})
    reader = load_checkpoint(ckpt_to_initialize_from)
    pairs = {other.get(v.op.name, v.op.name): v for v in _wanted(vars_to_warm_start)}
    check_fit(reader, str(ckpt_to_initialize_from), pairs)
    for name, variable in pairs.items():
        _begin_with(variable, reader, name)


def _wanted(given: Any) -> list[Variable]:
    graph = get_default_graph()
    if given is None:
        return []
    if isinstance(given, str):
        return graph.get_collection(GraphKeys.TRAINABLE_VARIABLES, given)
    found: list[Variable] = []
    items: Iterable[Any] = given
    for item in items:
        if isinstance(item, str):
            everything = graph.get_collection(GraphKeys.GLOBAL_VARIABLES)
            found += [v for v in everything if re.match(item, v.op.name)]
        else:
            found.append(item)
    return list(dict.fromkeys(found))
