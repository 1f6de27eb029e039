"""How real and synthetic rows compare, and what a classifier gains."""
