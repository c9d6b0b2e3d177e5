"""The service, asked in this process: answers, errors of items, limits, who may ask, pages and counters."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
import tracemalloc
import wave
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from fastapi.testclient import TestClient
from PIL import Image

from gridcnn import FittedModel, datasets, fit, predict
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.adapters.received import as_received
from gridcnn.errors import ItemError
from gridcnn.serve import answering
from gridcnn.serve.app import make_app
from gridcnn.serve.limits import Limits
from gridcnn.serve.schema import Layers, Values

DIGITS = datasets.load("digits").take(range(120))
TEXTS = datasets.load("word_order").take(range(60))
RATE = 8000


@pytest.fixture(scope="module")
def models() -> dict[str, FittedModel]:
    once = {"epochs": 1}
    rng = np.random.default_rng(0)
    tones = [np.sin(np.arange(800) * pitch / 20).astype(np.float32) for pitch in (1, 2) * 6]
    series = rng.normal(size=(24, 20)).cumsum(axis=1)
    return {
        "digits": fit(ImageAdapter(), DIGITS.items, DIGITS.labels, once),
        "texts": fit(TextAdapter(), TEXTS.items, TEXTS.labels, once),
        "tones": fit(AudioAdapter(sample_rate=RATE), tones, ["low", "high"] * 6, once),
        "series": fit(ArrayAdapter(), series, ["a", "b"] * 12, once),
    }


@pytest.fixture(scope="module")
def client(models: dict[str, FittedModel]) -> Iterator[TestClient]:
    limits = Limits(body=300_000, items=100, pixels=10_000, seconds=2.0, characters=500)
    with TestClient(make_app(models, limits=limits), raise_server_exceptions=False) as client:
        yield client


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def post(client: TestClient, model: str, inputs: list[Any]) -> Any:
    """Send JSON, also what is no JSON in the strict sense."""
    body = json.dumps({"inputs": inputs})
    return client.post(f"/v1/models/{model}/predict", content=body, headers={"content-type": "application/json"})


def upload(client: TestClient, model: str, files: dict[str, bytes], query: str = "") -> Any:
    sent = [("files", (name, content)) for name, content in files.items()]
    return client.post(f"/v1/models/{model}/predict{query}", files=sent)


def errors(response: Any) -> list[str]:
    return [result.get("error", "") for result in response.json()["results"]]


def test_files_get_the_answers_of_predict_under_their_names(
    client: TestClient, models: dict[str, FittedModel], tmp_path: Path
) -> None:
    files = {f"digit-{index}.png": png(DIGITS.items[index]) for index in range(70)}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    expected = predict(models["digits"], [tmp_path / name for name in files])

    answer = upload(client, "digits", files).json()

    assert [result["item"] for result in answer["results"]] == list(files)
    assert [result["prediction"] for result in answer["results"]] == [str(label) for label in expected.labels]
    found = [result["probabilities"] for result in answer["results"]]
    np.testing.assert_allclose(found, expected.probabilities, atol=1e-6)
    assert answer["classes"] == models["digits"].class_names


@pytest.mark.parametrize(
    ("model", "items"),
    [
        ("texts", TEXTS.items[:20]),
        ("series", np.random.default_rng(1).normal(size=(9, 20)).cumsum(axis=1).tolist()),
        ("digits", [picture.tolist() for picture in DIGITS.items[:9]]),
        ("tones", [np.sin(np.arange(length) / 9).round(6).tolist() for length in (100, 800, 2000)]),
    ],
)
def test_json_gets_the_answers_of_predict(
    client: TestClient, models: dict[str, FittedModel], model: str, items: list[Any]
) -> None:
    kinds: dict[str, Callable[[Any], Any]] = {
        "digits": lambda item: np.array(item, np.uint8),
        "tones": lambda item: np.array(item, np.float32),
    }
    expected = predict(models[model], [kinds.get(model, lambda item: item)(item) for item in items])

    response = post(client, model, list(items))

    assert response.status_code == 200
    found = [result["probabilities"] for result in response.json()["results"]]
    np.testing.assert_allclose(found, expected.probabilities, atol=1e-6)


def test_a_sound_file_and_the_same_samples_as_numbers_get_the_same_answer(client: TestClient) -> None:
    samples = np.sin(np.arange(800) / 10).astype(np.float32)
    as_file = upload(client, "tones", {"a.wav": wav(samples)}).json()["results"][0]
    as_numbers = post(client, "tones", [samples.tolist()]).json()["results"][0]

    np.testing.assert_allclose(as_file["probabilities"], as_numbers["probabilities"], atol=1e-3)  # of 16 bits


def test_one_bad_file_has_its_own_error_and_the_others_their_answers(client: TestClient) -> None:
    good = png(DIGITS.items[0])
    response = upload(client, "digits", {"a.png": good, "b.png": b"no picture", "c.png": b"", "d.png": good[:-30]})

    assert response.status_code == 200
    first, *others = response.json()["results"]
    assert "prediction" in first
    assert [set(other) for other in others] == [{"item", "error"}] * 3
    assert others[0]["error"] == "not a picture of a format that is read (png, jpg, gif, bmp, tif, webp, …)"
    assert others[1]["error"] == "the file is empty (0 bytes)"


def test_names_of_files_are_only_names(client: TestClient) -> None:
    good = png(DIGITS.items[0])
    named = {"../../../etc/passwd": good, "C:\\pictures\\x.png": good, "<b>.png": good, "数字.png": good}

    answer = upload(client, "digits", named).json()

    assert [result["item"] for result in answer["results"]] == ["passwd", "x.png", "<b>.png", "数字.png"]
    assert errors(upload(client, "digits", named)) == [""] * 4


def test_a_text_never_names_a_file_of_the_server(client: TestClient, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(DIGITS.items[0]))

    response = post(client, "digits", [str(secret)])

    assert response.status_code == 422
    assert errors(response) == ["this model reads no texts: send a file (multipart/form-data), or numbers"]


@pytest.mark.parametrize(
    ("model", "item", "reason"),
    [
        ("series", [1.0] * 19, "expected shape (20,), as in training"),
        ("series", [float("nan")] + [1.0] * 19, "length 0: missing"),
        ("series", [None] + [1.0] * 19, "length 0: missing"),
        ("series", [float("inf")] + [1.0] * 19, "length 0: infinite"),
        ("series", ["5"] * 20, "expected numbers in lists of equal lengths; got a text"),
        ("series", [True] * 20, "got true or false"),
        ("series", [{}] * 20, "got an object"),
        ("series", [[[[[[[[[1]]]]]]]]], "at most 8 deep"),
        ("series", [10**400] * 20, "expected numbers in lists of equal lengths"),
        ("series", "a text", "this model reads no texts: send numbers"),
        ("series", 3, "expected a list of numbers, or lists of such lists; got one number"),
        ("series", {"a": 1}, "got an object"),
        ("digits", [[1, 2], [3]], "expected numbers in lists of equal lengths"),
        ("digits", [], "expected a path, a Pillow picture, or an array"),
        ("digits", [[0] * 101] * 101, "it has more than 10,000 pixels, the most that this service takes"),
        ("tones", [], "the recording is empty (0 samples)"),
        ("tones", [0.5, None], "NaN"),
        ("tones", [0] * (2 * RATE + 1), "it has more than 2 seconds, the most that this service takes"),
        ("texts", ["a"], "this model reads texts: send a string"),
        ("texts", "a \ud800", "expected Unicode text, got half of a surrogate pair"),
        ("texts", "a" * 501, "it has more than 500 characters, the most that this service takes"),
    ],
)
def test_an_item_that_cannot_be_answered_says_why_and_does_not_hinder_the_others(
    client: TestClient, models: dict[str, FittedModel], model: str, item: Any, reason: str
) -> None:
    goods = {
        "series": [0.5] * 20,
        "digits": DIGITS.items[0].tolist(),
        "tones": [0.1, -0.1] * 400,
        "texts": TEXTS.items[0],
    }
    alone, together = post(client, model, [item]), post(client, model, [goods[model], item, goods[model]])

    assert (alone.status_code, together.status_code) == (422, 200)
    assert reason in errors(alone)[0]
    assert [bool(error) for error in errors(together)] == [False, True, False]
    assert errors(together)[1] == errors(alone)[0]


def test_a_long_text_among_numbers_is_refused_before_any_array_is_made() -> None:
    item = ["x" * 100_000, *["a"] * 10_000]

    tracemalloc.start()
    with pytest.raises(ItemError, match="got a text"):
        as_received(item, {}, files=False, texts=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 100_000  # an array of texts has 4 GB


def test_cautions_come_with_each_answer_unless_they_are_not_wanted(client: TestClient) -> None:
    empty = post(client, "texts", ["", TEXTS.items[0]]).json()["results"]
    plain = upload(client, "digits", {"a.png": png(np.zeros((8, 8), np.uint8))}).json()["results"]
    without = upload(client, "digits", {"a.png": png(np.zeros((8, 8), np.uint8))}, "?cautions=false").json()["results"]

    assert empty[0]["cautions"] == ["it has no words"]
    assert plain[0]["cautions"] == ["it is of one colour"]
    assert without[0]["cautions"] == []


def test_any_string_is_answered_and_a_text_file_is_one_text(client: TestClient) -> None:
    texts = ["", "e\u0301🙂", "\x00", "<script>", "العربية", "我喜欢"]

    assert errors(post(client, "texts", texts)) == [""] * len(texts)
    as_file = upload(client, "texts", {"review.txt": TEXTS.items[0].encode()}).json()["results"][0]
    as_string = post(client, "texts", [TEXTS.items[0]]).json()["results"][0]
    assert as_file["probabilities"] == as_string["probabilities"]
    assert errors(upload(client, "texts", {"latin.txt": b"caf\xe9"})) == ["it is no text in UTF-8 (byte 3)"]


def test_texts_may_be_fields_of_a_form(client: TestClient) -> None:
    form = {"inputs": (None, TEXTS.items[0])}

    answer = client.post("/v1/models/texts/predict", files=form).json()

    assert answer["results"][0]["probabilities"] == post(client, "texts", [TEXTS.items[0]]).json()["results"][0][
        "probabilities"
    ]  # fmt: skip


def test_every_part_of_a_form_is_answered_in_its_place(client: TestClient) -> None:
    def part(about: str, content: bytes = b"") -> bytes:
        return b"--b\r\nContent-Disposition: form-data" + about.encode() + b"\r\n\r\n" + content + b"\r\n"

    good = png(DIGITS.items[0])
    body = b"".join(
        [
            part("; name=files; filename*=UTF-8''na%C3%AFve%20..%2Fx.png", good),
            part("; name=files; filename*=nonsense''a%FF", good),
            part('; name="size"', b"3"),
            part(""),
            part("; name=files; filename=\"a.png\"; filename*=UTF-8''b.png", good),
        ]
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    results = client.post("/v1/models/digits/predict", content=body + b"--b--\r\n", headers=headers).json()["results"]

    assert [result["item"] for result in results] == ["x.png", "file", "2", "3", "a.png"]
    assert [result.get("error", "").partition("field 'inputs'")[2] for result in results] == [
        "", "", "; got the field 'size', which has no file name", "; got the field '', which has no file name", ""
    ]  # fmt: skip


def test_a_form_of_empty_parts_is_refused_at_once(client: TestClient) -> None:
    response = client.post(
        "/v1/models/digits/predict",
        content=b"--b\r\n\r\n\r\n" * 30_000 + b"--b--\r\n",
        headers={"content-type": "multipart/form-data; boundary=b"},
    )

    assert response.status_code == 413
    assert response.json()["error"]["limit"] == "items"


def test_json_that_would_unfold_in_memory_is_refused_by_its_marks(client: TestClient) -> None:
    objects = post(client, "series", [[{}] * 60_000])
    text = post(client, "texts", ["{}," * 60_000])

    assert objects.status_code == 413
    assert "the body has too many values" in objects.json()["error"]["message"]
    assert errors(text) == ["it has more than 500 characters, the most that this service takes"]


@pytest.mark.parametrize(
    ("kind", "body", "status", "said"),
    [
        ("application/json", b'{"inputs": ["a"', 400, "no valid JSON"),
        ("application/json", b"[" * 100_000, 400, "no valid JSON"),
        ("application/json", b"\xff\xfe", 400, "no valid JSON"),
        ("application/json", b'{"inputs": [' + b"1" * 5_000 + b"]}", 400, "no valid JSON"),
        ("application/json", b"{}", 422, 'expected {"inputs": [item, …]}'),
        ("application/json", b'["a"]', 422, 'expected {"inputs": [item, …]}'),
        ("application/json", b'{"inputs": []}', 422, "the request has no items"),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 422, "the request has no items"),
        ("multipart/form-data; boundary=b", b"nonsense", 400, "no valid multipart/form-data"),
        ("multipart/form-data", b"--b--\r\n", 400, "no valid multipart/form-data"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="f', 400, "ends too early"),
        ("text/plain", b"a", 415, "expected a body of the type multipart/form-data"),
        ("", b"a", 415, "expected a body of the type multipart/form-data"),
    ],
)
def test_a_body_that_is_not_understood_is_refused(
    client: TestClient, kind: str, body: bytes, status: int, said: str
) -> None:
    response = client.post("/v1/models/texts/predict", content=body, headers={"content-type": kind} if kind else {})

    assert response.status_code == status
    assert said in response.json()["error"]["message"]


def test_too_large_a_body_and_too_many_items_are_refused_with_the_limit(client: TestClient) -> None:
    large = upload(client, "digits", {"a.png": bytes(300_001)})
    many = post(client, "texts", ["a"] * 101)
    many_files = client.post("/v1/models/digits/predict", files=[("files", ("a", b""))] * 101)
    chunked = client.post(
        "/v1/models/texts/predict",
        content=(bytes(100_000) for _ in range(4)),
        headers={"content-type": "application/json"},
    )

    assert [each.status_code for each in (large, many, many_files, chunked)] == [413] * 4
    assert large.json()["error"] | {"message": ""} == {"message": "", "limit": "body", "most": 300_000}
    assert many.json()["error"] == {
        "message": "at most 100 items are answered in one request", "limit": "items", "most": 100
    }  # fmt: skip


def test_a_picture_that_would_unfold_in_memory_is_refused_by_its_header(client: TestClient) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    def bomb(side: int) -> bytes:
        head = side.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
        pixels = zlib.compress(bytes(100 * (side + 1)), 9)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")

    response = upload(client, "digits", {"a.png": bomb(101), "b.png": bomb(12_000), "c.png": bomb(60_000)})

    assert errors(response) == ["it has more than 10,000 pixels, the most that this service takes"] * 3


def test_a_sound_is_refused_by_its_header(client: TestClient) -> None:
    loud = wav(np.ones(2 * RATE + 1))

    assert errors(upload(client, "tones", {"a.wav": loud, "b.m4a": b"x"})) == [
        "it has more than 2 seconds, the most that this service takes",
        "a service decodes wav, flac, ogg, opus, mp3, aiff, au and caf only: convert it first",
    ]


def test_the_items_of_a_request_have_limits_together(client: TestClient) -> None:
    picture = png(np.arange(8100, dtype=np.uint8).reshape(90, 90))
    pictures = upload(client, "digits", {f"{index}.png": picture for index in range(6)})
    sounds = upload(client, "tones", {f"{index}.wav": wav(np.ones(int(1.9 * RATE))) for index in range(5)})

    said = "with it, the items of this request have more than {} together, the most that this service takes: send it"
    assert [error.partition(" in another")[0] for error in errors(pictures)] == [""] * 4 + [
        said.format("40,000 pixels")
    ] * 2
    assert [error.partition(" in another")[0] for error in errors(sounds)] == [""] * 4 + [said.format("8 seconds")]
    assert errors(upload(client, "digits", {"a.png": picture})) == [""]


def test_a_large_item_is_not_decoded_again_for_its_cautions(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Any] = []
    monkeypatch.setattr(ImageAdapter, "cautions", lambda adapter, item: looked_at.append(item) or [])
    pictures = {"small.png": png(np.eye(70, dtype=np.uint8)), "large.png": png(np.eye(71, dtype=np.uint8))}

    small, large = upload(client, "digits", pictures).json()["results"]

    assert small["cautions"] == []
    assert large["cautions"] == [answering.TOO_LARGE]
    assert len(looked_at) == 1


def test_an_answer_holds_no_path_and_no_trace(client: TestClient) -> None:
    rng = np.random.default_rng(0)
    good = {"png": png(DIGITS.items[0]), "wav": wav(np.zeros(100))}
    said = ""
    for model in ("digits", "tones", "texts", "series"):
        for ending, content in good.items():
            for _ in range(15):
                broken = bytearray(content)
                for place in rng.integers(0, len(broken), 3):
                    broken[place] = rng.integers(256)
                response = upload(client, model, {f"a.{ending}": bytes(broken[: rng.integers(len(broken))])})
                assert response.status_code in (200, 422)
                said += response.text

    assert "Traceback" not in said
    assert "/tmp" not in said
    assert "gridcnn-" not in said
    assert "upload-" not in said


def test_the_list_of_models_says_what_they_read(client: TestClient) -> None:
    listed = client.get("/v1/models").json()["models"]

    assert [model["name"] for model in listed] == ["digits", "texts", "tones", "series"]
    digits = {
        "noun": "picture",
        "modality": "image",
        "classes": [*"0123456789"],
        "background": None,
        "thresholds": None,
    }
    assert listed[0] == {"name": "digits", **digits}
    missing = client.post("/v1/models/birds/predict", json={"inputs": ["a"]})
    assert missing.status_code == 404
    assert missing.json()["error"]["message"] == "there is no such model: there are digits, texts, tones, series"


def test_an_explanation_holds_the_numbers_of_the_page(client: TestClient) -> None:
    content = png(DIGITS.items[0])
    layers = client.get("/v1/models/digits/layers").json()
    values = client.post("/v1/models/digits/explain", files={"files": ("a.png", content)}).json()
    answer = upload(client, "digits", {"a.png": content}).json()["results"][0]

    Layers.model_validate(layers)
    Values.model_validate(values)
    grid = values["grid"]
    assert np.frombuffer(base64.b64decode(grid["numbers"]), "<f4").size == np.prod(grid["shape"])
    assert layers["classes"] == [*"0123456789"]
    assert len(values["maps"]) == len(layers["groups"])
    np.testing.assert_allclose(values["probabilities"], answer["probabilities"], atol=1e-5)


def test_one_readable_item_is_explained_at_a_time(client: TestClient) -> None:
    content = png(DIGITS.items[0])
    two = client.post("/v1/models/digits/explain", files=[("files", ("a.png", content))] * 2)
    broken = client.post("/v1/models/digits/explain", files={"files": ("a.png", b"x")})

    assert (two.status_code, broken.status_code) == (422, 422)
    assert two.json()["error"]["message"] == "one item is explained at a time, got 2"
    assert broken.json()["error"]["message"].startswith("not a picture of a format that is read")


def test_pages_come_with_a_policy_and_nothing_from_elsewhere(client: TestClient) -> None:
    page, docs = client.get("/"), client.get("/docs")

    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "default-src 'none'" in docs.headers["content-security-policy"]
    assert "http" not in docs.text.replace("http-equiv", "")
    for asset in ("docs/swagger-ui-bundle.js", "docs/swagger-ui.css", "static/style.css"):
        response = client.get(f"/{asset}")
        assert response.status_code == 200
        assert response.headers["x-content-type-options"] == "nosniff"
    assert client.get("/static/..%2F..%2Fapp.py").status_code == 404
    assert client.get("/nothing").json() == {"error": {"message": "there is nothing at this address: see /docs"}}
    assert client.put("/v1/models").status_code == 405


def test_head_is_answered_like_get_without_a_body(client: TestClient) -> None:
    for path in ("/healthz", "/readyz", "/", "/v1/models", "/nothing"):
        asked, told = client.get(path), client.head(path)
        assert (told.status_code, told.content) == (asked.status_code, b"")
        assert told.headers["content-length"] == asked.headers["content-length"]


def test_counters_tell_requests_items_and_batches(models: dict[str, FittedModel]) -> None:
    with TestClient(make_app({"texts": models["texts"]})) as client:
        post(client, "texts", ["a", 3])
        client.get("/healthz")
        counted = client.get("/metrics")

    assert counted.headers["content-type"].startswith("text/plain")
    lines = counted.text.splitlines()
    assert 'gridcnn_requests_total{route="/v1/models/{name}/predict",status="200"} 1.0' in lines
    assert 'gridcnn_items_total{model="texts",outcome="answer"} 1.0' in lines
    assert 'gridcnn_items_total{model="texts",outcome="error"} 1.0' in lines
    assert 'gridcnn_batch_items_sum{model="texts"} 2.0' in lines


def test_with_a_token_the_api_needs_it_and_probes_do_not(models: dict[str, FittedModel]) -> None:
    with TestClient(make_app({"texts": models["texts"]}, token="secret-token")) as client:
        closed = ["/v1/models", "/metrics", "/v1/models/texts/layers"]
        assert [client.get(each).status_code for each in closed] == [401] * 3
        wrong = client.get("/v1/models", headers={"authorization": "Bearer secret-toke"})
        assert wrong.status_code == 401
        assert wrong.headers["www-authenticate"] == "Bearer"
        right = {"authorization": "Bearer secret-token"}
        assert [client.get(each, headers=right).status_code for each in closed] == [200] * 3
        odd = client.get("/v1/models", headers={"authorization": b"Bearer \xff"})
        assert odd.status_code == 401
        assert [client.get(each).status_code for each in ("/healthz", "/readyz", "/")] == [200] * 3


def test_the_document_says_what_needs_the_token(client: TestClient, models: dict[str, FittedModel]) -> None:
    with TestClient(make_app({"texts": models["texts"]}, token="secret-token")) as closed:
        document = closed.get("/openapi.json").json()
    needs = {
        path: "security" in operation
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }

    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert [path for path, needed in needs.items() if not needed] == ["/healthz", "/readyz"]
    assert "securitySchemes" not in client.get("/openapi.json").json()["components"]


def test_answers_are_written_in_utf8(client: TestClient) -> None:
    response = upload(client, "digits", {"数字.png": png(DIGITS.items[0])})

    assert "数字.png" in response.content.decode()


def test_pages_of_other_sites_may_not_use_it_unless_they_are_named(models: dict[str, FittedModel]) -> None:
    other, ours = {"origin": "https://a.org"}, {"origin": "http://testserver"}
    ask = {"inputs": ["a"]}
    with TestClient(make_app({"texts": models["texts"]}, hosts={"testserver"})) as client:
        assert client.post("/v1/models/texts/predict", json=ask, headers=other).status_code == 403
        assert client.post("/v1/models/texts/predict", json=ask, headers={"origin": "null"}).status_code == 403
        assert client.post("/v1/models/texts/predict", json=ask, headers=ours).status_code == 200
        for host in ("rebound.example:8000", "x@testserver", "testserver/", ""):
            assert client.get("/v1/models", headers={"host": host}).status_code == 400
        assert "access-control-allow-origin" not in client.get("/v1/models", headers=other).headers
    with TestClient(make_app({"texts": models["texts"]}, origins=["https://a.org"])) as client:
        answer = client.post("/v1/models/texts/predict", json=ask, headers=other)
        preflight = client.options(
            "/v1/models/texts/predict", headers={**other, "access-control-request-method": "POST"}
        )
        assert answer.status_code == preflight.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://a.org"


def test_what_is_left_of_a_request_is_not_answered_once_its_client_has_gone(
    models: dict[str, FittedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[str] = []

    def slowly(self: answering.Answering, asked: list[answering.Asked]) -> list[answering.Answer]:
        time.sleep(0.1)
        answered.append(asked[0].sent.name)
        return [answering.Answer("a", [1.0])]

    monkeypatch.setattr(answering.Answering, "answers", slowly)
    app = make_app({"texts": models["texts"]})
    path = "/v1/models/texts/predict"
    body = json.dumps({"inputs": ["a"] * 50}).encode()
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "scheme": "http", "server": ("localhost", 80),
    }  # fmt: skip

    async def ask() -> None:
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            if message := next(messages, None):
                return message
            await asyncio.sleep(0.3)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            pass

        await asyncio.wait_for(app(scope, receive, send), 10)

    with ThreadPoolExecutor(1) as alone:  # in this thread a loop may be running, of a browser's tests
        alone.submit(asyncio.run, ask()).result()
    time.sleep(0.5)

    assert 1 <= len(answered) <= 6


def test_a_fault_is_told_without_its_trace(models: dict[str, FittedModel], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("/secret/place")

    with TestClient(make_app({"texts": models["texts"]}), raise_server_exceptions=False) as client:
        monkeypatch.setattr("gridcnn.serve.app._about", broken)
        listed = client.get("/v1/models")
        monkeypatch.setattr("gridcnn.serve.answering.predict_in_parts", broken)
        predicted = post(client, "texts", ["a", "b"])

    assert listed.status_code == 500
    assert listed.json() == {"error": {"message": "this is a fault of the service, which its log describes"}}
    assert errors(predicted) == ["the model could not answer this item"] * 2


def test_an_item_that_breaks_a_batch_leaves_the_others_alone(
    models: dict[str, FittedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gridcnn.inference import predict_in_parts

    def fragile(model: FittedModel, items: Any, *, precision: str) -> Any:
        if "bad" in items:
            raise RuntimeError("no memory")
        return predict_in_parts(model, items)

    monkeypatch.setattr("gridcnn.serve.answering.predict_in_parts", fragile)
    with TestClient(make_app({"texts": models["texts"]})) as client:
        assert errors(post(client, "texts", ["good", "bad", "good"])) == [
            "",
            "the model could not answer this item",
            "",
        ]


def test_bfloat16_answers_beside_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def predict(model: object, items: object, *, precision: str) -> list[Any]:
        asked.append(precision)
        return []

    monkeypatch.setattr(answering, "predict_in_parts", predict)
    monkeypatch.setattr(answering, "predictor", lambda network, device, precision: asked.append(precision))
    model: Any = SimpleNamespace(class_names=[], network=None)
    answering.Answering(model, Limits(), "bfloat16")._predicted([])

    assert asked == ["bfloat16", "bfloat16"]
