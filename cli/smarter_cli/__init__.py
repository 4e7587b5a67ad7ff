"""The `smarter` command, also installed as `kubectl-smarter`."""
