"""Csv files: the text of their rows, and how each column is written."""

import gzip
import io
from collections import Counter, defaultdict, deque

import numpy as np

from ._cells import CellFormat, likely_points, read_column
from ._csv_text import read_text

# Tables of text shrink to about a tenth. More bytes than this, at a higher ratio, are a bomb.
_BOMB_BYTES, _BOMB_RATIO = 2**21, 100
_CHUNK = 2**20


class CsvFile:
    """A csv file, which can write its rows again as they stand.

    Parameters
    ----------
    data : bytes
    sep, decimal, encoding : str or None
        None finds them out.
    na : sequence of str
        Cells that mean missing values, in addition to empty ones.
    keep : sequence of str
        Columns that are no part of `frame`, and that `render` copies to the rows of the file.
    as_text : sequence of str
        Columns whose numbers are text.

    Attributes
    ----------
    names : list of str
        Of all columns.
    notes : list of str
        What the user should know.
    """

    def __init__(self, data, *, sep=None, decimal=None, encoding=None, na=(), keep=(), as_text=()):
        text = read_text(data, sep=sep, encoding=encoding)
        self._points = decimal or likely_points(text.rows)
        self._missing = frozenset(word.strip() for word in na) | {""}
        self.as_text = set(as_text)
        self.names, self.notes = text.names, text.notes
        self.keep = list(keep)
        # Separators at the end of all lines make an empty column.
        self._idle = [
            self.names[j] for j in text.unnamed if not any(row[j].strip() for row in text.rows)
        ]
        # The texts of single cells take much memory, so they are read again when they are written.
        self._text, self._rows = text._replace(rows=None), text.rows

    def frame(self, everything=False):
        """Return the values as a DataFrame of shape (n_samples, n_columns)."""
        import pandas

        columns, self._formats = {}, {}
        rows = self._read_rows() if self._rows is None else self._rows
        for name, cells in zip(self.names, zip(*rows, strict=True), strict=True):
            if name in self._idle or (name in self.keep and not everything):
                continue
            columns[name], self._formats[name] = read_column(
                cells, self._missing, self._points, name in self.as_text
            )
        self._rows = None
        return pandas.DataFrame(columns)

    def _read_rows(self):
        lines = io.StringIO("".join(self._text.records), newline="")
        return [row[: len(self.names)] for row in self._text.dialect.reader(lines)]

    def spellings(self, name):
        """Return the value of each text in a column."""
        cells = list(dict.fromkeys(row[self.names.index(name)] for row in self._read_rows()))
        values = read_column(cells, self._missing, self._points, name in self.as_text)[0]
        return dict(zip(map(str.strip, cells), np.asarray(values).tolist(), strict=True))

    def render(self, table, synthetic):
        """Return the bytes of a file of this dialect.

        Parameters
        ----------
        table : DataFrame
            Rows of the file are written as they stand there, others in the format of each column.
        synthetic : ndarray of bool of shape (n_rows,)
            True for rows that are not in the file.

        Returns
        -------
        data : bytes
        """
        text, dialect = self._text, self._text.dialect
        places = find_rows(self.frame(), table, ~synthetic, self.keep)
        there = {*table, *self.keep, *self._idle}
        written = [j for j, name in enumerate(self.names) if name in there]
        quotes, all_quoted = self._quotes(written)
        lines, ends = [None] * len(table), [dialect.newline] * len(table)
        for i in np.flatnonzero(places >= 0):
            record = text.records[places[i]]
            body = record.rstrip("\r\n")
            lines[i] = self._chosen(body, written)
            ends[i] = record[len(body) :] or dialect.newline
        for is_new in (False, True):
            where = np.flatnonzero((places < 0) & (synthetic == is_new))
            columns = []
            for j in written:
                cells = [""] * len(where)
                if self.names[j] in table:
                    values = table[self.names[j]].iloc[where]
                    cells = self._formats[self.names[j]].texts(values, rounded=is_new)
                columns.append([dialect.quoted(c, quotes[j][c in self._missing]) for c in cells])
            for i, cells in zip(where, zip(*columns, strict=True), strict=True):
                lines[i] = dialect.join(cells)
        lines.insert(0, self._chosen(text.header, written))
        ends.insert(0, dialect.newline)
        plain = CellFormat(point=self._points[0])
        for name in table.columns.difference(self.names, sort=False):
            cells = [name, *plain.texts(table[name], rounded=False)]
            cells = [dialect.quoted(cell, all_quoted) for cell in cells]
            lines = list(map(dialect.join, zip(lines, cells, strict=True)))
        body = text.preamble + "".join(map("".join, zip(lines, ends, strict=True)))
        if not text.records[-1].endswith(("\r", "\n")):
            body = body.rstrip("\r\n")
        return dialect.mark + body.encode(dialect.encoding)

    def _chosen(self, body, positions):
        """Return a record of some columns of another."""
        if len(positions) == len(self.names) and not self._text.has_surplus:
            return body
        cells = self._text.dialect.split(body)
        first, *others = [cells[j] for j in positions]
        return self._text.dialect.sep.join([first.lstrip(self._text.dialect.space), *others])

    def _quotes(self, positions):
        """Return whether cells of each column, present and missing, are quoted, and if all are."""
        quotes = {j: [False, False] for j in positions}
        records = self._text.records
        if not any('"' in record for record in records):
            return quotes, False
        cells = zip(*(self._text.dialect.split(r.rstrip("\r\n")) for r in records), strict=False)
        for j, column in enumerate(cells):
            stripped = [cell.strip() for cell in column]
            gaps = [cell.startswith('"') for cell in stripped if cell.strip('"') in self._missing]
            there = [
                cell.startswith('"') for cell in stripped if cell.strip('"') not in self._missing
            ]
            quotes[j] = [bool(there) and all(there), bool(gaps) and all(gaps)]
        return quotes, all(pair[0] or pair[1] for pair in quotes.values())


def find_rows(file, table, is_real, keep):
    """Return the position of each row of a table in a file, -1 for rows that are not in it.

    Rows are compared by the columns that both have. Of equal rows in the file, the first that is
    still free is taken. If columns are kept aside and `table` has only some of these equal rows,
    none is taken, because nothing tells which they are.

    Parameters
    ----------
    file, table : DataFrame
    is_real : ndarray of bool
        Which rows of `table` may be in the file.
    keep : list of str
        Columns of the file's that are kept aside.
    """
    import pandas

    shared = [name for name in file if name in table]
    rows, places = np.flatnonzero(is_real), np.full(len(table), -1)
    file, real = file[shared], table[shared].iloc[rows].reset_index(drop=True)
    if not shared:
        return places
    if real.equals(file):
        places[rows] = np.arange(len(file))
        return places
    free, keys = defaultdict(deque), pandas.util.hash_pandas_object(real, index=False).tolist()
    for place, key in enumerate(pandas.util.hash_pandas_object(file, index=False)):
        free[key].append(place)
    if keep:
        n_there = Counter(keys)
        free = {key: places for key, places in free.items() if n_there[key] >= len(places)}
    for i, key in zip(rows, keys, strict=True):
        if free.get(key):
            places[i] = free[key].popleft()
    return places


def unpacked(data):
    """Return what a gzip file holds, or raise ValueError."""
    parts, n_bytes = [], 0
    with gzip.open(io.BytesIO(data)) as stream:
        while part := stream.read(_CHUNK):
            parts.append(part)
            n_bytes += len(part)
            if n_bytes > max(_BOMB_BYTES, _BOMB_RATIO * len(data)):
                raise ValueError(
                    f"it unpacks to more than {_BOMB_RATIO} times its size, as a bomb does; unpack "
                    "it yourself if you trust it"
                )
    return b"".join(parts)


def packed(data):
    """Return bytes as a gzip file, which names no time: the same bytes give the same file."""
    return gzip.compress(data, mtime=0)
