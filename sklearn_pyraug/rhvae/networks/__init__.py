"""Encoders, decoders and metric networks, stacked over the class axis."""
