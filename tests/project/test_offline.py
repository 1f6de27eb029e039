"""Nothing is sent or downloaded: all works with connections to other machines blocked."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shared import quick, table
from sklearn.linear_model import LogisticRegression

import sklearn_pyraug
from sklearn_pyraug import AugmentedClassifier, RHVAEAugmenter, augmentation_gain
from sklearn_pyraug.io import save_table

# Loaded at the start of a Python process whose path it is on.
BLOCK = """
import socket

def refuse(*args, **kwargs):
    raise PermissionError("a connection was asked for")

for name in ("connect", "connect_ex", "sendto", "sendmsg"):
    setattr(socket.socket, name, refuse)
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
    setattr(socket, name, refuse)
"""


@pytest.fixture
def offline(monkeypatch):
    """Refuse every connection and every look-up of a name in this process."""
    asked = []

    def refuse(*args, **kwargs):
        asked.append(args)
        raise PermissionError("a connection was asked for")

    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    # A refused caller may go on silently.
    yield asked
    assert not asked


def test_the_block_blocks(offline):
    with socket.socket() as s, pytest.raises(PermissionError):
        s.connect(("127.0.0.1", 9))
    with pytest.raises(PermissionError):
        socket.getaddrinfo("localhost", 9)
    assert len(offline) == 2
    offline.clear()


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("kind", ["table", "images"])
def test_the_whole_way_of_an_augmenter(kind, tmp_path):
    X, y = table()
    if kind == "images":
        X = np.random.default_rng(0).integers(0, 256, (len(y), 6, 6)).astype(np.uint8)
    augmenter = quick(verbose=1, min_distance="auto" if kind == "table" else None)
    augmenter.fit_resample(X, y)
    augmenter.fit(X, y).save(tmp_path / "model.pyraug")
    X_new, y_new = RHVAEAugmenter.load(tmp_path / "model.pyraug").sample(3)
    assert len(X_new) == len(y_new) == 9


@pytest.mark.usefixtures("offline")
def test_a_classifier_and_its_gain():
    X, y = table()
    AugmentedClassifier(quick(), LogisticRegression()).fit(X, y).predict(X)
    gain = augmentation_gain(LogisticRegression(), X, y, augmenter=quick(), cv=2, n_repeats=1)
    assert np.isfinite(gain.gain)


@pytest.mark.slow
def test_the_command_line(tmp_path):
    X, y = table()
    save_table(tmp_path / "in.npz", X, y)
    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    roots = [tmp_path, Path(sklearn_pyraug.__file__).parents[1], os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots))}
    check = "import socket; socket.getaddrinfo('localhost', 9)"
    blocked = subprocess.run(
        [sys.executable, "-c", check], env=environment, capture_output=True, text=True, check=False
    )
    assert "a connection was asked for" in blocked.stderr
    command = [sys.executable, "-m", "sklearn_pyraug", "augment", "in.npz", "-o", "out.npz"]
    options = ["--set", "max_epochs=2", "--set", "encoder__hidden_layer_sizes=8", "--device", "cpu"]
    done = subprocess.run(
        [*command, *options],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.npz").is_file()
