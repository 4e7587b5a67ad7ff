"""What descriptions are put together from."""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ERROR: Schema = {"$ref": "#/components/responses/Error"}
WITH_TOKEN: list[dict[str, list[str]]] = [{"bearer": []}]


def operation(id_: str, answer: Schema, said: str = "", *, status: str = "200", **members: Any) -> Schema:
    """Return an operation that answers `answer`, or an error."""
    described = {"description": said} if said else {}
    return {"operationId": id_, **described, **members, "responses": {status: answer, "default": ERROR}}


def reference(schema: str) -> Schema:
    return {"$ref": f"#/components/schemas/{schema}"}


def json_content(schema: str, said: str) -> Schema:
    return content("application/json", reference(schema), said)


def content(media_type: str, schema: Schema, said: str) -> Schema:
    return {"description": said, "content": {media_type: {"schema": schema}}}


def body(schema: Schema, example: Any) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def header(name: str, said: str, schema: Schema) -> Schema:
    return {"name": name, "in": "header", "description": said, "schema": schema}


def query(name: str, said: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": said, "schema": schema}


def objects(**properties: Schema) -> Schema:
    """Return the schema of an object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}


def lists(items: Schema) -> Schema:
    return {"type": "array", "items": items}
