"""Derivatives of inverses, solutions, determinants, norms and decompositions of matrices (numpy.linalg)."""
