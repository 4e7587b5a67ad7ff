"""Whether and which tools the model has to call, as OpenAI's formats say it."""

from collections.abc import Callable
from typing import Any

from smarter_runtime.models import ANY_TOOL, ModelRequest


def tool_choice(request: ModelRequest, function: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return the members of a body; `function` writes one function's name as the format has it."""
    if not request.may_call_tools:
        return {"tool_choice": "none"}
    parallel = request.parameters.parallel_tool_calls
    members: dict[str, Any] = {} if parallel is None else {"parallel_tool_calls": parallel}
    if request.must_call == ANY_TOOL:
        members["tool_choice"] = "required"
    elif request.must_call:
        members["tool_choice"] = {"type": "function", **function(request.must_call)}
    return members
