"""Reading and writing tables of rows."""

from ._tables import load_synthetic_mask, load_table, save_table

__all__ = ["load_synthetic_mask", "load_table", "save_table"]
