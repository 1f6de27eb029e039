"""Parquet and Excel files, which can write their rows again as they stand."""

import datetime
import io
import zipfile
from decimal import Decimal

import numpy as np

from ._csv_files import find_rows

# More bytes than this, at a higher ratio to what is stored, are a bomb.
_BOMB_BYTES, _BOMB_RATIO = 2**26, 200
# What a cell of Excel can hold.
_NUMBERS = (int, float, np.floating, Decimal)
_TIMES = (datetime.date, datetime.time, datetime.timedelta)
_MOST_CHARACTERS = 32767


def _check_size(n_bytes, n_stored):
    if n_bytes > max(_BOMB_BYTES, _BOMB_RATIO * n_stored):
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
        from pyarrow import BufferReader, parquet

        file = parquet.ParquetFile(BufferReader(data))
        metadata = file.metadata
        _check_size(8 * metadata.num_rows * metadata.num_columns, len(data))
        table, self.keep, self.notes = file.read(), list(keep), []
        _check_names(table.column_names)
        # A range has no name.
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
        if self._index:
            frame = frame.reset_index(names=self._index)
        return frame if everything else frame.drop(columns=self.keep)

    def render(self, table, synthetic):
        """Return the bytes of a file with the types of this one; parameters as of a CsvFile."""
        import pyarrow
        from pyarrow import parquet

        places = find_rows(self.frame(), table, ~synthetic)
        own = [name for name in self.names if name in table or name in self.keep]
        # New rows have nothing in the columns that are kept aside.
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
        result = pyarrow.concat_tables(both).unify_dictionaries().take(places)
        for name in table.columns.difference(own, sort=False):
            result = result.append_column(name, pyarrow.array(table[name], from_pandas=True))
        # What pandas reads of it: types, but no index.
        shown = self.frame(everything=True)[own].assign(
            **{n: table[n] for n in table if n not in own}
        )
        metadata = pyarrow.Schema.from_pandas(shown, preserve_index=False).metadata
        out = io.BytesIO()
        parquet.write_table(result.replace_schema_metadata(metadata), out)
        return out.getvalue()


class ExcelFile:
    """The first sheet of an xlsx file; parameters and methods are those of a ParquetFile."""

    notes = ()

    def __init__(self, data, *, keep=()):
        import openpyxl

        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_size(sum(member.file_size for member in archive.infolist()), len(data))
        # As values: formulas would not hold in other rows.
        book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
        rows = [
            (number, [(cell.value, cell.number_format) for cell in row])
            for number, row in enumerate(book.worksheets[0].iter_rows(), 1)
            if any(cell.value not in (None, "") for cell in row)
        ]
        book.close()
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
        self._rows, self.names, self.keep = [cells[:n] for _, cells in rows], names, list(keep)

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
        places = find_rows(self.frame(), table, ~synthetic)
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
        # Of a number, openpyxl would write 16 digits.
        return str(value).removesuffix(".0"), "n"
    if isinstance(value, _TIMES) and getattr(value, "tzinfo", None) is None:
        return value, "d"
    # As in csv files: Excel has no such values.
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

    # It loads scipy, which other formats do without.
    from .._preprocessing.containers import is_missing

    book = openpyxl.Workbook()
    for i, cells in enumerate([[(name, "General") for name in names], *rows], 1):
        for j, (value, number_format) in enumerate(cells, 1):
            if is_missing(value):
                continue
            cell = book.active.cell(i, j)
            cell.value, kind = _cell_of(value, names[j - 1])
            if kind in "ns":
                # A text that begins with = is no formula.
                cell.data_type = kind
            if number_format != "General":
                # Dates have one of their own.
                cell.number_format = number_format
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
