"""Rows of the test table: numpy.linalg."""

from rowkit import Row

ROWS: list[Row] = []
