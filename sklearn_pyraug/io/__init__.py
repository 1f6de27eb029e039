"""Reading and writing tables of rows, and folders of images and volumes."""

from ._folder_writing import save_image_folder
from ._folders import ImageFolder, LoadReport, load_image_folder
from ._tables import load_synthetic_mask, load_table, save_table

__all__ = [
    "ImageFolder",
    "LoadReport",
    "load_image_folder",
    "load_synthetic_mask",
    "load_table",
    "save_image_folder",
    "save_table",
]
