"""`/v1/inspections`: what was read from an image."""

from fastapi import APIRouter
from starlette.responses import Response

from platemark.core.errors import NotFound
from platemark.core.inspection import Inspection
from platemark.core.resource import InspectionResource
from platemark.flows import look
from platemark.web import answers, documented
from platemark.web.addresses import InspectionId
from platemark.web.auth import Reader

router = APIRouter(tags=["inspections"])


@router.get(
    "/v1/inspections/{id}",
    operation_id="get_inspection",
    summary="Read an inspection",
    responses={200: {"model": InspectionResource}, **documented.faults(NotFound)},
)
async def get(call: Reader, id: InspectionId) -> Response:
    """Evidence, verdict and confidence. A verdict is an input to a decision, not proof."""
    return answers.json(resource(await look.inspection(call.platform, call.principal, id)))


def resource(inspection: Inspection) -> InspectionResource:
    """The form in which inspections are answered."""
    values = inspection.model_dump(mode="json")
    about = {"sha256": "input_sha256", "media_type": "media_type", "width": "width", "height": "height"}
    evidence = [finding.pop("detail") | finding for finding in values.pop("evidence")]
    facts = {name: values[source] for name, source in about.items()}
    return InspectionResource.model_validate({**values, "evidence": evidence, "input": facts})
