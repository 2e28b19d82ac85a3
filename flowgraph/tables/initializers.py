"""What fills a table: two tensors, or the lines of a text file.

Read next: classes.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.dtypes import DType, as_dtype, int64, string
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, add_to_collection, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.ops.variables import Variable
from flowgraph.platform.file_io import path_of
from flowgraph.tables.table_ops import LINE_NUMBER as _LINE_NUMBER
from flowgraph.tables.table_ops import WHOLE_LINE as _WHOLE_LINE


@export("lookup.TextFileIndex", "contrib.lookup.TextFileIndex")
class TextFileIndex:
    """Columns of a text file that are none: ``WHOLE_LINE`` and ``LINE_NUMBER``."""

    WHOLE_LINE = _WHOLE_LINE
    LINE_NUMBER = _LINE_NUMBER


class TableInitializerBase:
    """The base of what fills a table.

    Args:
        key_dtype: dtype of the keys.
        value_dtype: dtype of the values.
    """

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype, self._value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)

    @property
    def key_dtype(self) -> DType:
        """Dtype of the keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        """Dtype of the values."""
        return self._value_dtype

    def initialize(self, table: Any) -> Operation:
        """The operation that fills ``table``.

        Args:
            table: a StaticHashTable.
        """
        raise NotImplementedError

    def _check(self, table: Any) -> None:
        if (table.key_dtype, table.value_dtype) != (self.key_dtype, self.value_dtype):
            raise TypeError(
                f"Invalid dtypes of the initializer: expected {table.key_dtype.name} -> "
                f"{table.value_dtype.name}, got {self.key_dtype.name} -> {self.value_dtype.name}"
            )


@export("lookup.KeyValueTensorInitializer", "contrib.lookup.KeyValueTensorInitializer")
class KeyValueTensorInitializer(TableInitializerBase):
    """Fills a table from two tensors.

    Args:
        keys: the keys, a vector.
        values: their values.
        key_dtype: dtype of the keys; that of ``keys`` by default.
        value_dtype: dtype of the values; that of ``values`` by default.
        name: of the operation's scope, ``key_value_init`` by default.
    """

    def __init__(
        self,
        keys: Any,
        values: Any,
        key_dtype: Any = None,
        value_dtype: Any = None,
        name: str | None = None,
    ) -> None:
        if isinstance(values, Variable):
            values = values.value()
        with name_scope(name, "key_value_init") as scope:
            self._keys = convert_to_tensor(keys, key_dtype, name="keys")
            if value_dtype is None and not isinstance(values, Tensor):
                value_dtype = int64 if self._is_of_integers(values) else None
            self._values = convert_to_tensor(values, value_dtype, name="values")
        self._scope = scope
        super().__init__(self._keys.dtype.base_dtype, self._values.dtype.base_dtype)

    @staticmethod
    def _is_of_integers(values: Any) -> bool:
        return isinstance(values, (list, tuple)) and all(type(value) is int for value in values)

    def initialize(self, table: Any) -> Operation:
        """The operation that fills ``table``.

        Args:
            table: a StaticHashTable.

        Raises:
            TypeError: the table is of other dtypes.
        """
        self._check(table)
        with name_scope(self._scope or "table_init"):
            return call.LookupTableImportV2(table.resource_handle, self._keys, self._values)


@export("lookup.TextFileInitializer", "contrib.lookup.TextFileInitializer")
class TextFileInitializer(TableInitializerBase):
    """Fills a table from a text file: one entry a line.

    Args:
        filename: path of the file; it goes with an exported model.
        key_dtype: dtype of the keys.
        key_index: column of the keys, or a TextFileIndex.
        value_dtype: dtype of the values.
        value_index: column of the values, or a TextFileIndex.
        vocab_size: how many lines to take; all by default.
        delimiter: what stands between columns.
        name: of the operation's scope.
        value_index_offset: number of the first line.

    Raises:
        ValueError: dtypes do not fit the columns; ``vocab_size`` is not positive.
    """

    def __init__(
        self,
        filename: Any,
        key_dtype: Any,
        key_index: int,
        value_dtype: Any,
        value_index: int,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = None,
        value_index_offset: int = 0,
    ) -> None:
        super().__init__(key_dtype, value_dtype)
        if not isinstance(filename, (Tensor, Variable)) and not filename:
            raise ValueError("Filename required for TextFileInitializer.")
        for what, index, dtype in (("key", key_index, self.key_dtype),
                                   ("value", value_index, self.value_dtype)):  # fmt: skip
            if index < _WHOLE_LINE:
                raise ValueError(f"Invalid {what} index {index}.")
            if index == _LINE_NUMBER and dtype is not int64:
                raise ValueError(
                    f"TextFileInitializer: {what}s that are line numbers must be int64, got "
                    f"{dtype.name}"
                )
            fits = dtype is string or (what == "key" and dtype.is_integer)
            if index == _WHOLE_LINE and not fits:
                raise ValueError(
                    f"TextFileInitializer: {what}s that are whole lines must be strings, got "
                    f"{dtype.name}"
                )
        if vocab_size is not None and vocab_size <= 0:
            raise ValueError(f"Invalid vocab_size {vocab_size}.")
        self._indices, self._size, self._delimiter = (key_index, value_index), vocab_size, delimiter
        self._name, self._offset = name, value_index_offset
        if not isinstance(filename, (Tensor, Variable)):
            filename = path_of(filename)
        self._filename = filename

    def initialize(self, table: Any) -> Operation:
        """The operation that fills ``table``.

        Args:
            table: a StaticHashTable.

        Raises:
            TypeError: the table is of other dtypes.
        """
        self._check(table)
        with name_scope(self._name, "text_file_init"):
            filename = convert_to_tensor(self._filename, string, name="asset_filepath")
            add_to_collection(GraphKeys.ASSET_FILEPATHS, filename)
            return call.InitializeTableFromTextFileV2(
                table.resource_handle, filename, key_index=self._indices[0],
                value_index=self._indices[1],
                vocab_size=-1 if self._size is None else int(self._size),
                delimiter=self._delimiter, offset=self._offset,
            )  # fmt: skip


@export("contrib.lookup.TextFileIdTableInitializer")
class TextFileIdTableInitializer(TextFileInitializer):
    """Fills a table from texts to numbers of lines.

    Args:
        filename: path of the file.
        key_column_index: column of the texts, the whole line by default.
        value_column_index: column of the numbers, the line number by default.
        vocab_size, delimiter, name: as of TextFileInitializer.
        key_dtype: dtype of the keys.
    """

    def __init__(
        self,
        filename: Any,
        key_column_index: int = _WHOLE_LINE,
        value_column_index: int = _LINE_NUMBER,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = "text_file_id_table_init",
        key_dtype: Any = string,
    ) -> None:
        super().__init__(
            filename, key_dtype, key_column_index, int64, value_column_index, vocab_size,
            delimiter, name,
        )  # fmt: skip


@export("contrib.lookup.TextFileStringTableInitializer")
class TextFileStringTableInitializer(TextFileInitializer):
    """Fills a table from numbers of lines to texts.

    Args:
        filename: path of the file.
        key_column_index: column of the numbers, the line number by default.
        value_column_index: column of the texts, the whole line by default.
        vocab_size, delimiter, name: as of TextFileInitializer.
    """

    def __init__(
        self,
        filename: Any,
        key_column_index: int = _LINE_NUMBER,
        value_column_index: int = _WHOLE_LINE,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = "text_file_string_table_init",
    ) -> None:
        super().__init__(
            filename, int64, key_column_index, string, value_column_index, vocab_size, delimiter,
            name,
        )  # fmt: skip
