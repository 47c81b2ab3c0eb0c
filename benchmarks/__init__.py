"""Measurements of Wengert beside its peers: `python -m benchmarks --help`."""
