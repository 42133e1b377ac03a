"""Requests nobody would think of, made from the API's own document, on every endpoint."""

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from glmcore.api.app import build_api
from glmcore.keys import Right
from glmcore.server.services import Services
from tests.fakes import FakeEngine

pytestmark = pytest.mark.slow

# What the document allows may be refused where fields depend on each other, or a text is judged by its sense;
# what it forbids may mean something in an address, where every value is a text and the last of two counts.
BY_SENSE, BY_TYPE = [positive_data_acceptance], [negative_data_rejection]
UNDECIDABLE = {
    "POST /v1/chat/completions": BY_SENSE,  # top_logprobs without logprobs, two lengths
    "POST /v1/completions": BY_SENSE,  # stream_options without stream
    "POST /api/chat": BY_SENSE,  # 2.0, which JSON Schema takes for a whole number
    "POST /api/jobs": BY_SENSE,  # config and yaml at once; what is in them
    "GET /api/conversations": BY_SENSE + BY_TYPE,  # words without a letter; an adapter called "false"
    "GET /api/conversations/export": BY_SENSE + BY_TYPE,
}

schema = schemathesis.pytest.from_fixture("api_schema")


@pytest.fixture
def api_schema(services: Services, engine: FakeEngine, request: pytest.FixtureRequest) -> object:
    # schemathesis 4.32 needs it, and pytest 9.2 calls it otherwise.
    request.node._nodeid = request.node.nodeid
    _key, secret = services.keys.make("fuzz", rights=set(Right))
    services.models.engine(services.settings.model)
    api: FastAPI = build_api(lambda: services)
    config = schemathesis.Config.from_dict({"auth": {"openapi": {"HTTPBearer": {"bearer": secret}}}})
    return schemathesis.openapi.from_asgi("/api/openapi.json", api, config=config)


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_describes(case: schemathesis.Case) -> None:
    response = case.call_and_validate(excluded_checks=UNDECIDABLE.get(case.operation.label, []))
    assert response.status_code < 500, response.text
