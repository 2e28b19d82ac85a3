"""Tables of comma-separated values: CsvDataset, make_csv_dataset."""

from __future__ import annotations

import csv
import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from flowgraph.data.background import AUTOTUNE
from flowgraph.data.dataset import Dataset
from flowgraph.data.file_datasets import TextLineDataset
from flowgraph.data.node import Element, Env, Node, Shared
from flowgraph.data.sources import Matching
from flowgraph.data.structure import Leaf, component
from flowgraph.dtypes import DType, float32, float64, int32, int64, string
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.csv_records import decode_csv
from flowgraph.platform.file_io import file_errors


class Records(Node):
    """Lines joined where quotes show that a record goes on in the next line."""

    def __init__(self, source: Node) -> None:
        self.inputs, self.structure = (source,), Leaf(string, ())

    def iterate(self, env: Env) -> Iterator[Element]:
        """The records."""
        lines = self.inputs[0].iterate(env)
        for (line,) in lines:
            text = line[()]
            while text.count(b'"') % 2:
                following = next(lines, None)
                if following is None:
                    break
                text += b"\n" + following[0][()]
            record = np.empty((), object)
            record[()] = text
            yield (record,)


def _records(filename: Any, compression: Any, header: bool, quoted: bool) -> Dataset:
    lines: Dataset = TextLineDataset(filename, compression)
    records = Dataset(Records(lines._node)) if quoted else lines
    return records.skip(1) if header else records


def _default(value: Any) -> Any:
    """A default of decode_csv: a dtype says that there must be a value."""
    if isinstance(value, DType):
        return np.empty(0, value.np)
    return value if isinstance(value, (Tensor, list, np.ndarray)) else [value]


@export("data.experimental.CsvDataset", "contrib.data.CsvDataset")
class CsvDataset(Dataset):
    """The rows of CSV files, as tuples of columns.

    Args:
        filenames: a string, a vector of strings, or a Dataset of them.
        record_defaults: for each column its dtype (there must be a value), or what an empty field
            means.
        compression_type: '' (none), 'GZIP' or 'ZLIB'.
        buffer_size: accepted.
        header: True leaves out the first line of each file.
        field_delim: between fields.
        use_quote_delim: whether quotes protect delimiters and line ends.
        na_value: text that means an empty field.
        select_cols: which columns, by number; all by default.
    """

    def __init__(
        self, filenames: Any, record_defaults: Sequence[Any], compression_type: Any = None,
        buffer_size: Any = None, header: bool = False, field_delim: str = ",",
        use_quote_delim: bool = True, na_value: str = "", select_cols: Any = None,
    ) -> None:  # fmt: skip
        defaults = [_default(value) for value in record_defaults]
        names = filenames
        if not isinstance(names, Dataset):
            names = Dataset.from_tensor_slices(
                [filenames] if isinstance(filenames, (str, bytes)) else filenames
            )
        lines = names.flat_map(
            lambda name: _records(name, compression_type, header, use_quote_delim)
        )

        def columns(line: Tensor) -> tuple[Tensor, ...]:
            return tuple(
                decode_csv(
                    line, defaults, field_delim, use_quote_delim, None, na_value, select_cols
                )
            )

        super().__init__(lines.map(columns)._node)


_KINDS = (int32, int64, float32, float64)


def _fits(text: str, dtype: DType) -> bool:
    try:
        if dtype.is_integer:
            return bool(np.iinfo(dtype.np).min <= int(text) <= np.iinfo(dtype.np).max)
        value = float(text)
    except ValueError:
        return False
    return dtype is float64 or bool(abs(value) <= np.finfo(np.float32).max or np.isinf(value))


def _inferred(rows: list[list[str]], column: int, na_value: str) -> Any:
    """What an empty field means in a column whose values are known: 0 or '' of the right dtype."""
    texts = [row[column] for row in rows if row[column] not in ("", na_value)]
    for dtype in _KINDS:
        if all(_fits(text, dtype) for text in texts):
            return np.zeros(1, dtype.np)
    return [""]


@export("data.experimental.make_csv_dataset", "contrib.data.make_csv_dataset")
def make_csv_dataset(
    file_pattern: Any,
    batch_size: int,
    column_names: Sequence[str] | None = None,
    column_defaults: Sequence[Any] | None = None,
    label_name: str | None = None,
    select_columns: Sequence[Any] | None = None,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    header: bool = True,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: int | None = None,
    prefetch_buffer_size: Any = AUTOTUNE,
    num_parallel_reads: int = 1,
    sloppy: bool = False,
    num_rows_for_inference: int | None = 100,
    compression_type: Any = None,
) -> Dataset:
    """Batches of the rows of CSV files: dicts from column name to vector.

    Args:
        file_pattern: a path or pattern, or a list of them; the files must exist already.
        batch_size: rows of a batch.
        column_names: of all columns; the first line of the first file by default.
        column_defaults: for each selected column its dtype or what an empty field means; found out
            from the first rows by default (int32, int64, float32, float64 or string).
        label_name: of the column that is taken out: elements are then (dict, label).
        select_columns: names or numbers of the columns wanted; all by default.
        field_delim: between fields.
        use_quote_delim: whether quotes protect delimiters and line ends.
        na_value: text that means an empty field.
        header: whether each file begins with a line of names.
        num_epochs: how often the rows come; None: without end.
        shuffle: whether the rows are shuffled.
        shuffle_buffer_size, shuffle_seed: as of ``Dataset.shuffle``.
        prefetch_buffer_size: batches prepared in the background.
        num_parallel_reads, sloppy: accepted; rows come in the order of the files.
        num_rows_for_inference: how many rows say what the columns are; None: all.
        compression_type: '' (none), 'GZIP' or 'ZLIB'; needs column_names and column_defaults.

    Raises:
        ValueError: no file; names that do not fit.
    """
    env = Env({}, Shared({}))
    patterns = Matching(component(file_pattern, string))
    files = [bytes(name[()]).decode() for (name,) in patterns.iterate(env)]
    if compression_type and (column_names is None or column_defaults is None):
        raise ValueError("make_csv_dataset: compressed files need column_names and column_defaults")
    known = column_names is not None and column_defaults is not None
    rows = [] if known else _first_rows(
        files[0], field_delim, use_quote_delim, num_rows_for_inference
    )  # fmt: skip
    names = list(rows[0] if column_names is None else column_names)
    if len(set(names)) != len(names):
        raise ValueError("Cannot have duplicate column names.")
    chosen = _chosen(names, select_columns)
    if column_defaults is None:
        body = rows[1:] if header else rows
        defaults = [_inferred(body, column, na_value) for column in chosen]
    else:
        defaults = list(column_defaults)
        if len(defaults) == len(names) != len(chosen):
            defaults = [defaults[column] for column in chosen]
    keys = [names[column] for column in chosen]
    if label_name is not None and label_name not in keys:
        raise ValueError("`label_name` provided must be one of the columns.")

    table: Dataset = CsvDataset(
        files, defaults, compression_type, None, header, field_delim, use_quote_delim, na_value,
        chosen,
    )  # fmt: skip
    if shuffle:
        table = table.shuffle(shuffle_buffer_size, shuffle_seed)
    table = table.repeat(num_epochs).batch(batch_size, num_epochs is None)

    def named(*columns: Tensor) -> Any:
        found = OrderedDict(zip(keys, columns, strict=True))
        if label_name is None:
            return found
        label = found.pop(label_name)
        return found, convert_to_tensor(label)

    return table.map(named).prefetch(prefetch_buffer_size)


def _first_rows(path: str, delimiter: str, quoted: bool, limit: int | None) -> list[list[str]]:
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    with file_errors(path), open(path, newline="", encoding="utf-8") as file:
        reader = csv.reader(file, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
        return list(itertools.islice(reader, None if limit is None else limit + 1))


def _chosen(names: list[str], select: Sequence[Any] | None) -> list[int]:
    """Numbers of the selected columns, rising."""
    if select is None:
        return list(range(len(names)))
    found = []
    for item in select:
        if isinstance(item, str):
            if item not in names:
                raise ValueError(f"select_columns: there is no column {item!r} among {names}")
            item = names.index(item)
        if not 0 <= item < len(names):
            raise ValueError(f"select_columns: there is no column {item}: there are {len(names)}")
        found.append(int(item))
    return sorted(found)
