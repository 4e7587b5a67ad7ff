"""The Store of a bot: a server that keeps what must outlive a pod, or be shared by several."""


class StoreUnavailable(Exception):
    """The Store cannot be reached or does not do what it is asked. The text is for people and holds nothing secret."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
