"""Rows of the test table: the operations by which `vmap` enters and leaves a batch."""

from __future__ import annotations

import numpy as np
from rowkit import row

from wengert.batching.vmap import enter, leave, shared, summed

T = (2, 3, 2)

ROWS = [
    row("enter_batch", lambda x: leave(np.sin(enter(x, 1, 3, 1000)), 0, 3, 1000), T),
    row("leave_batch", lambda x: leave(shared(x, 3, 1000) * enter(x, 1, 3, 1000)[:, None], -1, 3, 1000), (2, 3)),
    row("shared_by_batch", lambda x: leave(shared(x, 2, 1000) * enter(x, 0, 2, 1000), 0, 2, 1000), (2, 2)),
    row("sum_over_batch", lambda x: summed(enter(x, 2, 2, 1000), 2, 1000), T),
    row("sum_over_batch", lambda x: summed(x, 3, 1000), (2,)),
]
