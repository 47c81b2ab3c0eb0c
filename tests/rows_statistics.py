"""Rows of the test table: statistics."""

from rowkit import Row

ROWS: list[Row] = []
