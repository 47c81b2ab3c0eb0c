"""Derivatives, one file for each area of NumPy. A rule is declared once and serves every mode (`declare.py`)."""
