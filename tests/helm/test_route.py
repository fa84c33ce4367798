"""What leads from outside to the pods: HTTPRoute and Ingress, and STUNner's UDPRoute."""

import json
from pathlib import Path

import jsonschema
import pytest

from rendered import Object, merged, rendered, the
from streamer.config import Settings
from streamer.http.app import create_app

UDP_ROUTE = json.loads((Path(__file__).parent / "udproute.schema.json").read_text())
INSIDE = {"internal", "livez", "readyz", "metrics", "docs", "redoc", "openapi.json"}
"""First parts of paths that no client asks for."""


def of_the_service() -> set[str]:
    """First parts of all its paths."""
    app = create_app(Settings(), lambda: None)
    return {route.path.split("/")[1] for route in app.routes}


def ways(kind: str) -> set[tuple[str, str]]:
    """(Exact or Prefix, path) that lead to the service."""
    if kind == "HTTPRoute":
        rules = the(kind, rendered("stunner"))["spec"]["rules"]
        paths = [m["path"] for rule in rules if "backendRefs" in rule for m in rule["matches"]]
        return {(path["type"].removeprefix("Path"), path["value"]) for path in paths}
    (rule,) = the(kind, rendered("all-on"))["spec"]["rules"]
    return {(path["pathType"], path["path"]) for path in rule["http"]["paths"]}


KINDS = ["HTTPRoute", "Ingress"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_route_leads_to_all_that_clients_ask_for_and_to_nothing_else(kind: str):
    prefixes = {path.removeprefix("/") for how, path in ways(kind) if how == "Prefix"}
    assert {path for how, path in ways(kind) if how == "Exact"} == {"/"}
    assert prefixes == of_the_service() - INSIDE - {""}


def test_what_is_kept_inside_is_there():
    assert of_the_service() >= INSIDE


def test_a_rule_has_no_more_matches_than_the_first_gateways_take():
    assert len(ways("HTTPRoute")) <= 8


def test_stunner_s_route_is_valid_and_leads_to_media_alone():
    route = the("UDPRoute", rendered("stunner"))
    jsonschema.validate(route, UDP_ROUTE)
    (backend,) = route["spec"]["rules"][0]["backendRefs"]
    assert (backend["port"], backend["endPort"]) == (20_000, 20_199)
    services = [one for one in rendered("stunner") if one["kind"] == "Service"]
    assert backend["name"] in {one["metadata"]["name"] for one in services}
    (parent,) = route["spec"]["parentRefs"]
    assert parent["name"] == the("Gateway", rendered("stunner"))["metadata"]["name"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": {"rules": []}}, "non-empty|too short"),
        ({"spec": {"rules": None}}, "not of type 'array'"),
        ({"spec": {"backendRefs": []}}, "'backendRefs' was unexpected"),
        ({"spec": {"rules": [{"backendRefs": [{"port": 1}]}]}}, "'name' is a required property"),
        ({"spec": {"rules": [{"backendRefs": [{"name": "a", "endport": 1}]}]}}, "endport"),
        ({"spec": {"rules": [{"backendRefs": [{"name": "a", "port": 70_000}]}]}}, "70000"),
        ({"spec": {"parentRefs": [{"name": "a", "listener": "b"}]}}, "listener"),
        ({"apiVersion": "stunner.l7mp.io/v1alpha1"}, "v1alpha1|was expected"),
    ],
    ids=str,
)
def test_the_schema_of_stunner_s_route_refuses(change: Object, words: str):
    route = the("UDPRoute", rendered("stunner"))
    with pytest.raises(jsonschema.ValidationError, match=words):
        jsonschema.validate(merged(route, change), UDP_ROUTE)
