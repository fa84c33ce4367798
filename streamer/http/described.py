"""What the API's description says of routes whose bodies and refusals are made by hand."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from streamer.http.problem import CONTENT_TYPE


def refused(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Which refusals there are."""
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string"},
        },
    }
    content = {CONTENT_TYPE: {"schema": schema}}
    return {s: {"description": HTTPStatus(s).phrase, "content": content} for s in statuses}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """A body that is read here, within its limit, and not by FastAPI."""
    schema = model.model_json_schema()
    content = {"application/json": {"schema": _inlined(schema, schema.pop("$defs", {}))}}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """With what it refers to in place: in OpenAPI's document `#` is another root."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    # A discriminator's mapping would refer, too; the constant `type` of each says the same.
    kept = {name: part for name, part in schema.items() if name != "discriminator"}
    return {name: _inlined(part, definitions) for name, part in kept.items()}
