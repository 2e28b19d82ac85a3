"""The operations of lookup tables.

    HashTableV2, MutableHashTableV2, MutableDenseHashTableV2       a handle
    InitializeTableV2, LookupTableFindV2, LookupTableInsertV2 ...  take it

A handle is a string: the name under which the session keeps the table.  Each type is there with and
without ``V2``, as graphs written by older programs have it.

Read next: host_table.py, classes.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.errors import InvalidArgumentError, NotFoundError
from flowgraph.graph.opdef import (
    HOST,
    REQUIRED,
    Attr,
    Call,
    define,
    error_sample,
    not_differentiable,
)
from flowgraph.ops.rules import i32, invalid, require_rank
from flowgraph.ops.texts import texts
from flowgraph.platform.file_io import file_errors, path_of
from flowgraph.runtime.state import current_state, find_resource
from flowgraph.shapes import Dims, ShapeError
from flowgraph.tables.host_table import HostTable

NO_GRADIENT = not_differentiable("tables hold no function that has derivatives")

#: Columns of a text file that are none: the whole line, its number.
WHOLE_LINE, LINE_NUMBER = -2, -1

_VERSIONS = ("", "V2")
_TYPE = Attr("type", REQUIRED)
_NOWHERE = texts("nowhere")


def _table(given: Any) -> HostTable:
    value = given[()]
    name = value.decode() if isinstance(value, bytes) else str(value)
    found = find_resource(name)
    if found is None:
        raise NotFoundError(None, None, f"table {name!r} does not exist in this session")
    if not isinstance(found, HostTable):
        raise invalid(f"{name!r} is not a table, but {found}")
    return found


# ----------------------------------------------------------------------------------------- handles


def _made(
    kind: str, call_: Call, value_shape: tuple[int, ...] = (), **forbidden: Any
) -> Any:
    attrs = call_.attrs
    name = attrs["shared_name"] or call_.name
    if attrs["container"]:
        name = f"{attrs['container']}/{name}"
    resources = current_state().resources
    found = resources.get(name)
    dtypes: tuple[DType, DType] = attrs["key_dtype"], attrs["value_dtype"]
    if found is None:
        found = resources[name] = HostTable(kind, name, *dtypes, value_shape)
        found.forbidden = forbidden
    elif not isinstance(found, HostTable) or found.kind != kind:
        raise invalid(f"Expected {kind}, found {found}")
    elif (found.key_dtype, found.value_dtype) != dtypes:
        raise invalid(
            f"Conflicting key/value dtypes {dtypes[0].name}->{dtypes[1].name} with {found}"
        )
    return texts(name)


def _dense(call_: Call, empty_key: Any, deleted_key: Any = None) -> Any:
    shape = call_.attrs["value_shape"] or ()
    if empty_key.shape:
        raise invalid("tables with keys that are no scalars are not supported")
    forbidden = {"empty_key": empty_key.tolist()}
    if deleted_key is not None:
        if deleted_key.tolist() == forbidden["empty_key"]:
            raise invalid("Empty and deleted keys cannot be equal")
        forbidden["deleted_key"] = deleted_key.tolist()
    return _made("MutableDenseHashTable", call_, tuple(shape), **forbidden)


_HANDLE: dict[str, Any] = {
    "key_dtype": _TYPE, "value_dtype": _TYPE, "container": "", "shared_name": "",
    "use_node_name_sharing": False,
}  # fmt: skip
_STRING_TO_INT = {"key_dtype": "string", "value_dtype": "int64"}


def _keyed(call_: Call) -> list[Dims]:
    allowed = ("string", "int32", "int64", "float32", "float64", "bool")
    for what in ("key_dtype", "value_dtype"):
        if call_.attrs[what].name not in allowed:
            raise ShapeError(f"{what} cannot be {call_.attrs[what].name}")
    return [()]


for _v in _VERSIONS:
    for _kind, _text in (
        ("HashTable", "The handle of a table that is filled once."),
        ("MutableHashTable", "The handle of a table that can change."),
    ):
        define(
            _kind + _v,
            "-> table_handle: string",
            **_HANDLE,
            infer=_keyed,
            grad=NO_GRADIENT,
            reference=lambda call_, kind=_kind: _made(kind, call_),
            samples=(),
            errors=(
                error_sample(ValueError, "key_dtype cannot be complex64", key_dtype="complex64",
                             value_dtype="int64"),
            ),
            effect=HOST,
            doc=_text,
        )  # fmt: skip

define(
    "MutableDenseHashTable",
    "empty_key: key_dtype -> table_handle: string",
    **_HANDLE,
    value_shape=Attr("shape", ()),
    initial_num_buckets=131072,
    max_load_factor=0.8,
    infer=_keyed,
    grad=NO_GRADIENT,
    reference=_dense,
    samples=(),
    errors=(
        error_sample(ValueError, "value_dtype cannot be complex64", np.int64(0),
                     value_dtype="complex64"),
    ),
    effect=HOST,
    doc="The handle of a table that can change, without one key.",
)  # fmt: skip

define(
    "MutableDenseHashTableV2",
    "empty_key: key_dtype, deleted_key: key_dtype -> table_handle: string",
    **_HANDLE,
    value_shape=Attr("shape", ()),
    initial_num_buckets=131072,
    max_load_factor=0.8,
    infer=_keyed,
    grad=NO_GRADIENT,
    reference=_dense,
    samples=(),
    errors=(
        error_sample(InvalidArgumentError, "cannot be equal", np.int64(0), np.int64(0),
                     value_dtype="int64", stage="run"),
    ),
    effect=HOST,
    doc="The handle of a table that can change, without two keys.",
)  # fmt: skip

# ------------------------------------------------------------------------------------ what they do


def _found_shape(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "table_handle")
    _, keys, default = call_.shapes
    return [None if keys is None or default is None else (*keys, *default)]


def _nothing(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "table_handle")
    return []


def _insert(clears: bool) -> Callable[..., tuple[()]]:
    def run(call_: Call, given: Any, keys: Any, values: Any) -> tuple[()]:
        _table(given).insert(keys, values, clears)
        return ()

    return run


def _fill(call_: Call, given: Any, keys: Any, values: Any) -> tuple[()]:
    table = _table(given)
    if table.kind != "HashTable":
        raise invalid(f"{table} is not initialized, but changed by insert")
    table.fill(keys, values)
    return ()


def _remove(call_: Call, given: Any, keys: Any) -> tuple[()]:
    _table(given).remove(keys)
    return ()


def _absent(*more: Any, **attrs: Any) -> Any:
    return error_sample(
        NotFoundError, "'nowhere' does not exist", _NOWHERE, *more, stage="run", **attrs
    )


_KEYS, _VALUES = texts(["a", "b"]), i32([1, 2])

for _v in _VERSIONS:
    define(
        "LookupTableFind" + _v,
        "table_handle: string, keys: Tin, default_value: Tout -> values: Tout",
        Tin=_TYPE,
        Tout=_TYPE,
        infer=_found_shape,
        grad=NO_GRADIENT,
        reference=lambda call_, given, keys, default: _table(given).find(keys, default),
        samples=(),
        errors=(_absent(_KEYS, np.int32(0)),),
        effect=HOST,
        doc="The values of keys in a table, or a default value.",
    )
    for _name, _run, _text in (
        ("LookupTableInsert", _insert(False), "Sets some entries of a table."),
        ("LookupTableImport", _insert(True), "Sets all entries of a table."),
    ):
        define(
            _name + _v,
            "table_handle: string, keys: Tin, values: Tout ->",
            Tin=_TYPE,
            Tout=_TYPE,
            infer=_nothing,
            grad=NO_GRADIENT,
            reference=_run,
            samples=(),
            errors=(_absent(_KEYS, _VALUES),),
            effect=HOST,
            doc=_text,
        )
    define(
        "InitializeTable" + _v,
        "table_handle: string, keys: Tkey, values: Tval ->",
        Tkey=_TYPE,
        Tval=_TYPE,
        infer=_nothing,
        grad=NO_GRADIENT,
        reference=_fill,
        samples=(),
        errors=(_absent(_KEYS, _VALUES),),
        effect=HOST,
        doc="Fills a table from two tensors.",
    )
    define(
        "LookupTableSize" + _v,
        "table_handle: string -> size: int64",
        infer=lambda call_: [()],
        grad=NO_GRADIENT,
        reference=lambda call_, given: np.int64(len(_table(given).entries)),
        samples=(),
        errors=(_absent(),),
        effect=HOST,
        doc="How many entries a table has.",
    )
    define(
        "LookupTableExport" + _v,
        "table_handle: string -> keys: Tkeys, values: Tvalues",
        Tkeys=_TYPE,
        Tvalues=_TYPE,
        infer=lambda call_: [(None,), None],
        grad=NO_GRADIENT,
        reference=lambda call_, given: _table(given).content(),
        samples=(),
        errors=(_absent(Tkeys="string", Tvalues="int64"),),
        effect=HOST,
        doc="All entries of a table.",
    )

define(
    "LookupTableRemoveV2",
    "table_handle: string, keys: Tin ->",
    Tin=_TYPE,
    infer=_nothing,
    grad=NO_GRADIENT,
    reference=_remove,
    samples=(),
    errors=(_absent(_KEYS),),
    effect=HOST,
    doc="Removes some entries of a table.",
)


# -------------------------------------------------------------------------------------- text files


def _column(
    lines: list[list[bytes]], whole: list[bytes], index: int, dtype: DType, offset: int, path: str
) -> np.ndarray[Any, Any]:
    """One column of a file as an array."""
    if index == LINE_NUMBER:
        if dtype.name not in ("int64", "int32"):
            raise invalid(f"line numbers are int64, not {dtype.name}")
        return np.arange(offset, offset + len(whole)).astype(dtype.np)
    if index == WHOLE_LINE:
        found = whole
    else:
        found = []
        for number, line in enumerate(lines):
            if index >= len(line):
                raise invalid(
                    f"Invalid number of columns in {path} line {number} "
                    f"({whole[number].decode('utf-8', 'replace')}) : expected at least {index + 1} "
                    f"got {len(line)}"
                )
            found.append(line[index])
    made = np.empty(len(found), dtype.np)
    if dtype.name == "string":
        made[:] = found
        return made
    try:
        made[:] = [float(t) if dtype.is_floating else int(t) for t in found]
    except (ValueError, OverflowError) as error:
        raise invalid(f"{path} has a value that is no {dtype.name}: {error}") from None
    return made


def _fill_from_file(call_: Call, given: Any, filename: Any) -> tuple[()]:
    table, attrs = _table(given), call_.attrs
    path = path_of(filename[()])
    with file_errors(path), open(path, "rb") as file:
        whole = file.read().split(b"\n")
    if whole[-1] == b"":
        whole.pop()
    whole = [line.removesuffix(b"\r") for line in whole]
    size = attrs["vocab_size"]
    if size > len(whole):
        raise invalid(f"Invalid vocab_size in {path}: expected {size} but got {len(whole)}")
    if size > 0:
        whole = whole[:size]
    delimiter = attrs["delimiter"]
    mark = delimiter if isinstance(delimiter, bytes) else delimiter.encode()
    columns = (attrs["key_index"], attrs["value_index"])
    lines = [line.split(mark) for line in whole] if max(columns) >= 0 else []
    keys, values = (
        _column(lines, whole, index, dtype, attrs["offset"], path)
        for index, dtype in zip(columns, (table.key_dtype, table.value_dtype), strict=True)
    )
    _fill(call_, given, keys, values)
    return ()


def _file_shape(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[1], 0, "filename")
    for what in ("key_index", "value_index"):
        if call_.attrs[what] < WHOLE_LINE:
            raise ShapeError(f"{what} must be -2 (the line), -1 (its number) or a column")
    return _nothing(call_)


for _v in _VERSIONS:
    define(
        "InitializeTableFromTextFile" + _v,
        "table_handle: string, filename: string ->",
        key_index=Attr("int", REQUIRED),
        value_index=Attr("int", REQUIRED),
        vocab_size=-1,
        delimiter="\t",
        offset=0,
        infer=_file_shape,
        grad=NO_GRADIENT,
        reference=_fill_from_file,
        samples=(),
        errors=(
            _absent(texts("file"), key_index=-2, value_index=-1),
            error_sample(ValueError, "must be -2", _NOWHERE, texts("file"), key_index=-3,
                         value_index=-1),
        ),
        effect=HOST,
        doc="Fills a table from the lines of a text file.",
    )  # fmt: skip
