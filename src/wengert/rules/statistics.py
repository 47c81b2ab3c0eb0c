"""Derivatives of averages, covariances and the functions that skip NaN."""
