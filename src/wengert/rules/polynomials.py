"""Derivatives of numpy.polynomial, the poly functions and numpy.emath."""
