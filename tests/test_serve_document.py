"""The OpenAPI document is true: requests made up from it get answers that it describes, and none is a fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("schemathesis", reason="schemathesis makes up the requests")

import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings

from gridcnn import datasets, fit
from gridcnn.adapters import ImageAdapter, TextAdapter
from gridcnn.serve.app import make_app
from gridcnn.serve.server import address_of, bound

OPERATIONS = (
    "GET /v1/models",
    "POST /v1/models/{name}/predict",
    "POST /v1/models/{name}/explain",
    "GET /v1/models/{name}/layers",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
)
MODELS = ("digits", "texts")


@pytest.fixture(scope="module")
def document() -> Iterator[Any]:
    digits, texts = datasets.load("digits").take(range(60)), datasets.load("word_order").take(range(60))
    models = (
        fit(ImageAdapter(), digits.items, digits.labels, {"epochs": 1}),
        fit(TextAdapter(), texts.items, texts.labels, {"epochs": 1}),
    )
    taken = bound("127.0.0.1", 0)
    app = make_app(dict(zip(MODELS, models, strict=True)))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, args=([taken],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield schemathesis.openapi.from_url(f"{address_of(taken, '127.0.0.1')}/openapi.json")
    server.should_exit = True
    thread.join()


def test_the_document_names_all_operations(document: Any) -> None:
    assert [operation.ok().label for operation in document.get_all_operations()] == list(OPERATIONS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("label", OPERATIONS)
def test_requests_made_up_from_the_document_get_answers_that_it_describes(document: Any, label: str) -> None:
    operation = next(each.ok() for each in document.get_all_operations() if each.ok().label == label)
    # What is valid for the document may still be no picture, or no text: 422.
    left_out = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")]
    seen = set()

    @given(case=operation.as_strategy())
    @settings(
        max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )  # fmt: skip
    def check(case: Any) -> None:
        for model in MODELS if "name" in case.path_parameters else [""]:
            if model:
                case.path_parameters["name"] = model
            response = case.call()
            seen.add(response.status_code)
            case.validate_response(response, excluded_checks=left_out)

    check()

    assert 200 in seen or label.endswith("explain")
    assert max(seen) < 500
