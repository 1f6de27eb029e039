"""
Reading the report
==================

`augmentation_report` says whether synthetic rows look like real ones, whether a classifier can
learn from them, and whether they reveal training rows. This example explains its lines.
"""

# %%
# Rows held out
# -------------
# Every measure has a baseline, the same measure between real rows. With rows held out, the baseline
# is what other real rows of the same kind would score.

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
# By default a new row is a real row, changed by 10 to 100 % of a difference. Rows with a small
# change stay close to the row that they started from.

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
# * The two-sample AUC is that of a classifier that tells synthetic rows from real ones; 0.5 is
#   chance.
# * `train synthetic, test real` is the score of a classifier fitted on synthetic rows only.
# * A line on privacy is marked if synthetic rows are much closer to training rows than other real
#   rows are. This is a rule of thumb: also look at the histogram.

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
# Compare the two
# ---------------

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
# Rows with a larger change lie further from the row that they started from. The two-sample AUC says
# whether they also look less like their class; check this on your own data. A report without marks
# does not mean that rows are anonymous.
