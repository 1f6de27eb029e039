"""Everyone who claims to make classifiers better from few rows, on public protocols."""
