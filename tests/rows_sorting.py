"""Rows of the test table: sorting and order statistics."""

from rowkit import Row

ROWS: list[Row] = []
