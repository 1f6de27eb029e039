"""
A clinical table with categories and missing values
===================================================

Patients have an age, a sex, a ward and two laboratory values. One of these is often missing, which
depends on the ward. This example adds rows and checks that they are valid: they have the same
columns, levels and dtypes, and nearly as many missing values in each ward.
"""

# %%
# The table
# ---------
# The table is simulated. Kidney values rise with age, and some wards measure them more often.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

rng = np.random.default_rng(0)
n = 240
ward = pd.Categorical(rng.choice(["surgery", "medicine", "kidney"], n, p=[0.45, 0.35, 0.2]))
age = rng.integers(20, 90, n)
creatinine = np.exp(rng.normal(-0.3 + 0.006 * age + 0.5 * (ward == "kidney"), 0.25))
measured = rng.random(n) < np.where(ward == "kidney", 1.0, 0.6)
X = pd.DataFrame(
    {
        "age": age,
        "sex": pd.Categorical(rng.choice(["f", "m"], n)),
        "ward": ward,
        "crp": np.exp(rng.normal(1.0, 1.0, n)).round(1),
        "creatinine": np.where(measured, creatinine.round(2), np.nan),
    }
)
risk = 0.04 * (age - 60) + 1.2 * np.log(creatinine) + rng.normal(0, 1, n)
y = np.where(risk > np.quantile(risk, 0.75), "ill", "well")
print(X.head())

# %%
# Augment
# -------
# Categories are recognised by their dtype. Missing values need ``missing="keep"``.

augmenter = RHVAEAugmenter(missing="keep", random_state=0)
X_more, y_more = augmenter.fit_resample(X, y)
new = X_more[augmenter.synthetic_mask_]
print(new.tail().to_string())

# %%
# Valid rows
# ----------
# Each line compares real and synthetic rows of the class "ill".

real, made = X[y == "ill"], new[y_more[augmenter.synthetic_mask_] == "ill"]
print("dtypes kept:", (new.dtypes == X.dtypes).all())
print("no new level:", set(new["ward"]) <= set(X["ward"]))
print("within the range seen:", new["age"].between(X["age"].min(), X["age"].max()).all())
for name, rows in (("real", real), ("synthetic", made)):
    kidney = rows["ward"] == "kidney"
    gaps = rows["creatinine"].isna()
    print(
        f"{name}: creatinine missing {100 * gaps[kidney].mean():.0f} % on the kidney ward, "
        f"{100 * gaps[~kidney].mean():.0f} % elsewhere"
    )

# %%
# Column by column
# ----------------
# The columns that differ most come first. The title of each panel gives the difference of the two
# distributions, from 0 to 1, and the share of missing values.

SyntheticSamplesDisplay.from_predictions(
    X_more,
    y_more,
    augmenter.synthetic_mask_,
    figure=plt.figure(figsize=(8.5, 5.5), layout="constrained"),
)
plt.show()

# %%
# Valid rows need not help a classifier, and you may not be allowed to share them:
# ``augmentation_gain`` measures the first, and ``augmentation_report`` the second.
