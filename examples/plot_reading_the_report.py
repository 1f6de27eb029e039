"""
Reading the report
==================

`augmentation_report` collects what can be said of synthetic rows: whether they look like real ones,
what they are worth to a classifier, and whether they give training rows away.
"""

# %%
# Rows that the augmenter does not see
# ------------------------------------
# Every measure stands beside a baseline, the same measure of real rows alone. With rows held out
# the baseline is honest: what other real rows of the same kind would score.

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from sklearn_pyraug import RHVAEAugmenter, Transfer, augmentation_report
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

torch.set_num_threads(1)
X, y = load_wine(return_X_y=True)
X, X_holdout, y, y_holdout = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)

# %%
# The default, and a bolder one
# -----------------------------
# By default a new row is a real one that takes over a share of a difference, from 10 to 100 %. Rows
# that took over little stay close to the one they came from.

augmenters = {
    "default": RHVAEAugmenter(random_state=0),
    "bolder": RHVAEAugmenter(
        output=Transfer(scale=(0.5, 1.0)), min_distance="auto", random_state=0
    ),
}
reports = {}
for name, augmenter in augmenters.items():
    augmenter.fit(X, y)
    reports[name] = augmentation_report(augmenter, X, y, X_holdout, y_holdout, random_state=0)
print(reports["default"])

# %%
# Which lines to read
# -------------------
# * The two-sample AUC is that of a classifier that tells synthetic rows from real ones: 0.5 is
#   chance.
# * `train synthetic, test real` says whether the synthetic rows alone would do for a classifier.
# * The lines on privacy are marked where synthetic rows are much closer to training rows than
#   other real rows are. A mark is a rule of thumb: it asks for a look at the histogram.

frames = {
    name: report.to_frame().query("`class` == '(all)'").set_index("measure")
    for name, report in reports.items()
}
measures = ["two-sample AUC", "train synthetic, test real", "training proximity"]
for measure in measures:
    first, second = (frames[name].loc[measure] for name in augmenters)
    print(
        f"{measure}: default {first['value']:.2f}, bolder {second['value']:.2f}, "
        f"baseline {first['baseline']:.2f}"
    )

SyntheticSamplesDisplay.from_estimator(
    augmenters["bolder"],
    X,
    y,
    kind="scatter",
    figure=plt.figure(figsize=(8, 4.5), layout="constrained"),
)

# %%
# Which of the two
# ----------------

proximity = {name: frame.loc["training proximity", "value"] for name, frame in frames.items()}
if proximity["bolder"] < proximity["default"]:
    print(
        "Larger differences and a least distance keep the new rows further from the training rows: "
        f"{proximity['bolder']:.0%} of them, not {proximity['default']:.0%}, are nearer to a "
        "training row than to a held-out one."
    )
else:
    print("Here a larger share of the differences does not keep the new rows further away.")
print("reports['default'].to_html('report.html') writes all of it, with pictures, into one file.")
plt.show()

# %%
# Rows that take over more of a difference lie further from the row that they came from; whether
# they look less like the class, the two-sample AUC tells, which is to be read on one's own data.
# A report without marks is no promise of anonymity.
