"""Ctrl-C that waits for a good moment."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupt:
    """Within `with`, the first Ctrl-C only sets `pressed`; `check()` then raises it. A second one raises it at once.

    Where another handler than Python's own is set, or outside the main thread, all stays as it is.
    """

    def __init__(self) -> None:
        self.pressed = self.at_once = False
        self._before: Any = None

    def __enter__(self) -> Self:
        mine = threading.current_thread() is threading.main_thread()
        if mine and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        self.pressed = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.pressed:
            raise KeyboardInterrupt

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            self.at_once = True
            raise KeyboardInterrupt
        self.pressed = True
