"""Data augmentation for scikit-learn with Riemannian Hamiltonian variational autoencoders."""

from lazy_loader import attach_stub

# The public names are listed in __init__.pyi; each is loaded when it is first used.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
