"""Riemannian metrics of the latent space and what follows from them."""
