"""The text of a csv file: its encoding, its dialect, and its records as they stand."""

import codecs
import csv
import io
import re
from itertools import islice
from typing import NamedTuple

_SEPARATORS = ",;\t|"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The first line of files that tell Excel their separator.
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_SAMPLE = 200
# Each column takes microseconds and some hundred bytes in addition to its cells.
_MAX_COLUMNS = 2**16


class Dialect(NamedTuple):
    """How a file writes cells.

    Attributes
    ----------
    sep : str
        Separator of cells.
    space : str
        What follows each separator: a space or nothing.
    newline : str
    encoding : str
    mark : bytes
        Byte order mark, or nothing.
    """

    sep: str
    space: str
    newline: str
    encoding: str
    mark: bytes

    def split(self, body):
        """Return the cells of a record as they stand, with their quotes and spaces."""
        if '"' not in body:
            return body.split(self.sep)
        sep, lead = re.escape(self.sep), " *" if self.space else ""
        return re.findall(rf'(?:^|{sep})({lead}"(?:[^"]|"")*"|[^{sep}]*)', body)

    def reader(self, lines):
        """Return a csv reader of these lines."""
        return csv.reader(lines, delimiter=self.sep, skipinitialspace=bool(self.space), strict=True)

    def quoted(self, cell, always):
        """Return a cell's text with quotes around it where it needs them."""
        lost = bool(self.space) and cell.startswith(" ")
        if always or lost or any(sign in cell for sign in (self.sep, '"', "\r", "\n")):
            return '"' + cell.replace('"', '""') + '"'
        return cell

    def join(self, cells):
        """Return a record of such cells."""
        return (self.sep + self.space).join(cells)


class CsvText(NamedTuple):
    """A csv file as it stands.

    Attributes
    ----------
    dialect : Dialect
    preamble : str
        Lines before the header.
    header : str
        Record of the names, without its line end.
    names : list of str
        Of the columns: distinct, without spaces around them, none of them empty.
    unnamed : list of int
        Columns whose name in the file is empty.
    records : list of str
        Of the rows, with their line ends.
    rows : list of list of str
        Their cells without quotes.
    has_surplus : bool
        Whether records have more cells than the header, which are empty.
    notes : list of str
        What the user should know.
    """

    dialect: Dialect
    preamble: str
    header: str
    names: list
    unnamed: list
    records: list
    rows: list
    has_surplus: bool
    notes: list


def read_text(data, *, sep=None, encoding=None):
    """Read the bytes of a csv file.

    Parameters
    ----------
    data : bytes
    sep : str or None
        None finds out which of comma, semicolon, tab and bar separates the cells.
    encoding : str or None
        None takes that of the byte order mark, else UTF-8, else Latin-1.

    Returns
    -------
    text : CsvText
    """
    text, mark, encoding, notes = _decode(data, encoding)
    if "\0" in text:
        raise ValueError(
            "it holds NUL characters, as UTF-16 without a byte order mark and binary files do; "
            "name its encoding, such as utf-16-le"
        )
    lines = list(io.StringIO(text, newline=""))
    n_before, told = _preamble(lines)
    sep = sep or told or _sniff_separator(lines[n_before:])
    n_before += _n_comments(lines[n_before:], sep)
    body = lines[n_before:]
    end = body[0][len(body[0].rstrip("\r\n")) :] if body else ""
    dialect = Dialect(sep, _space_after(sep, body), end or "\n", encoding, mark)
    parsed = _parsed(dialect, body, n_before)
    _, header, names = next(parsed, (0, "", None))
    if names is None:
        raise ValueError("it is empty")
    if len(names) > _MAX_COLUMNS:
        raise ValueError(f"it has {len(names)} columns, more than {_MAX_COLUMNS}; use .npz")
    records, rows, n_surplus, n_empty = [], [], 0, 0
    for line, record, row in parsed:
        if not any(row) or not "".join(row).strip():
            n_empty += len(row) > 1
            continue
        if len(row) > len(names) and not "".join(row[len(names) :]).strip():
            n_surplus += 1
            row = row[: len(names)]
        if len(row) != len(names):
            # R gives the column of row names no name.
            other = "" if rows else ", or the header, where row names need a name, too"
            raise ValueError(
                f"line {line} has {len(row)} cells, but the header has {len(names)}, with "
                f"{_named(sep)} between them; correct that line{other}"
            )
        records.append(record)
        rows.append(row)
    if not rows:
        raise ValueError("it has no rows below the header")
    if n_surplus:
        notes.append(
            f"{n_surplus} of {len(rows)} rows have more cells than the header; they are empty, and "
            "are dropped"
        )
    if n_empty:
        notes.append(f"{n_empty} empty rows are left out")
    return CsvText(
        dialect,
        "".join(lines[:n_before]),
        header.rstrip("\r\n"),
        _distinct_names(names, notes),
        [j for j, cell in enumerate(names) if not cell.strip()],
        records,
        rows,
        n_surplus > 0,
        notes,
    )


def _parsed(dialect, body, n_before):
    """Yield the number of the last line, the text and the cells of each record."""
    reader, start = dialect.reader(body), 0
    try:
        for row in reader:
            yield n_before + reader.line_num, "".join(body[start : reader.line_num]), row
            start = reader.line_num
    except csv.Error as error:
        # An unclosed quote is also the usual reason for a field that is too large.
        remedy = "close each quote, and double those within quoted cells"
        raise ValueError(f"line {n_before + reader.line_num}: {error}; {remedy}") from None


def _decode(data, encoding):
    """Return the text without its byte order mark, the mark, the encoding and notes."""
    mark, marked = next((pair for pair in _MARKS if data.startswith(pair[0])), (b"", None))
    choices = [marked or "utf-8"] if marked or encoding is None else []
    if encoding is not None:
        try:
            name = codecs.lookup(encoding).name
        except (LookupError, TypeError):
            raise ValueError(
                f"`encoding` is {encoding!r}, which Python does not know; give a name such as "
                "utf-8, latin-1, cp1252 or utf-16"
            ) from None
        if not (marked and name.startswith("utf")):
            # Python's encoders with these names would write a mark, which the file does not have.
            unmarked = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
            mark, choices = b"", [unmarked.get(name, name)]
    for name in choices:
        try:
            return data[len(mark) :].decode(name), mark, name, []
        except (UnicodeError, LookupError):
            if encoding is not None or marked:
                raise ValueError(f"it is no text in the encoding {name}") from None
    note = "it is not UTF-8 and was read as Latin-1; if letters look wrong, name its encoding"
    return data.decode("latin-1"), b"", "latin-1", [note]


def _preamble(lines):
    """Return how many lines stand before a table, and the separator that they name or None."""
    sep, n = None, 0
    while n < len(lines) and (not lines[n].strip() or _SEP_LINE.fullmatch(lines[n])):
        if match := _SEP_LINE.fullmatch(lines[n]):
            sep = match[1]
        n += 1
    return n, sep


def _n_comments(lines, sep):
    """Return how many lines are comments: they begin with # and have not the header's cells."""
    n = 0
    while n < len(lines) and (lines[n].startswith("#") or (n and not lines[n].strip())):
        n += 1
    # The last of them may be the header.
    plain = Dialect(sep, "", "\n", "utf-8", b"")
    n_cells = [len(plain.split(line)) for line in lines[max(n - 1, 0) : n + 1]]
    return n - (n > 0 and len(n_cells) == 2 and n_cells[0] == n_cells[1] > 1)


def _sniff_separator(lines):
    """Return the separator with which most rows have as many cells as the first."""
    lines = [line for line in lines[:_SAMPLE] if not line.startswith("#")] or lines[:_SAMPLE]

    def score(sep):
        try:
            rows = [row for row in islice(csv.reader(lines, delimiter=sep), _SAMPLE) if any(row)]
        except csv.Error:
            return False, 0, 0
        n = len(rows[0]) if rows else 0
        n_fit = sum(len(row) == n or (len(row) > n and not any(row[n:])) for row in rows)
        return n > 1, n_fit / max(len(rows), 1), n

    return max(_SEPARATORS, key=score)


def _space_after(sep, lines):
    """Return a space if one follows each separator, else nothing."""
    spaced = Dialect(sep, " ", "\n", "utf-8", b"")
    # Lines with a single quote are parts of records.
    whole = [line for line in lines[:_SAMPLE] if line.count('"') % 2 == 0]
    cells = [cell for line in whole for cell in spaced.split(line)[1:]]
    always = cells and all(cell.startswith(" ") for cell in cells)
    return " " if always and not sep.isspace() else ""


def _distinct_names(header, notes):
    """Return a name for each column, and note which names are not those of the file."""
    names, taken = [], {}
    for j, cell in enumerate(header):
        name = " ".join(cell.split()) or f"Unnamed: {j}"
        n = taken.get(name, 0)
        while n and f"{name}.{n}" in taken:
            n += 1
        taken[name] = n + 1
        if n:
            name = f"{name}.{n}"
            taken[name] = 1
            notes.append(f"a second column of the same name is called {name!r}")
        elif not cell.strip():
            notes.append(
                f"column {j + 1} has no name and is called {name!r}; name it in `keep` if it only "
                "numbers the rows"
            )
        names.append(name)
    return names


def _named(sep):
    return {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}.get(sep, repr(sep))
