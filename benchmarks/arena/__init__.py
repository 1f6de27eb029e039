"""Methods that claim to make classifiers better from few rows, compared on public protocols."""
