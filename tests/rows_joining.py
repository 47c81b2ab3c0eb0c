"""Rows of the test table: joining, splitting, repeating, padding, filling."""

from rowkit import Row

ROWS: list[Row] = []
