"""The key with which a bot signs what it gives to visitors: where the pod finds it, and what its absence is called."""

SESSION_KEY_FILE = "session-key"
"""Name of the file below the pod's secrets folder, and of the key in the Secret."""

SESSION_KEY_BYTES = 32
"""Fewest bytes of a key; the operator makes as many at random."""

SESSION_KEY_MISSING = "SessionKeyMissing"
"""Reason of the problem by which a pod says that the file is not there."""
