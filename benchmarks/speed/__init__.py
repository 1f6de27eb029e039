"""How long training, sampling and `fit_resample` take, and how that grows with the data."""
