"""Columns of cells: the values of their texts, and the texts of new values."""

import re
from typing import NamedTuple

import numpy as np

_TRUTHS = (("True", "False"), ("TRUE", "FALSE"), ("true", "false"))
_GROUPERS = {".": ",'\u2019 \u00a0\u202f", ",": ".'\u2019 \u00a0\u202f"}
_SAMPLE = 1000
# Up to here all integers are floats, too.
EXACT = 2**53
# Most characters of an integer of 64 bits, with sign and groups.
_MOST_DIGITS = 28
# Floats are exact up to this many digits.
_MANY_DIGITS = 15


def _number_pattern(point, grouper=""):
    # Text with leading zeros is a code, and so is one like 1E10, whose exponent has no sign and
    # whose number has no point.
    whole = "(?:0|[1-9][0-9]*)"
    if grouper:
        whole = f"(?:0|[1-9][0-9]{{0,2}}(?:{re.escape(grouper)}[0-9]{{3}})*)"
        return re.compile(rf"[+-]?{whole}(?:{re.escape(point)}[0-9]*)?")
    with_point = rf"(?:{whole}{re.escape(point)}[0-9]*|{re.escape(point)}[0-9]+)"
    return re.compile(
        rf"[+-]?(?:(?:{whole}|{with_point})(?:[eE][+-][0-9]+)?|{with_point}[eE][0-9]+)"
    )


_NUMBERS = {point: _number_pattern(point) for point in ".,"}
_WITH_POINT = re.compile(r"[+-]?[0-9]*([.,])[0-9]+")
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")


class CellFormat(NamedTuple):
    """How the cells of a column are written.

    Attributes
    ----------
    kind : {"text", "truth", "number"}
    missing : str
        What stands for a missing value.
    words : tuple of (str, str)
        For True and False.
    point : str
        Before the decimals.
    grouper : str
        Between thousands.
    digits : tuple of (int, int)
        Fewest and most decimals.
    exponent : str
        Of numbers: "e" or "E" where all have one, "?" where some have, else nothing.
    plus : bool
        Whether positive numbers have a sign.
    bare : bool
        Whether a number below one has no zero before its point.
    """

    kind: str = "text"
    missing: str = ""
    words: tuple = _TRUTHS[0]
    point: str = "."
    grouper: str = ""
    digits: tuple = (0, 0)
    exponent: str = "?"
    plus: bool = False
    bare: bool = False

    def texts(self, values, rounded):
        """Return the cells of some values.

        Parameters
        ----------
        values : Series
        rounded : bool
            Whether numbers get no more decimals than those of the column have.
        """
        gaps = values.isna().to_numpy()
        return [
            self.missing if gap else self._text(value, rounded)
            for value, gap in zip(values.tolist(), gaps, strict=True)
        ]

    def _text(self, value, rounded):
        if isinstance(value, (bool, np.bool_)):
            return self.words[not value]
        if isinstance(value, (int, np.integer)) and self.digits[0] == 0:
            return self._with_signs(str(value))
        if not isinstance(value, (int, float, np.number)):
            return str(value)
        if not np.isfinite(value) or (self.exponent == "?" and not float(value).is_integer()):
            return repr(float(value)).replace(".", self.point)
        low, high = self.digits
        keywords = {"precision": high if rounded else None, "min_digits": low, "trim": "k"}
        if self.exponent in ("e", "E"):
            text = np.format_float_scientific(value, exp_digits=2, **keywords)
            return self._with_signs(text.replace(".e", "e").replace("e", self.exponent))
        return self._with_signs(np.format_float_positional(value, **keywords).rstrip("."))

    def _with_signs(self, text):
        """Return the text of a number with this column's point, groups and signs."""
        sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
        if not text.strip("0."):
            sign = ""
        elif self.plus and not sign:
            sign = "+"
        whole, point, rest = text.partition(".")
        if self.grouper:
            whole = f"{int(whole):,}".replace(",", self.grouper)
        if self.bare and point and whole == "0":
            whole = ""
        return sign + whole + (self.point if point else "") + rest


def read_column(cells, na, points, as_text):
    """Return the values of a column of cells, and their format.

    Parameters
    ----------
    cells : sequence of str
    na : set of str
        Cells that are missing, in addition to empty ones.
    points : str
        Decimal points to try, the likely one first.
    as_text : bool
        Whether numbers and truth values are text, too.

    Returns
    -------
    values : list or ndarray
        Integers, floats, booleans or texts; missing ones are NaN, or None among large integers.
    format : CellFormat
    """
    bare = {cell: cell.strip() for cell in dict.fromkeys(cells)}
    gaps = [cell for cell, text in bare.items() if not text or text in na]
    for cell in gaps:
        del bare[cell]
    format = CellFormat(missing=gaps[0] if gaps else "")
    texts = set(bare.values())
    if texts and not as_text:
        for words in _TRUTHS:
            if texts <= set(words) and not gaps:
                return np.array([bare[c] == words[0] for c in cells]), format._replace(
                    kind="truth", words=words
                )
        if numbers := _numbers(texts, points):
            by_text, format = numbers[0], numbers[1]._replace(missing=format.missing)
            by_cell = {cell: by_text[text] for cell, text in bare.items()}
            return _as_array(cells, by_cell, gaps), format
    by_cell = dict.fromkeys(gaps, np.nan)
    return [by_cell.get(cell, cell) for cell in cells], format


def likely_points(rows):
    """Return both decimal points, the one that more numbers of a file have first."""
    counts = {".": 0, ",": 0}
    for row in rows[:_SAMPLE]:
        for cell in row:
            cell = cell.strip()
            match = _WITH_POINT.fullmatch(cell)
            # 1,234 may be a thousand.
            if match and not _GROUPED.fullmatch(cell):
                counts[match[1]] += 1
    return ",." if counts[","] > counts["."] else ".,"


def _numbers(texts, points):
    """Return the number of each text and their format; None unless all are numbers."""
    point = points[0]
    if all(map(_NUMBERS[point].fullmatch, texts)):
        return _parsed(texts, point, "")
    for grouper in _GROUPERS[point]:
        pattern = _number_pattern(point, grouper)
        if any(grouper in text for text in texts) and all(map(pattern.fullmatch, texts)):
            return _parsed(texts, point, grouper)
    if len(points) > 1:
        return _numbers(texts, points[1])
    return None


def _parsed(texts, point, grouper):
    plain = {text: text.replace(grouper, "").replace(point, ".").lower() for text in texts}
    exponents = [text for text in texts if "e" in text or "E" in text]
    digits = [len(text.partition("e")[0].partition(".")[2]) for text in plain.values()]
    is_whole = not exponents and not any("." in text for text in plain.values())
    if is_whole and max(map(len, texts)) > _MOST_DIGITS:
        return None
    numbers = {text: (int if is_whole else float)(plain[text]) for text in texts}
    if is_whole and not all(-(2**63) <= n < 2**63 for n in numbers.values()):
        return None
    if not exponents:
        exponent = "" if max(digits) < _MANY_DIGITS else "?"
    elif len(exponents) == len(texts):
        exponent = "E" if "E" in exponents[0] else "e"
    else:
        exponent = "?"
    signs = [text[0] for text in texts if numbers[text] != 0]
    return numbers, CellFormat(
        "number",
        point=point,
        grouper=grouper,
        digits=(min(digits), max(digits)),
        exponent=exponent,
        plus="+" in signs and all(sign in "+-" for sign in signs),
        bare=any(text.lstrip("+-").startswith(point) for text in texts),
    )


def _as_array(cells, by_cell, gaps):
    """Return numbers as an array: of integers where all are, and as floats with gaps."""
    if not gaps:
        return np.array([by_cell[cell] for cell in cells])
    largest = max(map(abs, by_cell.values()))
    if largest <= EXACT or any(isinstance(n, float) for n in by_cell.values()):
        return np.array([by_cell.get(cell, np.nan) for cell in cells], dtype=float)
    import pandas

    return pandas.array([by_cell.get(cell) for cell in cells], dtype="Int64")
