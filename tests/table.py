"""The test table: one row or more for each operation, and what its arguments are drawn from.

An elementwise operation has its rows made from the domain declared beside its rule. The others are listed in the
`rows_*.py` files, one for each file of rules: a function of NumPy calls on Variables, and argument patterns.
`tests/test_rules.py` checks every row, and that there is one for every declared operation.
"""

import rows_batching
import rows_core
import rows_cumulative
import rows_decompositions
import rows_fourier
import rows_joining
import rows_nn
import rows_polynomials
import rows_sorting
import rows_statistics
from rowkit import Row

from wengert import rules

rules.load()

ROWS: list[Row] = [
    *rows_batching.ROWS,
    *rows_core.ROWS,
    *rows_cumulative.ROWS,
    *rows_decompositions.ROWS,
    *rows_fourier.ROWS,
    *rows_joining.ROWS,
    *rows_nn.ROWS,
    *rows_polynomials.ROWS,
    *rows_sorting.ROWS,
    *rows_statistics.ROWS,
]
