"""Parquet and Excel files, which can write their rows again as they stand."""

import io
import zipfile

import numpy as np

from ._csv_files import find_rows

# More bytes than this, at a higher ratio to what is stored, are a bomb.
_BOMB_BYTES, _BOMB_RATIO = 2**26, 200


def _check_size(n_bytes, n_stored):
    if n_bytes > max(_BOMB_BYTES, _BOMB_RATIO * n_stored):
        raise ValueError(
            f"its {n_stored} bytes declare values of {n_bytes}, as a bomb does; give a smaller "
            "table, or one in another format"
        )


class ParquetFile:
    """A parquet file.

    Parameters
    ----------
    data : bytes
    keep : sequence of str
        Columns that are no part of `frame`, and that `render` copies to the rows of the file.
    """

    notes = ()

    def __init__(self, data, *, keep=()):
        from pyarrow import BufferReader, parquet

        file = parquet.ParquetFile(BufferReader(data))
        metadata = file.metadata
        _check_size(8 * metadata.num_rows * metadata.num_columns, len(data))
        self._table, self.keep = file.read(), list(keep)
        self.names = list(self.frame(everything=True).columns)

    def frame(self, everything=False):
        """Return the values as a DataFrame."""
        frame = self._table.to_pandas()
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
        new = table[is_new].reindex(columns=own)
        new = pyarrow.Table.from_pandas(new, schema=schema, preserve_index=False, safe=False)
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
        header = [value for value, _ in rows.pop(0)[1]]
        while header and header[-1] is None:
            header.pop()
        self.names, n = [str(name) for name in header], len(header)
        for number, cells in rows:
            if any(value is not None for value, _ in cells[n:]):
                raise ValueError(f"row {number} has more cells than the header; correct it")
        if len(set(self.names)) < n or None in header:
            raise ValueError("its columns need names that differ; correct the first row")
        self._rows, self.keep = [cells[:n] for _, cells in rows], list(keep)

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


def write_sheet(names, rows):
    """Return the bytes of an xlsx file of one sheet.

    Parameters
    ----------
    names : list of str
    rows : iterable of list of (object, str)
        Value and number format of each cell.
    """
    import openpyxl

    book = openpyxl.Workbook()
    for i, cells in enumerate([[(name, "General") for name in names], *rows], 1):
        for j, (value, number_format) in enumerate(cells, 1):
            if value is None or value != value:
                continue
            cell = book.active.cell(i, j)
            cell.value = value.item() if isinstance(value, np.generic) else value
            cell.number_format = number_format
            if isinstance(value, str):
                # A text that begins with = is no formula.
                cell.data_type = "s"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
