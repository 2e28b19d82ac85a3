"""The tables of tf.lookup.

    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [0, 1]), -1)
    numbers = table.lookup(tf.constant(["b", "z"]))     [1, -1], after tf.tables_initializer()

Read next: table_ops.py, initializers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flowgraph.dtypes import DType, as_dtype, int64, string
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, add_to_collection, get_default_graph, name_scope
from flowgraph.graph.export import export, export_value
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.casts import cast
from flowgraph.ops.strings_hashing import string_to_hash_bucket_fast, string_to_hash_bucket_strong
from flowgraph.ops.strings_numbers import as_string
from flowgraph.tables.initializers import TableInitializerBase
from flowgraph.tensor_shape import TensorShape


class LookupInterface:
    """The base of tables: a handle, dtypes, ``lookup`` and ``size``.

    Args:
        key_dtype: dtype of the keys.
        value_dtype: dtype of the values.
    """

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype, self._value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)
        self._handle: Any = None
        self._name = ""

    @property
    def key_dtype(self) -> DType:
        """Dtype of the keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        """Dtype of the values."""
        return self._value_dtype

    @property
    def name(self) -> str:
        """Name of the table."""
        return self._name

    @property
    def resource_handle(self) -> Any:
        """The tensor that operations on the table take."""
        return self._handle

    table_ref = resource_handle

    def size(self, name: str | None = None) -> Tensor:
        """How many entries there are, an int64 scalar.

        Args:
            name: of the operation.
        """
        with name_scope(name, f"{self._name}_Size"):
            return call.LookupTableSizeV2(self._handle)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of keys.

        Args:
            keys: tensor or SparseTensor.
            name: of the operation.
        """
        raise NotImplementedError

    def __getitem__(self, keys: Any) -> Any:
        return self.lookup(keys)

    def _looked_up(self, keys: Any, default: Tensor, scope: str) -> Any:
        """Values of keys, dense or sparse, in the current scope."""
        values = keys.values if isinstance(keys, SparseTensor) else keys
        if not isinstance(values, Tensor):
            values = convert_to_tensor(values, self._key_dtype, name="keys")
        if values.dtype.base_dtype is not self._key_dtype:
            raise TypeError(
                f"Signature mismatch. Keys must be dtype {self._key_dtype!r}, got "
                f"{values.dtype!r}."
            )
        found = call.LookupTableFindV2(self._handle, values, default)
        if isinstance(keys, SparseTensor):
            return SparseTensor(keys.indices, found, keys.dense_shape)
        return found


@export("lookup.StaticHashTable", "contrib.lookup.HashTable")
class StaticHashTable(LookupInterface):
    """A table that is filled once, by ``tf.tables_initializer()``.

    Args:
        initializer: a KeyValueTensorInitializer or TextFileInitializer.
        default_value: the value of keys that are not there.
        name: of the operation, ``hash_table`` by default.
        shared_name: tables of one name are one.

    >>> fill = tf.lookup.KeyValueTensorInitializer(["a", "b"], [10, 20])
    >>> table = tf.lookup.StaticHashTable(fill, -1)
    >>> values = table.lookup(tf.constant(["b", "z"]))
    >>> with tf.Session() as sess:
    ...     sess.run(tf.tables_initializer())
    ...     print(sess.run(values))
    [20 -1]
    """

    def __init__(
        self,
        initializer: TableInitializerBase,
        default_value: Any,
        shared_name: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(initializer.key_dtype, initializer.value_dtype)
        graph = get_default_graph()
        with graph._outside_of_contexts(), name_scope(None, name or "hash_table") as scope:
            self._handle = apply_op(
                "HashTableV2", key_dtype=self._key_dtype, value_dtype=self._value_dtype,
                shared_name=shared_name or "", name=scope,
            )  # fmt: skip
            self._name = self._handle.op.name.rpartition("/")[2]
        with graph._outside_of_contexts():
            self._default = convert_to_tensor(default_value, self._value_dtype)
            self._initializer = initializer.initialize(self)
        add_to_collection(GraphKeys.TABLE_INITIALIZERS, self._initializer)

    @property
    def initializer(self) -> Operation:
        """The operation that fills the table."""
        return self._initializer

    init = initializer

    @property
    def default_value(self) -> Tensor:
        """The value of keys that are not there."""
        return self._default

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of keys; the default value where there is none.

        Args:
            keys: tensor or SparseTensor.
            name: of the operation.

        Raises:
            TypeError: keys are of another dtype.
        """
        with name_scope(name, f"{self._name}_Lookup") as scope:
            return self._looked_up(keys, self._default, scope or "")

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys and their values.

        Args:
            name: of the operation.
        """
        with name_scope(name, f"{self._name}_Export"):
            found = call.LookupTableExportV2(
                self._handle, Tkeys=self._key_dtype, Tvalues=self._value_dtype
            )
            return found[0], found[1]


class HasherSpec(NamedTuple):
    """How texts that are not in a vocabulary are hashed: a name and a key."""

    hasher: str
    key: Any


#: FarmHash, without a key.
FastHashSpec = HasherSpec("fasthash", None)
export_value(FastHashSpec, "contrib.lookup.FastHashSpec")
export_value(HasherSpec, "contrib.lookup.HasherSpec")


@export("contrib.lookup.StrongHashSpec")
class StrongHashSpec(HasherSpec):
    """SipHash under a key.

    Args:
        key: two integers.

    Raises:
        ValueError: it is something else.
    """

    __slots__ = ()

    def __new__(cls, key: Sequence[int]) -> StrongHashSpec:
        """Check the key, and make the record."""
        if len(key) != 2:
            raise ValueError(f"key must have size 2, got {len(key)}.")
        if not all(isinstance(part, int) for part in key):
            raise TypeError(f"Invalid key {key}. Must be unsigned integer values.")
        return super().__new__(cls, "stronghash", key)


class _WithBuckets(LookupInterface):
    """Numbers of a table's keys; behind them a few buckets for all other keys, by a hash."""

    def __init__(
        self,
        table: StaticHashTable | None,
        buckets: int,
        hasher: HasherSpec,
        key_dtype: DType,
    ) -> None:
        super().__init__(key_dtype, int64)
        self._table, self._buckets, self._hasher = table, buckets, hasher
        if table is not None:
            self._handle, self._name = table.resource_handle, table.name

    @property
    def initializer(self) -> Any:
        """The operation that fills the table."""
        return call.NoOp() if self._table is None else self._table.initializer

    init = initializer

    def size(self, name: str | None = None) -> Tensor:
        """How many numbers there are, buckets included.

        Args:
            name: of the operation.
        """
        with name_scope(name):
            own = 0 if self._table is None else self._table.size()
            return own + convert_to_tensor(self._buckets, int64)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The numbers of keys.

        Args:
            keys: tensor or SparseTensor.
            name: of the operation.

        Raises:
            TypeError: keys are of another dtype.
        """
        with name_scope(name, f"{self._name or 'string_to_index'}_Lookup"):
            values = keys.values if isinstance(keys, SparseTensor) else keys
            if not isinstance(values, Tensor):
                values = convert_to_tensor(values, self._key_dtype, name="keys")
            if values.dtype.base_dtype is not self._key_dtype:
                raise TypeError(
                    f"Signature mismatch. Keys must be dtype {self._key_dtype!r}, got "
                    f"{values.dtype!r}."
                )
            found = self._numbers(values)
            if isinstance(keys, SparseTensor):
                return SparseTensor(keys.indices, found, keys.dense_shape)
            return found

    def _numbers(self, values: Tensor) -> Tensor:
        if self._table is None:
            return self._hashed(values)
        own = values
        if own.dtype.base_dtype is not self._table.key_dtype:
            own = cast(own, self._table.key_dtype)
        known = self._table.lookup(own)
        if not self._buckets:
            return known
        others = self._hashed(values) + self._table.size()
        return call.SelectV2(call.NotEqual(known, self._table.default_value), known, others)

    def _hashed(self, values: Tensor) -> Tensor:
        words = values if values.dtype.base_dtype is string else as_string(values)
        if self._hasher.hasher == "fasthash":
            return string_to_hash_bucket_fast(words, self._buckets, name="hash_bucket")
        return string_to_hash_bucket_strong(
            words, self._buckets, self._hasher.key, name="hash_bucket"
        )


@export("lookup.StaticVocabularyTable")
class StaticVocabularyTable(_WithBuckets):
    """Numbers of the words of a vocabulary, and of buckets for all other words.

    Args:
        initializer: fills a table from words to int64 numbers from 0 on; None: buckets alone.
        num_oov_buckets: how many buckets there are.
        lookup_key_dtype: dtype of the keys that are looked up, when it is not the table's.
        name: of the table.

    Raises:
        ValueError: ``num_oov_buckets`` is not positive.
        TypeError: a dtype does not fit.

    >>> fill = tf.lookup.KeyValueTensorInitializer(["a", "b"], [0, 1])
    >>> table = tf.lookup.StaticVocabularyTable(fill, num_oov_buckets=3)
    >>> numbers = table.lookup(tf.constant(["b", "z", "hello"]))
    >>> with tf.Session() as sess:
    ...     sess.run(tf.tables_initializer())
    ...     print(sess.run(numbers))
    [1 3 3]
    """

    def __init__(
        self,
        initializer: TableInitializerBase | None,
        num_oov_buckets: int,
        lookup_key_dtype: Any = None,
        name: str | None = None,
    ) -> None:
        if num_oov_buckets <= 0:
            raise ValueError("oov_buckets must be > 0.")
        table = None if initializer is None else StaticHashTable(initializer, -1, name=name)
        super().__init__(
            table, num_oov_buckets, FastHashSpec, _key_dtype(table, lookup_key_dtype)
        )


def _key_dtype(table: StaticHashTable | None, given: Any) -> DType:
    """The dtype of keys that are looked up.

    Raises:
        TypeError: it is neither of texts nor of integers, or does not fit the table.
    """
    own = string if table is None else table.key_dtype
    wanted = own if given is None else as_dtype(given)
    if table is not None and table.value_dtype is not int64:
        raise TypeError(f"Invalid value dtype: expected int64 but got {table.value_dtype.name}")
    for dtype in (own, wanted):
        if not (dtype.is_integer or dtype is string):
            raise TypeError(f"Invalid key_dtype, expected integer or string, got {dtype.name}.")
    if own.is_integer != wanted.is_integer:
        raise TypeError(f"Invalid key dtype: expected {own.name} but got {wanted.name}")
    return wanted


@export("contrib.lookup.IdTableWithHashBuckets")
class IdTableWithHashBuckets(_WithBuckets):
    """Numbers of a table, and of buckets for keys that are not there.

    Args:
        table: a StaticHashTable, or None: buckets alone.
        num_oov_buckets: how many buckets there are.
        hasher_spec: FastHashSpec or a StrongHashSpec.
        name: of the table.
        key_dtype: dtype of the keys that are looked up.

    Raises:
        ValueError: no table and no buckets.   TypeError: a dtype, or ``hasher_spec``, does not fit.
    """

    def __init__(
        self,
        table: StaticHashTable | None,
        num_oov_buckets: int,
        hasher_spec: HasherSpec = FastHashSpec,
        name: str | None = None,
        key_dtype: Any = None,
    ) -> None:
        if table is None and num_oov_buckets <= 0:
            raise ValueError("oov_buckets must be > 0 if no table is supplied.")
        if not isinstance(hasher_spec, HasherSpec):
            raise TypeError(f"hasher_spec must be of type HasherSpec, got {hasher_spec!r}")
        super().__init__(table, num_oov_buckets, hasher_spec, _key_dtype(table, key_dtype))
        if name:
            self._name = name


class _Mutable(LookupInterface):
    _default: Tensor

    def _scope(self, name: str | None, what: str) -> Any:
        return name_scope(name, f"{self._name}_{what}")

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of keys; the default value where there is none.

        Args:
            keys: tensor or SparseTensor.
            name: of the operation.

        Raises:
            TypeError: keys are of another dtype.
        """
        with self._scope(name, "lookup_table_find") as scope:
            return self._looked_up(keys, self._default, scope or "")

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Operation:
        """The operation that sets some entries.

        Args:
            keys: the keys.
            values: their values.
            name: of the operation.
        """
        with self._scope(name, "lookup_table_insert"):
            return call.LookupTableInsertV2(
                self._handle,
                convert_to_tensor(keys, self._key_dtype, name="keys"),
                convert_to_tensor(values, self._value_dtype, name="values"),
            )

    def remove(self, keys: Any, name: str | None = None) -> Operation:
        """The operation that removes some entries.

        Args:
            keys: the keys; those that are not there do not matter.
            name: of the operation.

        Raises:
            TypeError: keys are of another dtype.
        """
        with self._scope(name, "lookup_table_remove"):
            keys = convert_to_tensor(keys, self._key_dtype, name="keys")
            return call.LookupTableRemoveV2(self._handle, keys)

    erase = remove

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys and their values.

        Args:
            name: of the operation.
        """
        with self._scope(name, "lookup_table_export_values"):
            keys, values = call.LookupTableExportV2(
                self._handle, Tkeys=self._key_dtype, Tvalues=self._value_dtype
            )
            values.set_shape(TensorShape([None]).concatenate(self._default.get_shape()))
            return keys, values


@export("lookup.experimental.MutableHashTable", "contrib.lookup.MutableHashTable")
class MutableHashTable(_Mutable):
    """A table whose entries are set while the graph runs.

    Args:
        key_dtype: dtype of the keys.
        value_dtype: dtype of the values.
        default_value: the value of keys that are not there: a scalar.
        name: of the operation.
        checkpoint: accepted: tables are not saved.
        shared_name: tables of one name are one.

    >>> table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    >>> put, got = table.insert(["a"], [5]), table.lookup(tf.constant(["a", "b"]))
    >>> with tf.Session() as sess:
    ...     sess.run(put)
    ...     print(sess.run(got))
    [ 5 -1]
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        shared_name: str | None = None,
        name: str = "MutableHashTable",
        checkpoint: bool = True,
    ) -> None:
        super().__init__(key_dtype, value_dtype)
        with get_default_graph()._outside_of_contexts():
            self._default = convert_to_tensor(default_value, self._value_dtype)
            if self._default.get_shape().ndims != 0:
                raise ValueError(
                    "MutableHashTable: default_value must be a scalar; use a DenseHashTable for "
                    "values that are vectors"
                )
            self._handle = apply_op(
                "MutableHashTableV2", key_dtype=self._key_dtype, value_dtype=self._value_dtype,
                shared_name=shared_name or "", use_node_name_sharing=True, name=name,
            )  # fmt: skip
        self._name = self._handle.op.name.rpartition("/")[2]


@export("lookup.experimental.DenseHashTable", "contrib.lookup.MutableDenseHashTable")
class DenseHashTable(_Mutable):
    """A table whose entries are set while the graph runs; two keys cannot be used.

    Args:
        key_dtype: dtype of the keys.
        value_dtype: dtype of the values.
        default_value: the value of keys that are not there; its shape is that of all values.
        empty_key: a key that is never used.
        deleted_key: another.
        initial_num_buckets: accepted.
        name: of the operation.
        checkpoint: accepted: tables are not saved.
        shared_name: tables of one name are one.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        empty_key: Any,
        deleted_key: Any = None,
        initial_num_buckets: int | None = None,
        shared_name: str | None = None,
        name: str = "MutableDenseHashTable",
        checkpoint: bool = True,
    ) -> None:
        super().__init__(key_dtype, value_dtype)
        with get_default_graph()._outside_of_contexts():
            self._default = convert_to_tensor(default_value, self._value_dtype)
            keys = [convert_to_tensor(empty_key, self._key_dtype, name="empty_key")]
            if deleted_key is not None:
                keys.append(convert_to_tensor(deleted_key, self._key_dtype, name="deleted_key"))
            self._handle = apply_op(
                "MutableDenseHashTable" + ("" if deleted_key is None else "V2"), *keys,
                value_dtype=self._value_dtype, value_shape=self._default.dims,
                initial_num_buckets=initial_num_buckets or 131072,
                shared_name=shared_name or "", use_node_name_sharing=True, name=name,
            )  # fmt: skip
        self._name = self._handle.op.name.rpartition("/")[2]
