"""From classes of coded rows to trained generators, and from these to new rows."""
