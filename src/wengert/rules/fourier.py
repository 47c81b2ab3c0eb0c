"""Derivatives of the discrete Fourier transforms (numpy.fft)."""
