"""What the two APIs of a bot are, as OpenAPI descriptions, made from the tables by which requests are read."""

from collections.abc import Mapping

from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.openapi import paths, status_port
from smarter_runtime.openapi.answers import ANSWERS
from smarter_runtime.openapi.parts import Schema, json_content


def description(config: RuntimeConfig) -> Schema:
    """Return the description of what visitors and programs call."""
    opened_by = (
        "An ApiKey, a visitor's session, or a signed identity; the last also beside a key, in `Smarter-Identity`."
    )
    schemas = {**ANSWERS, **paths.requests(config)}
    return _whole(config.app.title, config.description, opened_by, paths.PATHS, schemas)


def status_description(config: RuntimeConfig) -> Schema:
    """Return the description of the port that the cluster calls."""
    title = f"{config.app.title}: status port"
    said = "What the operator, Prometheus and collectors of usage ask one pod."
    schemas = {"Error": ANSWERS["Error"], **status_port.schemas()}
    return _whole(title, said, "A token of the platform.", status_port.paths(), schemas)


def _whole(title: str, said: str, opened_by: str, operations: Schema, schemas: Mapping[str, Schema]) -> Schema:
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": said, "version": "1"},
        "servers": [{"url": "/"}],
        "paths": operations,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": opened_by}},
            "responses": {"Error": json_content("Error", "What is wrong, and what to do.")},
            "schemas": dict(schemas),
        },
    }
