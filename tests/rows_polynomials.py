"""Rows of the test table: polynomials and numpy.emath."""

from rowkit import Row

ROWS: list[Row] = []
