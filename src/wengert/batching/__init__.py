"""Arrays with a batch axis that the code which computes with them does not see, and `vmap`, which makes them."""
