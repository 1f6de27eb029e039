"""Cross-validate and search with jobs inside jobs; test_scale_out.py runs it with a time limit.

Prints JSON: the scores by number of jobs, and for each process the most torch threads at work.
"""

import json
import os
import sys
from pathlib import Path

import joblib
import torch
from shared import quick, table
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback

from sklearn_pyraug.pipeline import make_pipeline


class Census(Callback):
    """Leaves a file that names the process and its torch threads."""

    def __init__(self, folder):
        self.folder = folder

    def on_batch_begin(self, net, **kwargs):
        """Count the threads of this step."""
        Path(self.folder, f"{os.getpid()}-{torch.get_num_threads()}").touch()


def main(folder, backend):
    """Score with one job and with two, at both levels."""
    # Classes of several lengths make several groups.
    X, y = table((90, 30, 12))
    result = {}
    for n_jobs in (1, 2):
        census = Path(folder, str(n_jobs))
        census.mkdir()
        # Wide enough for torch to use several threads, if it is let.
        augmenter = quick(
            decoder="direct",
            batch_size=10,
            hidden_layer_sizes=(900, 900),
            callbacks=[Census(str(census))],
            n_jobs=n_jobs,
        )
        pipeline = make_pipeline(augmenter, LogisticRegression())
        with joblib.parallel_config(backend):
            scores = cross_val_score(pipeline, X, y, cv=2, n_jobs=n_jobs)
            grid = {"rhvaeaugmenter__augmentation_factor": [1.5, 3.0]}
            search = GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs).fit(X, y)
        threads = {}
        for file in census.iterdir():
            process, n = map(int, file.name.split("-"))
            threads[process] = max(threads.get(process, 0), n)
        result[n_jobs] = {
            "scores": [*scores, *search.cv_results_["mean_test_score"]],
            "threads": threads,
            "here": os.getpid(),
            "afterwards": torch.get_num_threads(),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
