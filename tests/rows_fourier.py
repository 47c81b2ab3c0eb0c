"""Rows of the test table: numpy.fft."""

from rowkit import Row

ROWS: list[Row] = []
