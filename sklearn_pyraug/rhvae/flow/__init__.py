"""The Riemannian Hamiltonian flow of the posterior."""
