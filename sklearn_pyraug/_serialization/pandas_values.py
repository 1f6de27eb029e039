"""The values of pandas that a model file may hold, as names and levels of columns.

pandas is imported only where there are such values.
"""


def describe_pandas(value):
    """Return a value of pandas as a name and arguments.

    Parameters
    ----------
    value : object

    Returns
    -------
    description : tuple of (str, list) or None
        What :func:`make_pandas` takes; the arguments are plain values, and values of pandas. None
        if the value is none that is known.
    """
    if type(value).__module__.split(".")[0] != "pandas":
        return None
    name = type(value).__name__
    if name in ("NAType", "NaTType"):
        return "Missing", [name]
    if name == "Interval":
        return name, [value.left, value.right, value.closed]
    if name == "Period":
        return name, [value.ordinal, value.freqstr]
    if name == "Timedelta":
        return name, [value.value, value.unit]
    if name != "Timestamp":
        return None
    if value.tz is not None:
        raise ValueError(
            f"A timestamp of the time zone {value.tz} is none that a model file can hold. Convert "
            "such categories to text."
        )
    return name, [value.isoformat(), value.unit]


def make_pandas(name, arguments):
    """Return the value of a description, the inverse of :func:`describe_pandas`.

    Parameters
    ----------
    name : str
    arguments : list
    """
    import pandas as pd

    if name == "Missing":
        return {"NAType": pd.NA, "NaTType": pd.NaT}[arguments[0]]
    if name == "Interval":
        return pd.Interval(*arguments)
    if name == "Period":
        return pd.Period(ordinal=arguments[0], freq=arguments[1])
    if name == "Timedelta":
        return pd.Timedelta(arguments[0], "ns").as_unit(arguments[1])
    if name == "Timestamp":
        return pd.Timestamp(arguments[0]).as_unit(arguments[1])
    raise ValueError(f"pandas has no value {name!r} that is known")
