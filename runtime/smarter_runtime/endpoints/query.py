"""Numbers in the query of a request, bounded."""

from fastapi import Request

from smarter_runtime.errors import invalid


def number(request: Request, name: str, default: int, at_most: int, at_least: int = 1) -> int:
    """Return the parameter `name`.

    Raises:
        ApiError: 400, when it is no number or out of bounds.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (
        text.isascii() and text.isdecimal() and len(text) <= len(str(at_most)) and at_least <= int(text) <= at_most
    ):
        raise invalid(f"`{name}` must be a number from {at_least} to {at_most}.", name)
    return int(text)
