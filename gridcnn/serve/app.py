"""The routes of a service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import mimetypes
from collections.abc import AsyncIterator, Collection, Mapping
from importlib import resources
from typing import Any, NamedTuple

import fastapi_offline
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import PlainTextResponse

from gridcnn.errors import ItemError
from gridcnn.model import FittedModel
from gridcnn.render import live
from gridcnn.serve.answering import Answer, Answering, Asked
from gridcnn.serve.bodies import Bodies
from gridcnn.serve.gate import OF_THE_API, Gate, refusal_headers
from gridcnn.serve.limits import Limits, RefusedError
from gridcnn.serve.metrics import Metrics
from gridcnn.serve.query import flag, rule_of
from gridcnn.serve.schema import EXPLAIN, PREDICT, REFUSALS, Layers, Models, Predicted, Values
from gridcnn.serve.worker import Worker
from gridcnn.versions import versions

__all__ = ["make_app"]

DESCRIPTION = "Answers of trained networks. Send files as multipart/form-data, texts and arrays of numbers as JSON."
DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)

SOON = 0.1
"""Seconds after which a request that has no answer yet is worth asking whether its client is still there."""


class Served(NamedTuple):
    """A model and the thread that answers for it."""

    model: FittedModel
    answering: Answering
    worker: Worker


def make_app(
    models: Mapping[str, FittedModel],
    *,
    limits: Limits | None = None,
    token: str | None = None,
    hosts: Collection[str] | None = None,
    origins: Collection[str] = (),
    precision: str = "float32",
) -> FastAPI:
    """Return the ASGI application that answers for models, each under its name.

    Parameters
    ----------
    models : mapping of str to FittedModel
        Trained models; a name has letters, digits, - and _.
    limits : Limits, optional
        How much it takes.
    token, hosts, origins
        Who may use it, see `Gate`.
    precision : {"float32", "bfloat16"}
        As `gridcnn.predict` has it.
    """
    limits = limits or Limits()
    metrics = Metrics()
    served = {name: _served(name, model, limits, metrics, precision) for name, model in models.items()}

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            for each in served.values():
                await asyncio.to_thread(each.worker.close)
                each.answering.close()

    app = FastAPI(
        title="gridcnn", version=versions()["gridcnn"], description=DESCRIPTION, lifespan=lifespan,
        docs_url=None, redoc_url=None,
    )  # fmt: skip
    app.add_middleware(Gate, limits=limits, metrics=metrics, token=token, hosts=hosts, origins=origins)
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(origins), allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )  # fmt: skip
    _add_errors(app)
    _add_models(app, served, limits, metrics)
    _add_state(app, served, metrics)
    _add_pages(app)
    if token is not None:
        _add_security(app)
    return app


def _served(name: str, model: FittedModel, limits: Limits, metrics: Metrics, precision: str) -> Served:
    batches, computing = metrics.batches.labels(name), metrics.computing.labels(name)

    def watch(items: int, seconds: float) -> None:
        batches.observe(items)
        computing.inc(seconds)

    answering = Answering(model, limits, precision)
    return Served(model, answering, Worker(answering.answers, watch))


def _add_errors(app: FastAPI) -> None:
    async def on_refusal(request: Request, error: Any) -> Response:
        return _json(error.body, error.status, refusal_headers(error.status))

    async def on_http_error(request: Request, error: Any) -> Response:
        said = {404: "there is nothing at this address: see /docs", 405: "this address has other methods: see /docs"}
        message = said.get(error.status_code, "the request cannot be answered")
        return _json({"error": {"message": message}}, error.status_code, error.headers)

    async def on_invalid(request: Request, error: Any) -> Response:
        wrong = ", ".join(sorted({str(each["loc"][-1]) for each in error.errors()}))
        return _json({"error": {"message": f"a parameter has a value that it cannot have: {wrong}"}}, 422)

    async def on_fault(request: Request, error: Any) -> Response:
        return _json({"error": {"message": "this is a fault of the service, which its log describes"}}, 500)

    app.add_exception_handler(RefusedError, on_refusal)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(404, on_http_error)
    app.add_exception_handler(405, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_fault)


def _add_security(app: FastAPI) -> None:
    """Say in the document what needs the token, so that its page asks for one."""
    without = app.openapi

    def document() -> dict[str, Any]:
        made = without()  # made once, and kept
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in made["paths"].items():
            if path.startswith(OF_THE_API):
                for operation in operations.values():
                    operation["security"] = [{"token": []}]
        return made

    app.openapi = document  # type: ignore[method-assign]


def _add_models(app: FastAPI, served: Mapping[str, Served], limits: Limits, metrics: Metrics) -> None:
    bodies = Bodies(limits)
    of_layers: dict[str, bytes | memoryview] = {}

    def find(name: str) -> Served:
        if name not in served:
            raise RefusedError(404, f"there is no such model: there are {', '.join(served)}")
        return served[name]

    @app.get("/v1/models", summary="The models", response_model=Models, responses={401: REFUSALS[401]})
    async def models() -> Response:
        """List the models."""
        return _json({"models": [_about(name, each.model) for name, each in served.items()]})

    @app.post(
        "/v1/models/{name}/predict", summary="Answers for items", response_model=Predicted, responses=REFUSALS,
        openapi_extra=PREDICT,
    )  # fmt: skip
    async def predict(request: Request) -> Response:
        """Answer items. One that cannot be read has an error in its place; 422 if that holds for all of them."""
        name = request.path_params["name"]
        worker = find(name).worker
        cautions, rule = flag(request, "cautions", default=True), rule_of(request, served[name].model)
        async with contextlib.AsyncExitStack() as held:
            with worker.expected():
                sent = await held.enter_async_context(bodies.items(request))
                allowance = limits.allowance()
                done = worker.answers([Asked(each, cautions, allowance, rule) for each in sent])
            answers = await _while_connected(request, done)
        results = [_result(each.name, answer) for each, answer in zip(sent, answers, strict=True)]
        failed = sum(bool(answer.error) for answer in answers)
        metrics.items.labels(name, "answer").inc(len(answers) - failed)
        metrics.items.labels(name, "error").inc(failed)
        body = {"model": name, "classes": served[name].model.class_names, "results": results}
        return _json(body, 422 if failed == len(answers) else 200)

    @app.post(
        "/v1/models/{name}/explain", summary="How the network reached its answer for one item", response_model=Values,
        responses=REFUSALS, openapi_extra=EXPLAIN,
    )  # fmt: skip
    async def explain(request: Request) -> Response:
        """Return how the network reached its answer for one item: the values of every layer that the page draws."""
        each = find(request.path_params["name"])
        async with bodies.items(request) as sent:
            if len(sent) != 1:
                raise RefusedError(422, f"one item is explained at a time, got {len(sent)}")
            try:
                call = each.worker.call(lambda: each.answering.explain(sent[0], live.maps))
                values = await _while_connected(request, asyncio.wrap_future(call))
            except ItemError as error:
                raise RefusedError(422, error.reason) from None
        return _json(values)

    @app.get(
        "/v1/models/{name}/layers", summary="The network as the page draws it", response_model=Layers,
        responses={each: REFUSALS[each] for each in (401, 404)},
    )  # fmt: skip
    async def layers(name: str) -> Response:
        """Return what the page draws of a network whatever the item: kernels, sizes, weights of the votes."""
        each = find(name)
        if name not in of_layers:  # the same for every item
            of_layers[name] = _json(await asyncio.wrap_future(each.worker.call(lambda: live.layers(each.model)))).body
        return Response(of_layers[name], media_type="application/json")


def _add_state(app: FastAPI, served: Mapping[str, Served], metrics: Metrics) -> None:
    @app.get("/healthz", summary="Whether the process runs")
    async def health() -> Response:
        """Say that the process runs."""
        return _json({"status": "ok"})

    @app.get("/readyz", summary="Whether all models answer", responses={503: {"description": "It is ending."}})
    async def ready() -> Response:
        """Say whether all models answer."""
        is_ready = all(each.worker.alive for each in served.values())
        return _json({"status": "ready" if is_ready else "ending"}, 200 if is_ready else 503)

    @app.get(
        "/metrics", summary="Counters for Prometheus", response_class=PlainTextResponse,
        responses={401: REFUSALS[401]},
    )  # fmt: skip
    async def counted() -> Response:
        """Return the counters in the format of Prometheus."""
        return Response(metrics.text(), headers={"content-type": metrics.content_type})


def _add_pages(app: FastAPI) -> None:
    files = live.files()
    swagger = resources.files(fastapi_offline) / "static"
    of_docs = {
        file.name: file.read_bytes()
        for file in swagger.iterdir()
        if file.name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon.png")
    }

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return _file("index.html", files, live.POLICY)

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        return _file(f"static/{name}", files, live.POLICY)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        html = get_swagger_ui_html(
            openapi_url="openapi.json",
            title="gridcnn",
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="docs/favicon.png",
        )
        html.headers["content-security-policy"] = DOCS_POLICY
        return html

    @app.get("/docs/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        return _file(name, of_docs, DOCS_POLICY)


def _about(name: str, model: FittedModel) -> dict[str, Any]:
    adapter = model.adapter
    background = None if model.background is None else model.class_names[model.background]
    return {
        "name": name, "noun": adapter.noun, "modality": adapter.modality, "classes": model.class_names,
        "background": background,
        "thresholds": None if model.thresholds is None else model.thresholds.tolist(),
    }  # fmt: skip


async def _while_connected(request: Request, done: asyncio.Future[Any]) -> Any:
    """Wait for an answer as long as the client does; without it, what was not begun is not done."""
    gone = None
    try:
        await asyncio.wait((done,), timeout=SOON)
        if not done.done():
            gone = asyncio.create_task(_disconnected(request))
            await asyncio.wait((done, gone), return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            raise RefusedError(400, "the connection was dropped before the answer")
        return done.result()
    finally:
        done.cancel()
        if gone is not None:
            gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _result(name: str, answer: Answer) -> dict[str, Any]:
    if answer.error:
        return {"item": name, "error": answer.error}
    return {
        "item": name,
        "prediction": answer.label,
        "probabilities": answer.probabilities,
        "cautions": answer.cautions,
        **({} if answer.held is None else {"set": answer.held}),
    }


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Write JSON in UTF-8; half of a surrogate pair, which has no form in it, becomes a question mark."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, dict(headers or {}), media_type="application/json")


def _file(name: str, files: Mapping[str, bytes], policy: str) -> Response:
    if name not in files:
        raise HTTPException(404)
    kind = {"js": "text/javascript"}.get(name.rpartition(".")[2]) or mimetypes.guess_type(name)[0]
    headers = {"content-security-policy": policy, "cache-control": "no-cache", "referrer-policy": "no-referrer"}
    return Response(files[name], headers=headers, media_type=kind)
