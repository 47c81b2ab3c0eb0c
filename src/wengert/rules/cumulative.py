"""Derivatives of running sums and products, differences, integrals, interpolation and convolution."""
