"""Rows of the test table: running sums, differences, interpolation, convolution."""

from rowkit import Row

ROWS: list[Row] = []
