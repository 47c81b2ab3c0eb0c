"""`wg.compile`: a function's calls are recorded once, turned into native code, and replayed."""
