"""The OpenAPI document: valid, complete, and kept by the application."""

import re
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from webparts import Site

from platemark.core.errors import all_errors
from platemark.core.project import SCOPES
from platemark.simulate.scripted import plain_png
from platemark.web.app import openapi_document

OPERATIONS = {
    "generate",
    "list_generations",
    "get_generation",
    "stream_generation_events",
    "get_generation_record",
    "get_generation_preview",
    "cancel_generation",
    "retry_generation",
    "dismiss_generation",
    "erase_generation_text",
    "upload_image",
    "list_images",
    "get_image",
    "get_image_content",
    "get_image_original",
    "get_image_record",
    "delete_image",
    "get_inspection",
    "list_models",
    "list_providers",
    "get_provider_readiness",
    "list_keys",
    "create_key",
    "rotate_key",
    "revoke_key",
    "list_projects",
    "create_project",
    "set_project_profile",
    "export_audit",
    "list_events",
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {route["operationId"]: route for item in document["paths"].values() for route in item.values()}


def schema_of(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of the document that stands by itself."""
    return {**schema, "components": document["components"]}


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    OPENAPI_31_VALIDATOR.validate(document)


def test_every_schema_is_a_schema(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema_of(document, schema))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(re.findall(r"'\$ref': '([^']+)'", str(document)))
    assert found
    assert found <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_operations_are_named_by_hand_and_described(document: dict[str, Any]) -> None:
    found = operations(document)
    assert found.keys() == OPERATIONS
    assert [name for name, route in found.items() if not (route.get("summary") and route.get("description"))] == []
    assert [name for name, route in found.items() if len(route["tags"]) != 1] == []


def test_every_operation_says_which_scope_it_needs(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for name, route in operations(document).items():
        (scope,) = route["security"][0]["key"]
        assert scope in SCOPES, name


def test_every_problem_is_documented_with_an_example_that_fits(document: dict[str, Any]) -> None:
    codes = {error.code: error.status for error in all_errors()}
    fits = jsonschema_rs.validator_for(schema_of(document, {"$ref": "#/components/schemas/Problem"}))
    for name, route in operations(document).items():
        assert {"401", "403", "422", "429", "500", "503"} <= route["responses"].keys(), name
        for status, response in route["responses"].items():
            if int(status) >= 400 and int(status) != 416:
                content = response["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                for code, example in content["examples"].items():
                    assert codes[code] == int(status)
                    fits.validate(example["value"])


def test_examples_of_bodies_fit_their_schemas(document: dict[str, Any]) -> None:
    seen = 0
    for route in operations(document).values():
        content = route.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            jsonschema_rs.validator_for(schema_of(document, content["schema"])).validate(example["value"])
            seen += 1
    assert seen >= 5


def test_unknown_fields_are_forbidden_in_what_is_sent(document: dict[str, Any]) -> None:
    for name in (
        "GenerationRequest",
        "GenerationForm",
        "Control",
        "Lora",
        "NewKey",
        "Rotation",
        "NewProject",
        "NewProfile",
    ):
        assert document["components"]["schemas"][name]["additionalProperties"] is False, name


async def test_the_document_is_served(site: Site, document: dict[str, Any]) -> None:
    async with site.as_(None) as nobody:
        assert (await nobody.get("/openapi.json")).json() == document


async def test_answers_have_the_documented_shape(site: Site, document: dict[str, Any]) -> None:
    made = await site.generate(n=2, tags={"a": "b"}, model="stable-diffusion-xl")
    image = made["images"][0]["id"]
    key = (await site.client.post("/v1/keys", json={"name": "x"})).json()["id"]
    ids = {
        "generations": made["id"],
        "images": image,
        "inspections": made["images"][0]["inspection"]["id"],
        "keys": key,
        "providers": "scripted",
        "projects": site.project,
    }
    uploaded = {"files": {"image": ("a.png", plain_png(32, 32, (1, 200, 3)))}}
    sent: dict[str, dict[str, Any]] = {
        "generate": {"json": {"prompt": "a house"}},
        "upload_image": uploaded,
        "create_key": {"json": {"name": "y"}},
        "rotate_key": {"json": {}},
        "create_project": {"json": {"name": "y"}},
        "set_project_profile": {"json": {"profile": "standard"}},
    }
    checked: set[str] = set()
    for path, item in document["paths"].items():
        for method, route in item.items():
            noun = path.split("/")[2]
            spare = made["images"][1]["id"]
            address = path.format(id=spare if route["operationId"] == "delete_image" else ids.get(noun, ""))
            answer = await site.client.request(method.upper(), address, **sent.get(route["operationId"], {}))
            documented = route["responses"][str(answer.status_code)]
            kind = answer.headers["content-type"].partition(";")[0]
            assert kind in documented["content"], (route["operationId"], kind)
            if "json" in kind and "ndjson" not in kind:
                schema = schema_of(document, documented["content"][kind]["schema"])
                jsonschema_rs.validator_for(schema).validate(answer.json())
            checked |= {route["operationId"]} if answer.status_code < 300 else set()
    # None of these fits a finished generation of our own engine.
    unfit = {"cancel_generation", "retry_generation", "get_generation_preview", "get_image_original"}
    assert unfit == OPERATIONS - checked
