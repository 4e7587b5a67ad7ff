"""What providers have refused, remembered for the next request."""

import logging
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)

_REFUSED_CODES = frozenset({"unsupported_parameter", "unsupported_value", "unknown_parameter"})
# Without these an answer is still an answer. A bound, such as that of the length, is never left out.
_OPTIONAL = frozenset(
    {"temperature", "top_p", "seed", "random_seed", "stop", "reasoning_effort", "reasoning", "stream_options"}
)
_RENAMED = {"max_tokens": "max_completion_tokens"}
# Models that do not reason refuse it, each server with a code of its own.
_INCLUDE = "include"


class Lessons:
    """The memory of one process."""

    def __init__(self) -> None:
        self.refusals: dict[str, str] = {}
        """By provider, why it did not accept the last request's key."""
        self._parameters: dict[tuple[str, str], set[str]] = {}

    def learn(self, provider: str, body: Mapping[str, Any], error: Mapping[str, Any]) -> bool:
        """Return whether `error` refuses a parameter of `body` without which the request can be sent again."""
        parameter = str(error.get("param") or "").split(".")[0]
        is_refusal = error.get("code") in _REFUSED_CODES or parameter == _INCLUDE
        if parameter not in body or not is_refusal or parameter not in {*_OPTIONAL, *_RENAMED, _INCLUDE}:
            return False
        self.forget(provider, str(body["model"]), parameter)
        return True

    def forget(self, provider: str, model: str, parameter: str) -> None:
        """Remember that `model` refuses `parameter`."""
        self._parameters.setdefault((provider, model), set()).add(parameter)
        extra = {"provider": provider, "model": model, "parameter": parameter}
        logger.warning("the model refuses a parameter, which is not sent any more", extra=extra)

    def refused(self, provider: str, model: str) -> frozenset[str]:
        """Return what is not sent to `model` any more."""
        return frozenset(self._parameters.get((provider, model), ()))

    def heeded(self, provider: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return `body` without what the provider has refused of this model."""
        refused = self.refused(provider, str(body["model"]))
        kept = {name: value for name, value in body.items() if name not in refused}
        return kept | {_RENAMED[name]: body[name] for name in refused if name in _RENAMED and name in body}
