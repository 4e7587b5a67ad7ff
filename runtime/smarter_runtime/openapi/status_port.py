"""The operations of the port that the cluster calls."""

from smarter_crds.runtime_config import RuntimeStatus
from smarter_crds.usage import UsageRecord
from smarter_runtime.endpoints.operations import MOST_NUMBER, MOST_RECORDS
from smarter_runtime.openapi.parts import (
    COUNT,
    TEXT,
    WITH_TOKEN,
    Schema,
    body,
    content,
    json_content,
    lists,
    objects,
    operation,
    query,
    reference,
)

_OF_THE_PLATFORM = "With a token of `platform.statusTokens`."


def paths() -> Schema:
    records = json_content("UsageRecords", "Those that nobody has acknowledged, oldest first.")
    return {
        "/status": {"get": operation("status", json_content("RuntimeStatus", "What the pod serves."))},
        "/metrics": {"get": operation("metrics", content("text/plain", TEXT, "For Prometheus."))},
        "/usage": {
            "get": operation("usage", records, _OF_THE_PLATFORM, security=WITH_TOKEN, parameters=[_AFTER, _LIMIT])
        },
        "/usage/acknowledge": {
            "post": operation(
                "acknowledgeUsage",
                json_content("Acknowledged", "How many were noted."),
                _OF_THE_PLATFORM,
                security=WITH_TOKEN,
                requestBody=body(_IDS, {"ids": []}),
            )
        },
        "/conversations": {
            "delete": operation(
                "eraseConversationsOf",
                json_content("Erased", "How many there were."),
                f"{_OF_THE_PLATFORM} Exactly one parameter says whose.",
                security=WITH_TOKEN,
                parameters=_WHOSE,
            )
        },
    }


_AFTER = query("after", "The `next` of the page before.", {"type": "integer", "minimum": 0, "maximum": MOST_NUMBER})
_LIMIT = query("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": MOST_RECORDS})
_IDS = objects(ids=lists(TEXT) | {"maxItems": MOST_RECORDS})
_NAME = {"type": "string", "minLength": 1}
_WHOSE = [
    query("visitor", "Value of the visitor's cookie.", _NAME),
    query("subject", "`sub` of the person's signed identity.", _NAME),
    query("key", "UID of the ApiKey.", _NAME),
]


def schemas() -> dict[str, Schema]:
    """Return what the answers are, made from the models that write them."""
    records = objects(records=lists(reference("UsageRecord")), next={"type": ["integer", "null"]})
    made: dict[str, Schema] = {
        "UsageRecords": records,
        "Acknowledged": objects(acknowledged=COUNT),
        "Erased": objects(erased=COUNT),
    }
    for model in (UsageRecord, RuntimeStatus):
        schema = model.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        made |= schema.pop("$defs", {})
        made[model.__name__] = schema
    return made
