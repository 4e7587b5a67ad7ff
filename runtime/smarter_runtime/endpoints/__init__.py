"""The endpoints, a few lines each: they parse, ask, and return."""
