"""The one error that callers of the cluster meet; its message says the way out."""


class ClusterError(Exception):
    """Something the cluster needs is missing or did not work."""
