"""Derivatives of what joins, splits, repeats, pads, rolls and fills arrays."""
