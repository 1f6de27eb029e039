"""Cross-validate and search with jobs inside jobs; test_scale_out.py runs it with a time limit.

Prints JSON: the scores by number of jobs, and for each process the most torch threads at work.
"""

import json
import os
import sys
import threading
from pathlib import Path

import joblib
import torch
from shared import quick, table
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback

from sklearn_pyraug import MLP
from sklearn_pyraug.pipeline import make_pipeline


class Census(Callback):
    """Writes a file that names the process and its torch threads."""

    def __init__(self, folder):
        self.folder = folder

    def on_batch_begin(self, net, **kwargs):
        """Count the threads of this step."""
        Path(self.folder, f"{os.getpid()}-{torch.get_num_threads()}").touch()


def make_model(folder, n_jobs, **parameters):
    """Return a pipeline whose augmenter has several groups of classes and counts its threads."""
    folder.mkdir()
    augmenter = quick(
        decoder="direct",
        batch_size=10,
        callbacks=[Census(str(folder))],
        n_jobs=n_jobs,
        **parameters,
    )
    return make_pipeline(augmenter, LogisticRegression())


def threads_in(folder):
    """Return the most torch threads of each process."""
    most = {}
    for file in folder.iterdir():
        process, n = map(int, file.name.split("-"))
        most[process] = max(most.get(process, 0), n)
    return most


def main(folder, backend):
    """Score with one job and with two, at both levels."""
    # Classes of several lengths make several groups.
    X, y = table((60, 30, 12))
    grid = {"rhvaeaugmenter__augmentation_factor": [1.5, 3.0]}
    result = {}
    for n_jobs in (1, 2):
        narrow, wide = (Path(folder, f"{kind}-{n_jobs}") for kind in ("narrow", "wide"))
        with joblib.parallel_config(backend):
            model = make_model(narrow, n_jobs)
            scores = cross_val_score(model, X, y, cv=2, n_jobs=n_jobs)
            search = GridSearchCV(model, grid, cv=2, n_jobs=n_jobs).fit(X, y)
            # Wide enough for torch to use several threads, if it may.
            model = make_model(wide, n_jobs, encoder=MLP((900, 900)), max_epochs=1)
            cross_val_score(model, X, y, cv=2, n_jobs=n_jobs)
        result[n_jobs] = {
            "scores": [*scores, *search.cv_results_["mean_test_score"]],
            "narrow": threads_in(narrow),
            "wide": threads_in(wide),
            "here": os.getpid(),
            "afterwards": torch.get_num_threads(),
        }
    print(json.dumps(result))
    # A thread of joblib's pool that still frees tensors when Python exits would abort the process.
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(10)


if __name__ == "__main__":
    main(*sys.argv[1:])
