"""Derivatives of sorting, order statistics and quantiles."""
