"""The OpenAPI document: valid, complete, and kept by the application."""

import hashlib
import re
from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from webparts import Site

from platemark.core.errors import all_errors
from platemark.core.project import SCOPES
from platemark.flows import kept_reports
from platemark.samples import sample_report
from platemark.simulate.scripted import plain_png
from platemark.web.app import openapi_document
from platemark.web.v1.policies import EXAMPLE

OPERATIONS = {
    "erase_image_text",
    "begin_upload",
    "get_upload",
    "append_to_upload",
    "abandon_upload",
    "list_holds",
    "place_hold",
    "get_hold",
    "release_hold",
    "list_takedowns",
    "file_takedown",
    "get_takedown",
    "add_to_takedown",
    "act_on_takedown",
    "reject_takedown",
    "withdraw_takedown",
    "erase_takedown_text",
    "erase_hold_text",
    "get_retention",
    "purge",
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
    "publish_image",
    "list_publications",
    "get_publication",
    "get_publication_content",
    "withdraw_publication",
    "retry_publication",
    "list_targets",
    "export_provenance",
    "get_image_original",
    "get_image_record",
    "delete_image",
    "analyze",
    "get_inspection",
    "list_inspections",
    "inspect_image",
    "moderate",
    "list_models",
    "list_providers",
    "get_provider_readiness",
    "list_keys",
    "create_key",
    "rotate_key",
    "revoke_key",
    "list_hash_lists",
    "create_hash_list",
    "remove_hash_list",
    "import_hash_list",
    "list_hash_list_imports",
    "withdraw_hashes",
    "confirm_hash_list_import",
    "refuse_hash_list_import",
    "list_people",
    "create_person",
    "get_person",
    "set_person_role",
    "disable_person",
    "list_projects",
    "create_project",
    "set_project_profile",
    "list_policies",
    "create_policy",
    "lint_policy",
    "diff_policies",
    "get_policy",
    "get_policy_shadow_report",
    "shadow_policy",
    "activate_policy",
    "retire_policy",
    "explain_verdict",
    "export_audit",
    "list_events",
    "report_moderation",
    "list_detector_reports",
    "get_detector_report",
    "list_review_queues",
    "get_review_agreement",
    "get_review_report",
    "export_decisions",
    "appeal_review",
    "appeal_generation",
    "appeal_image",
    "get_statement_of_reasons",
    "list_reviews",
    "claim_next_review",
    "decide_reviews",
    "get_review_exposure",
    "choose_review_categories",
    "get_review",
    "claim_review",
    "hold_review",
    "release_review",
    "decide_review",
    "preview_decision",
    "undo_decision",
    "get_veiled_picture",
    "reveal_picture",
    "erase_review_notes",
}
# Checked in test_web_reviews.py: none of these fits a case that nobody has decided yet.
UNDECIDED = {
    "appeal_review",
    "appeal_generation",
    "appeal_image",
    "get_statement_of_reasons",
    "decide_review",
    "preview_decision",
    "undo_decision",
    "get_veiled_picture",
    "reveal_picture",
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
        "NewPolicy",
        "BundleText",
        "Comparison",
    ):
        assert document["components"]["schemas"][name]["additionalProperties"] is False, name


async def test_the_document_is_served(site: Site, document: dict[str, Any]) -> None:
    async with site.as_(None) as nobody:
        assert (await nobody.get("/openapi.json")).json() == document


async def published(site: Site, image: str) -> str:
    return (await site.client.post(f"/v1/images/{image}/publish", json={})).json()["id"]


async def test_answers_have_the_documented_shape(site: Site, document: dict[str, Any]) -> None:
    made = await site.generate(n=3, tags={"a": "b"}, model="stable-diffusion-xl")
    image = made["images"][0]["id"]
    key = (await site.client.post("/v1/keys", json={"name": "x"})).json()["id"]
    ids = {
        "generations": made["id"],
        "images": image,
        "inspections": made["images"][0]["inspection"]["id"],
        "keys": key,
        "policies": (await site.client.post("/v1/policies", json={"content": EXAMPLE})).json()["id"],
        "verdicts": made["id"],
        "publications": await published(site, made["images"][2]["id"]),
        "providers": "scripted",
        "projects": site.project,
    }
    uploaded = {"files": {"image": ("a.png", plain_png(32, 32, (1, 200, 3)))}}
    sent: dict[str, dict[str, Any]] = {
        "generate": {"json": {"prompt": "a house"}},
        "upload_image": uploaded,
        "create_key": {"json": {"name": "y"}},
        "publish_image": {"json": {}},
        "moderate": {"json": {"input": "a house"}},
        "analyze": uploaded,
        "rotate_key": {"json": {}},
        "create_policy": {"json": {"content": EXAMPLE}},
        "lint_policy": {"json": {"content": EXAMPLE}},
        "diff_policies": {"json": {"a": "in_force", "b": "built_in"}},
        "create_project": {"json": {"name": "y"}},
        "set_project_profile": {"json": {"profile": "standard"}},
    }
    until = (site.platform.clock.now() + timedelta(days=1)).isoformat()
    photo = plain_png(40, 40, (7, 8, 9))
    notice = {
        "kind": "copyright",
        "images": [made["images"][1]["id"]],
        "claimant": "A",
        "contact": "a@example.org",
        "statement": "It is mine.",
        "good_faith": True,
        "signature": "A",
    }
    to_be_kept: dict[str, Any] = {"generation": made["id"], "reason_code": "other", "until": until}
    begun = {"sha256": hashlib.sha256(photo).hexdigest(), "size": len(photo)}
    ids["holds"] = (await site.client.post("/v1/holds", json=to_be_kept)).json()["id"]
    ids["takedowns"] = (await site.client.post("/v1/takedowns", json=notice)).json()["id"]
    ids["uploads"] = (await site.client.post("/v1/uploads", json=begun)).json()["id"]
    assert (await site.client.post(f"/v1/holds/{ids['holds']}/release")).status_code == 200
    piece = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    sent |= {
        "place_hold": {"json": to_be_kept | {"generation": None, "user": "reader-1"}},
        "file_takedown": {"json": notice},
        "add_to_takedown": {"json": {"images": [image]}},
        "reject_takedown": {"json": {"reason_code": "LICENSED"}},
        "begin_upload": {"json": begun},
        "append_to_upload": {"headers": piece, "content": photo[:9]},
    }
    await site.client.post("/v1/generate", json={"prompt": "doubtful"}, headers={"Prefer": "respond-async"})
    (case,) = (await site.client.get("/v1/reviews")).json()["data"]
    ids["reviews"] = case["id"]
    sent |= {
        "decide_reviews": {
            "json": {"ids": [case["id"]], "action": "reject", "reason_code": "GORE", "preview": True},
        },
        "choose_review_categories": {"json": {"opted_out": []}},
        "release_review": {"json": {"reason": "not_now"}},
    }
    person, known = {"name": "Ada", "role": "editor"}, {"name": "ours", "source": "tests", "kinds": ["pdq"]}
    report = sample_report(site.project)
    await kept_reports.keep(site.platform, [report])
    ids["detectors"] = report.id
    ids["people"] = (await site.client.post("/v1/people", json=person)).json()["id"]
    ids["hash-lists"] = (await site.client.post("/v1/hash-lists", json=known)).json()["id"]
    brought = await site.client.post(f"/v1/hash-lists/{ids['hash-lists']}/import", content="ab" * 32)
    ids["hash-list-imports"] = brought.json()["id"]
    sent |= {
        "create_person": {"json": person | {"name": "Bo"}},
        "set_person_role": {"json": {"role": "auditor"}},
        "create_hash_list": {"json": known},
        "import_hash_list": {"content": "cd" * 32},
        "withdraw_hashes": {"json": {"hashes": ["ab" * 32]}},
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
    # A notice ends in one way, a hold is released once, and these are not the words of an upload.
    unfit |= {"reject_takedown", "withdraw_takedown", "release_hold", "erase_image_text"}
    # Nothing of that publication failed.
    unfit |= {"retry_publication"}
    # A file that matches already is not refused.
    unfit |= {"refuse_hash_list_import"}
    assert unfit | UNDECIDED == OPERATIONS - checked
