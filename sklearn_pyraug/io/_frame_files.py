"""Parquet and Excel files, which can write their rows again as they stand."""

import datetime
import io
import json
import re
import zipfile
from decimal import Decimal
from itertools import repeat

import numpy as np

from ._cells import EXACT
from ._csv_files import find_rows
from ._guards import BadFile

# More bytes than this, at a higher ratio to the stored ones, are a bomb.
_BOMB_BYTES, _BOMB_RATIO = 2**26, 200
# What a cell of Excel can hold.
_NUMBERS = (int, float, np.floating, Decimal)
_TIMES = (datetime.date, datetime.time, datetime.timedelta)
_MOST_CHARACTERS = 32767
# Each byte of a sheet's XML takes a microsecond, and shrinks to about a twentieth.
_BOMB_XML_BYTES, _BOMB_XML_RATIO = 2**20, 50
# Types of Arrow, perhaps with the prefix "large_", that can be read as levels.
_TEXTS = ("string", "binary")
_MANY_ROWS = 2**16
# Memory for a cell of a sheet, also if it is empty.
_CELL_BYTES = 64
# Excel's number of rows. A file may number its rows higher.
_MAX_SHEET_ROWS = 2**20
_FORMULA = re.compile(rb"<f[ />]")
# What Excel shows if a formula has no result.
_ERRORS = ("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A")


def _check_size(n_bytes, n_stored, least=_BOMB_BYTES, ratio=_BOMB_RATIO):
    if n_bytes > max(least, ratio * n_stored):
        raise ValueError(
            f"its {n_stored} bytes declare values of {n_bytes}, as a bomb does; give a smaller "
            "table, or one in another format"
        )


def _check_names(names):
    """Raise if a column has no name, or that of another."""
    seen = set()
    for j, name in enumerate(names, 1):
        if name is None or name in seen:
            what = "no name" if name is None else f"the name {name!r}, as another has"
            raise ValueError(f"column {j} has {what}; give it one of its own")
        seen.add(name)


def _read_parquet(data):
    """Return the table of a parquet file, or raise ValueError if it would take too much room."""
    import pyarrow
    from pyarrow import parquet

    def opened(**options):
        return parquet.ParquetFile(pyarrow.BufferReader(data), **options)

    file = opened()
    metadata = file.metadata
    n_bytes, largest, texts = 0, 1, {True: set(), False: set()}
    plain = {f.name for f in file.schema_arrow if str(f.type).removeprefix("large_") in _TEXTS}
    coded = {f.name for f in file.schema_arrow if pyarrow.types.is_dictionary(f.type)}
    for j in range(metadata.num_columns):
        column = metadata.schema.column(j)
        chunks = [metadata.row_group(i).column(j) for i in range(metadata.num_row_groups)]
        width = max(8, column.length or 0)
        n_bytes += sum(max(c.total_uncompressed_size, width * c.num_values) for c in chunks)
        if column.physical_type == "BYTE_ARRAY" and column.path not in coded:
            differences = any("DELTA" in encoding for c in chunks for encoding in c.encodings)
            is_plain = column.path in plain or column.max_repetition_level > 0
            texts[is_plain and not differences].add(column.path)
            largest = max(largest, *(c.total_uncompressed_size for c in chunks))
    _check_size(max(n_bytes, 8 * metadata.num_rows * metadata.num_columns), len(data))
    n_bytes = 0
    # A text that many rows share is stored once, but takes its length for each row in memory. It is
    # read as a level of a category if possible, else with so few other rows that all fit.
    n_rows = max(1, max(_BOMB_BYTES, _BOMB_RATIO * len(data)) // largest)
    for as_levels, names in texts.items():
        options = {"read_dictionary": names} if as_levels else {}
        size = {} if as_levels else {"batch_size": min(n_rows, _MANY_ROWS)}
        for batch in opened(**options).iter_batches(columns=names, **size) if names else ():
            n_bytes += sum(map(_level_bytes, batch.columns)) if as_levels else batch.nbytes
            _check_size(n_bytes, len(data))
    return file.read()


def _level_bytes(array):
    """Return the bytes that an array of levels, or of lists of some, would take as one of texts."""
    from pyarrow import compute, types

    if types.is_map(array.type):
        return _level_bytes(array.keys) + _level_bytes(array.items)
    if types.is_struct(array.type):
        return sum(map(_level_bytes, array.flatten()))
    if not types.is_dictionary(array.type):
        return _level_bytes(array.flatten())
    lengths = compute.binary_length(array.dictionary).take(array.indices)
    return compute.sum(lengths).as_py() or 0


def _has_large_integers(column):
    """Return whether a column holds integers that float64 does not hold exactly."""
    import pyarrow
    from pyarrow import compute

    if not pyarrow.types.is_integer(column.type):
        return False
    low, high = compute.min_max(column).as_py().values()
    return low is not None and max(-low, high) > EXACT


def _nullable(column):
    """Return integers, some of which are missing, as an array of pandas."""
    import pandas

    dtype = "UInt64" if str(column.type).startswith("u") else "Int64"
    return pandas.array(column.to_pylist(), dtype=dtype)


class ParquetFile:
    """A parquet file.

    Parameters
    ----------
    data : bytes
    keep : sequence of str
        Columns that are no part of `frame`, and that `render` copies to the rows of the file. An
        index of pandas' is left out unless it is named here.
    """

    def __init__(self, data, *, keep=()):
        table, self.keep, self.notes = _read_parquet(data), list(keep), []
        _check_names(table.column_names)
        # A RangeIndex has no name.
        index = (table.schema.pandas_metadata or {}).get("index_columns", [])
        index = [name for name in index if name in table.column_names]
        self._index = [name for name in index if name in self.keep]
        if left_out := [name for name in index if name not in self.keep]:
            self.notes.append(
                f"the index {', '.join(map(repr, left_out))} is left out; name it in `keep` to "
                "have it in the rows of the file"
            )
        self._table = table.drop_columns(left_out)
        self.names = list(self.frame(everything=True).columns)

    def frame(self, everything=False):
        """Return the values as a DataFrame."""
        frame = self._table.to_pandas()
        for name in map(str, self._table.column_names):
            column = self._table.column(name)
            if name in frame and frame[name].dtype.kind == "f" and _has_large_integers(column):
                # As floats, some would be others.
                frame[name] = _nullable(column)
        if self._index:
            frame = frame.reset_index(names=self._index)
        return frame if everything else frame.drop(columns=self.keep)

    def render(self, table, synthetic):
        """Return the bytes of a file with the types of this one; parameters as of a CsvFile."""
        import pyarrow
        from pyarrow import parquet

        # Imported here, because it loads scipy, which other formats do not need.
        from .._preprocessing.containers import take

        places = find_rows(self.frame(), table, ~synthetic, self.keep)
        own = [name for name in self.names if name in table or name in self.keep]
        # New rows are empty in the columns that are kept aside.
        fields = [self._table.schema.field(name).with_nullable(True) for name in own]
        schema, is_new = pyarrow.schema(fields), places < 0
        there = pyarrow.schema([field for field in fields if field.name in table])
        new = table[is_new][there.names]
        new = pyarrow.Table.from_pandas(new, schema=there, preserve_index=False, safe=False)
        for j, field in enumerate(fields):
            if field.name not in table:
                new = new.add_column(j, field, pyarrow.nulls(len(new), field.type))
        places[is_new] = len(self._table) + np.arange(is_new.sum())
        both = [self._table.select(own).cast(schema), new]
        result = take(pyarrow.concat_tables(both).unify_dictionaries(), places)
        for name in table.columns.difference(own, sort=False):
            result = result.append_column(name, pyarrow.array(table[name], from_pandas=True))
        metadata = dict(self._table.schema.metadata or {})
        if b"pandas" in metadata:
            # pandas reads types from it, but no index.
            told = json.loads(metadata[b"pandas"])
            columns = [c for c in told["columns"] if c["name"] == c["field_name"] in own]
            metadata[b"pandas"] = json.dumps(told | {"index_columns": [], "columns": columns})
        out = io.BytesIO()
        parquet.write_table(result.replace_schema_metadata(metadata), out)
        return out.getvalue()


def _read_sheet(data):
    """Return the rows of the first sheet that are not empty, and their numbers.

    Returns
    -------
    rows : list of (int, list of (object, str))
        Value and number format of each cell.
    """
    rows, n_cells = [], 0
    formulas = _sheet_rows(data, data_only=False) if _has_formulas(data) else repeat(())
    for number, (row, as_written) in enumerate(zip(_sheet_rows(data), formulas, strict=False), 1):
        n_cells += len(row)
        _check_size(_CELL_BYTES * n_cells, len(data))
        if number > _MAX_SHEET_ROWS:
            raise ValueError(f"it has rows beyond number {_MAX_SHEET_ROWS}")
        # The value of an empty text is also None.
        lacking = [c.value is None and c.data_type == "n" for c in row]
        if any(no and c.data_type == "f" for no, c in zip(lacking, as_written, strict=False)):
            raise ValueError(
                f"row {number} has a formula without its value; save it in a spreadsheet program, "
                "which computes it"
            )
        if any(cell.value not in (None, "") for cell in row):
            rows.append((number, [(cell.value, cell.number_format or "General") for cell in row]))
    return rows


def _has_formulas(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return any(_FORMULA.search(archive.read(name)) for name in archive.namelist())


def _sheet_rows(data, data_only=True):
    """Yield the cells of each row of the first sheet."""
    import openpyxl

    try:
        # Row by row, because a single cell far away would otherwise take memory for all between. As
        # values, because formulas would not be right in other rows.
        book = openpyxl.load_workbook(
            io.BytesIO(data), read_only=True, data_only=data_only, keep_links=False
        )
        # The size that the file declares may be wrong.
        book.worksheets[0].reset_dimensions()
        yield from book.worksheets[0].iter_rows()
        book.close()
    except ValueError:
        # Its message may show a cell.
        raise BadFile("is damaged") from None


class ExcelFile:
    """The first sheet of an xlsx file; parameters and methods are those of a ParquetFile."""

    notes = ()

    def __init__(self, data, *, keep=()):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
        _check_size(n_bytes, len(data), _BOMB_XML_BYTES, _BOMB_XML_RATIO)
        rows = _read_sheet(data)
        if not rows:
            raise ValueError("its first sheet is empty")
        if len(rows) == 1:
            raise ValueError("it has no rows below the header")
        header = [value for value, _ in rows.pop(0)[1]]
        while header and header[-1] is None:
            header.pop()
        names, n = [None if name is None else str(name) for name in header], len(header)
        _check_names(names)
        for number, cells in rows:
            if any(value is not None for value, _ in cells[n:]):
                raise ValueError(f"row {number} has more cells than the header; correct it")
        gap = [(None, "General")]
        self._rows = [cells[:n] + gap * (n - len(cells)) for _, cells in rows]
        self.names, self.keep = names, list(keep)
        for name, cells in zip(names, zip(*self._rows, strict=True), strict=True):
            error = next((value for value, _ in cells if value in _ERRORS), None)
            if error is not None and name not in self.keep:
                raise ValueError(
                    f"the column {name!r} holds an error of Excel, {error}; correct or empty the "
                    "cells of such errors"
                )

    def frame(self, everything=False):
        """Return the values as a DataFrame."""
        import pandas

        columns = {
            name: [np.nan if value in (None, "") else value for value, _ in cells]
            for name, cells in zip(self.names, zip(*self._rows, strict=True), strict=True)
        }
        frame = pandas.DataFrame(columns)
        return frame if everything else frame.drop(columns=self.keep)

    def render(self, table, synthetic):
        """Return the bytes of a file with one sheet; parameters as of a CsvFile."""
        places = find_rows(self.frame(), table, ~synthetic, self.keep)
        own = [name for name in self.names if name in table or name in self.keep]
        added = list(table.columns.difference(own, sort=False))
        positions = [self.names.index(name) for name in own]
        formats = [self._rows[0][j][1] for j in positions]
        rows = []
        new = table.reindex(columns=own).astype(object).to_numpy()
        more = table[added].astype(object).to_numpy()
        for i, place in enumerate(places):
            cells = list(zip(new[i], formats, strict=True))
            if place >= 0:
                cells = [self._rows[place][j] for j in positions]
            rows.append(cells + [(value, "General") for value in more[i]])
        return write_sheet([*own, *added], rows)


def _cell_of(value, name):
    """Return what to write for a value of a column, and as what, or raise."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool):
        return value, "b"
    if isinstance(value, _NUMBERS) and np.isfinite(float(value)):
        # openpyxl would write 16 digits of a number.
        return str(value).removesuffix(".0"), "n"
    if isinstance(value, _TIMES) and getattr(value, "tzinfo", None) is None:
        return value, "d"
    # As in csv files, because Excel has no such values.
    text = str(value)
    if len(text) > _MOST_CHARACTERS or ILLEGAL_CHARACTERS_RE.search(text):
        raise ValueError(
            f"the column {name!r} holds a text with control characters, or of more than "
            f"{_MOST_CHARACTERS} characters, which no cell of Excel can hold; use .csv or .parquet"
        )
    return text, "s"


def write_sheet(names, rows):
    """Return the bytes of an xlsx file of one sheet.

    Parameters
    ----------
    names : list of str
    rows : iterable of list of (object, str)
        Value and number format of each cell.
    """
    import openpyxl

    # Imported here, because it loads scipy, which other formats do not need.
    from .._preprocessing.containers import is_missing

    book = openpyxl.Workbook()
    for i, cells in enumerate([[(name, "General") for name in names], *rows], 1):
        for j, (value, number_format) in enumerate(cells, 1):
            if is_missing(value):
                continue
            cell = book.active.cell(i, j)
            cell.value, kind = _cell_of(value, names[j - 1])
            if kind in "ns":
                # A text that begins with = is not a formula.
                cell.data_type = kind
            if number_format != "General":
                # Dates have their own format.
                cell.number_format = number_format
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
