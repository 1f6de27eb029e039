"""A fitted augmenter in a notebook: its parameters, and what it has learned."""

from html.parser import HTMLParser

import numpy as np
import pytest
import sklearn
from shared import quick, table

from sklearn_pyraug import make_pipeline
from sklearn_pyraug._augmenter import fitted_html


class Cells(HTMLParser):
    """Collect the texts of a table; asserts that tags are closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.cells, self.summary = [], [], ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] == "summary":
            self.summary += data
        else:
            self.cells.append(data)


def test_nothing_before_fit():
    assert fitted_html(quick()) == ""


def test_it_tells_classes_rows_epochs_and_device():
    X, y = table((20, 12, 8))
    augmenter = quick(device="cpu")
    augmenter.fit_resample(X, y)
    shown = Cells(fitted_html(augmenter))
    assert shown.cells[:5] == ["class", "rows", "epochs", "best epoch", "new rows"]
    rows = np.reshape(shown.cells[5:], (3, 5))
    assert rows[:, 0].tolist() == ["0", "1", "2"]
    assert rows[:, 1].tolist() == ["20", "12", "8"]
    assert rows[:, 2].tolist() == ["2", "2", "2"]
    assert rows[:, 4].tolist() == [str(n) for n in augmenter.sampling_strategy_.values()]
    assert "3 classes of 40 rows and 4 columns, decoder residual" in shown.summary
    assert shown.summary.endswith("on cpu")


def test_a_class_that_did_not_grow_is_said_not_to_be_trained():
    X, y = table((20, 12))
    augmenter = quick(decoder="direct", augmentation_factor=1.0)
    augmenter.fit_resample(X, y)
    assert "not trained" in Cells(fitted_html(augmenter)).cells


def test_labels_are_text_and_not_markup():
    X, y = table((20, 12))
    labels = np.array(["<script>alert(1)</script>", "b&b"])[y]
    html = fitted_html(quick().fit(X, labels))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "b&amp;b" in html


@pytest.mark.parametrize("display", ["diagram", "text"])
def test_a_notebook_shows_it_with_the_parameters(display):
    X, y = table()
    augmenter = quick().fit(X, y)
    with sklearn.config_context(display=display):
        bundle = augmenter._repr_mimebundle_()
        if display == "text":
            assert list(bundle) == ["text/plain"]
            return
        assert bundle["text/html"].endswith(fitted_html(augmenter))
        assert augmenter._repr_html_().endswith(fitted_html(augmenter))
        assert "max_epochs" in bundle["text/html"]
        assert bundle["text/html"].count("Fitted to 3 classes") == 1


def test_the_names_of_groups_are_not_shown():
    """They may be those of patients: scikit-learn lists every fitted attribute."""
    X, y = table()
    augmenter = quick()
    augmenter.fit_resample(X, y, groups=np.array(["Quillfeather", "Ursula"])[np.arange(len(y)) % 2])
    assert len(augmenter.groups_)
    for shown in (augmenter, make_pipeline(augmenter)):
        html = shown._repr_html_()
        assert "Quillfeather" not in html
        assert "Ursula" not in html
