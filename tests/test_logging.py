"""The package's loggers: silent unless asked, and without values of the data."""

import logging

import numpy as np
from shared import quick, table


def test_training_is_told_at_the_level_info(caplog):
    X, y = table((20, 12, 8))
    with caplog.at_level(logging.INFO, logger="sklearn_pyraug"):
        quick(decoder="direct", device="cpu").fit(X, y)
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == "Training stacks of [3] generators on 40 rows of 4 codes; device cpu."
    assert told[1].startswith("Generators [0, 1, 2]: [2, 2, 2] epochs, best after [")
    assert told[-1].startswith("Trained, or found in memory, in ")


def test_a_training_that_goes_on_is_told(caplog, tmp_path):
    X, y = table()
    quick(checkpoint=tmp_path).fit(X, y)
    with caplog.at_level(logging.INFO, logger="sklearn_pyraug"):
        quick(checkpoint=tmp_path).fit(X, y)
    assert any("Going on from" in record.getMessage() for record in caplog.records)


def test_nothing_is_told_unasked(capfd):
    X, y = table()
    quick().fit_resample(X, y)
    assert capfd.readouterr() == ("", "")


def test_no_value_of_the_data_is_told(caplog):
    X, y = table()
    X[0, 0] = 31337.4242
    with caplog.at_level(logging.DEBUG, logger="sklearn_pyraug"):
        quick().fit_resample(X, np.array(["ill", "well", "n/a"])[y])
    assert caplog.records
    assert "31337" not in caplog.text
