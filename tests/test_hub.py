"""Models on the hub, against a stand-in on this machine that speaks as much of its protocol as they need."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import yaml

import gridcnn
from gridcnn import datasets
from gridcnn.adapters import ImageAdapter
from gridcnn.errors import BundleError, ConfigurationError, ExportError, NotABundleError
from gridcnn.export.hub import HubName, fetch, is_hub_name, push

constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:huggingface_hub", "ignore:Use 'content")

TOKEN = "hf_for_this_test_only"


@dataclass
class Repository:
    """What the stand-in keeps of one."""

    private: bool = False
    revisions: dict[str, dict[str, bytes]] = field(default_factory=dict)


class Hub(ThreadingHTTPServer):
    """The stand-in."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.broken: dict[str, int] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def newest(self, repository: str) -> dict[str, bytes]:
        return self.repositories[repository].revisions["main"]


class Handler(BaseHTTPRequestHandler):
    """Answers what is asked of the hub when a model is pushed or fetched."""

    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, content: Any = b"", **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, {"error": code}, X_Error_Code=code, X_Error_Message=code)

    def _allowed(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self._chunks()
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        for pattern, status in self.server.broken.items():
            if re.search(pattern, path):
                return self._refuse(status, "Broken")
        for method, pattern, answer in ROUTES:
            if self.command in method and (found := re.fullmatch(pattern, path)):
                return answer(self, body, *found.groups())
        return self._refuse(404, "NoSuchRoute")

    def _chunks(self) -> bytes:
        parts = []
        while "chunked" in self.headers.get("Transfer-Encoding", ""):
            size = int(self.rfile.readline(), 16)
            parts.append(self.rfile.read(size))
            self.rfile.readline()
            if not size:
                break
        return b"".join(parts)

    do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if not self._allowed():
            return self._refuse(401, "Unauthorized")
        if asked["organization"] != "me":
            return self._refuse(403, "Forbidden")
        url = {"url": f"{self.server.address}/{name}"}
        if name in self.server.repositories:
            return self._answer(409, url)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.server.repositories[name] = Repository(private, {"main": {}})
        return self._answer(200, url)

    def validate(self, body: bytes) -> None:
        front = json.loads(body)["content"].split("---\n")[1]
        metadata = yaml.safe_load(front)
        if not isinstance(metadata, dict) or "library_name" not in metadata:
            return self._answer(400, {"errors": [{"message": "no metadata"}]})
        return self._answer(200, {})

    def info(self, _: bytes, name: str) -> None:
        found = self.server.repositories.get(name)
        if found is None or not self._allowed():
            return self._refuse(404, "RepoNotFound")
        return self._answer(200, {"id": name, "private": found.private, "sha": "0" * 40, "siblings": [], "tags": []})

    def preupload(self, body: bytes, name: str) -> None:
        if name not in self.server.repositories:
            return self._refuse(404, "RepoNotFound")
        answers = []
        for each in json.loads(body)["files"]:
            mode = "regular" if each["path"].endswith(".md") else "lfs"
            answers.append({"path": each["path"], "uploadMode": mode, "shouldIgnore": False})
        return self._answer(200, {"files": answers})

    def batch(self, body: bytes, name: str) -> None:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.server.address}/stored/{each['oid']}", "header": {}}}}
            for each in json.loads(body)["objects"]
        ]
        self._answer(200, {"transfer": "basic", "objects": objects}, Content_Type="application/vnd.git-lfs+json")

    def store(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.server.stored[oid] = body
        self._answer(200)

    def commit(self, body: bytes, name: str) -> None:
        files = self.server.newest(name)
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.stored[value["oid"]]
        self._answer(200, {"commitUrl": f"{self.server.address}/{name}/commit/{'1' * 40}", "commitOid": "1" * 40})

    def resolve(self, _: bytes, name: str, revision: str, file: str) -> None:
        found = self.server.repositories.get(name)
        if name == "me/gated":
            return self._refuse(403, "GatedRepo")
        if found is None or (found.private and not self._allowed()):
            return self._refuse(401, "RepoNotFound")
        if revision not in found.revisions and revision != "1" * 40:
            return self._refuse(404, "RevisionNotFound")
        files = found.revisions.get(revision, found.revisions["main"])
        if file not in files:
            return self._answer(404, b"", X_Error_Code="EntryNotFound", X_Repo_Commit="1" * 40)
        oid = hashlib.sha256(files[file]).hexdigest()
        return self._answer(200, files[file], ETag=f'"{oid}"', X_Repo_Commit="1" * 40)


ROUTES: list[tuple[set[str], str, Callable[..., None]]] = [
    ({"POST"}, r"/api/repos/create", Handler.create),
    ({"POST"}, r"/api/validate-yaml", Handler.validate),
    ({"GET"}, r"/api/models/([^/]+/[^/]+)", Handler.info),
    ({"POST"}, r"/api/models/([^/]+/[^/]+)/preupload/main", Handler.preupload),
    ({"POST"}, r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", Handler.batch),
    ({"PUT"}, r"/stored/(\w+)", Handler.store),
    ({"POST"}, r"/api/models/([^/]+/[^/]+)/commit/main", Handler.commit),
    ({"GET", "HEAD"}, r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", Handler.resolve),
]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """Start the stand-in, and let huggingface_hub know no other hub, no saved login and no old cache."""
    standing_in = Hub()
    thread = threading.Thread(target=standing_in.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", standing_in.address)
    yield standing_in
    standing_in.shutdown()
    standing_in.server_close()
    thread.join()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    digits = datasets.load("digits").take(range(200))
    model = gridcnn.fit(ImageAdapter(), digits.items, digits.labels, {"epochs": 1, "kernels": (4,)})
    path = tmp_path_factory.mktemp("model") / "digits.safetensors"
    gridcnn.save(model, path)
    return path


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert TOKEN not in message
    return message


def held(hub: Hub, name: str, private: bool = False, **files: bytes) -> None:
    """Put files into a repository of the stand-in."""
    named = {file.replace("__", "."): content for file, content in files.items()}
    hub.repositories[name] = Repository(private, {"main": named})


# ---- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://me/birds", HubName("me/birds")),
        ("hf:/me/birds", HubName("me/birds")),
        (Path("hf://me/birds"), HubName("me/birds")),
        ("hf://me/birds@v1.0", HubName("me/birds", "v1.0")),
        ("hf://me/birds@refs%2Fpr%2F1/a/b.ONNX", HubName("me/birds", "refs/pr/1", "a/b.ONNX")),
        ("hf://some-org/my.birds_2/model.onnx", HubName("some-org/my.birds_2", None, "model.onnx")),
    ],
)
def test_a_name_has_a_repository_a_revision_and_a_file(text: str | Path, expected: HubName) -> None:
    assert HubName.parse(text) == expected == HubName.parse(str(expected))
    assert is_hub_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "hf://", "hf://me", "hf://me/", "hf:///birds", "hf://me/birds@", "hf://me/bi rds", "hf://me/a--b", "hf://me/a..b",
        "hf://-me/birds", "hf://me/birds.git", "hf://me/birds@v1@v2", f"hf://me/{'a' * 100}", "hf://me/..",
    ],
)  # fmt: skip
def test_a_name_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="hf://USER/NAME") as error:
        HubName.parse(text)
    one_line(error)


@pytest.mark.parametrize(
    "revision",
    ["%2e%2e%2fx", "..", "a%2F..%2Fb", "a..b", ".", "%2Fx", "x%2F", "a%2F%2Fb", "a%2F.b", "%00", "v1%0d%0aX: y", "v1 ",
     "v1%252Fx", "a%5Cb", "v1%3Fx", "v1%23x", "%FF"],
)  # fmt: skip
def test_a_revision_that_leads_elsewhere_is_refused_before_anything_is_asked(hub: Hub, revision: str) -> None:
    with pytest.raises(ConfigurationError, match="a revision is a branch, a tag or a commit") as error:
        fetch(f"hf://me/birds@{revision}")
    one_line(error)
    assert hub.asked == []


@pytest.mark.parametrize(
    "file",
    ["model.pkl", "pytorch_model.bin", "run.py", "../x.onnx", "a/../../x.safetensors", "x", "a\0.onnx", "a\r.onnx"],
)
def test_what_could_run_or_lead_elsewhere_is_never_asked_for(hub: Hub, file: str) -> None:
    with pytest.raises(ConfigurationError, match=r"only \.safetensors and \.onnx files are downloaded"):
        fetch(f"hf://me/birds/{file}")
    assert hub.asked == []


@pytest.mark.parametrize(
    "text", ["birds.safetensors", "models/hf/x.safetensors", "hf", "https://huggingface.co/me/birds"]
)
def test_files_are_no_names_of_the_hub(text: str) -> None:
    assert not is_hub_name(text)
    assert not is_hub_name(Path(text))


# ---- there and back -------------------------------------------------------------------------------------------------


def test_a_pushed_model_is_fetched_byte_for_byte(hub: Hub, bundle: Path) -> None:
    pushed = push(bundle, "me/digits", licence="mit", onnx=False)
    got = fetch("hf://me/digits")

    assert pushed.url == f"{hub.address}/me/digits"
    assert set(pushed.files) == {"README.md", "model.safetensors"} == set(hub.newest("me/digits"))
    assert got.read_bytes() == bundle.read_bytes()
    items = datasets.load("digits").take(range(5)).items
    expected = gridcnn.predict(gridcnn.load(bundle), items).probabilities
    assert np.array_equal(gridcnn.predict(gridcnn.load(got), items).probabilities, expected)


def test_the_card_goes_with_the_model(hub: Hub, bundle: Path) -> None:
    push(bundle, "me/digits", licence="mit", onnx=False)
    card = hub.newest("me/digits")["README.md"].decode()

    assert yaml.safe_load(card.split("---\n")[1])["license"] == "mit"
    assert "# digits\n" in card
    assert "gridcnn predict hf://me/digits" in card
    assert "onnxruntime" not in card


def test_an_exported_model_goes_with_it_where_that_is_possible(
    hub: Hub, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(model: Any, path: Path, *, metadata: dict[str, str]) -> None:
        path.write_bytes(f"{len(model.classes)} classes, {metadata['licence']}".encode())

    monkeypatch.setattr("gridcnn.export.onnx_file.export_onnx", export)
    pushed = push(bundle, "me/digits", licence="mit")

    assert hub.newest("me/digits")["model.onnx"] == b"10 classes, mit"
    assert pushed.without_onnx == ""
    assert b"onnxruntime.InferenceSession" in hub.newest("me/digits")["README.md"]
    assert fetch("hf://me/digits/model.onnx").read_bytes() == b"10 classes, mit"


def test_a_model_that_cannot_be_exported_is_pushed_without_it(
    hub: Hub, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(*_: Any, **__: Any) -> None:
        raise ExportError("onnx is not installed")

    monkeypatch.setattr("gridcnn.export.onnx_file.export_onnx", export)

    assert push(bundle, "me/digits").without_onnx == "onnx is not installed"
    assert "model.onnx" not in hub.newest("me/digits")


def test_a_model_is_pushed_again_over_the_last_one(hub: Hub, bundle: Path) -> None:
    push(bundle, "me/digits", onnx=False)
    push(bundle, "me/digits", licence="cc-by-4.0", onnx=False)

    assert b"cc-by-4.0" in hub.newest("me/digits")["README.md"]


def test_a_private_model_needs_the_login(hub: Hub, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(bundle, "me/secret", private=True, onnx=False)

    assert hub.repositories["me/secret"].private
    assert fetch("hf://me/secret").is_file()
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(BundleError, match="private and you are not logged in") as error:
        fetch("hf://me/secret@main/other.safetensors")
    one_line(error)


def test_nothing_is_uploaded_to_a_public_repository_that_should_be_private(hub: Hub, bundle: Path) -> None:
    held(hub, "me/digits")

    with pytest.raises(ConfigurationError, match="everyone can see it"):
        push(bundle, "me/digits", private=True, onnx=False)
    assert hub.newest("me/digits") == {}


def test_a_revision_is_another_model(hub: Hub, bundle: Path) -> None:
    hub.repositories["me/digits"] = Repository(False, {"main": {}, "v1": {"model.safetensors": bundle.read_bytes()}})

    assert fetch("hf://me/digits@v1").read_bytes() == bundle.read_bytes()


def test_a_model_in_the_cache_is_used_without_a_network(hub: Hub, bundle: Path) -> None:
    push(bundle, "me/digits", onnx=False)
    fetch("hf://me/digits")
    hub.shutdown()
    hub.server_close()

    assert fetch("hf://me/digits").read_bytes() == bundle.read_bytes()


# ---- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf://me/nothing", "there is no such repository"),
        ("hf://me/digits@v9", "no such revision"),
        ("hf://me/digits/other.safetensors", "no such file"),
        ("hf://me/gated", "its owner gives it to those who ask"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(hub: Hub, name: str, message: str) -> None:
    held(hub, "me/digits")

    with pytest.raises(BundleError, match=message) as error:
        fetch(name)
    assert name in one_line(error)


def test_a_file_of_others_is_no_model(hub: Hub) -> None:
    others = safetensors.numpy.save({"weight": np.zeros(3, dtype=np.float32)})
    held(hub, "me/other", model__safetensors=others)
    held(hub, "me/pickle", model__safetensors=b"\x80\x04\x95 not safetensors")

    for name in ("hf://me/other", "hf://me/pickle"):
        with pytest.raises(NotABundleError, match=name) as error:
            fetch(name)
        one_line(error)


def nowhere() -> str:
    """Return an address at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_hub_that_cannot_be_reached_is_said_in_one_line(hub: Hub, bundle: Path) -> None:
    for failing in (
        lambda: fetch("hf://me/digits", endpoint=nowhere()),
        lambda: push(bundle, "me/digits", endpoint=nowhere(), onnx=False),
    ):
        with pytest.raises(BundleError, match="cannot be reached") as error:
            failing()
        one_line(error)


def test_without_a_login_nothing_is_pushed(hub: Hub, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(BundleError, match="HF_TOKEN") as error:
        push(bundle, "me/digits", onnx=False)
    one_line(error)

    with pytest.raises(BundleError, match="not logged in, or your token"):
        push(bundle, "me/digits", token="hf_wrong", onnx=False)
    assert hub.repositories == {}


def test_a_repository_of_others_is_refused(hub: Hub, bundle: Path) -> None:
    with pytest.raises(BundleError, match="check USER in USER/NAME") as error:
        push(bundle, "others/digits", onnx=False)
    one_line(error)


@pytest.mark.parametrize(("status", "message"), [(429, "too many requests"), (500, "status 500"), (413, "status 413")])
def test_a_hub_that_fails_is_said_in_one_line(hub: Hub, bundle: Path, status: int, message: str) -> None:
    hub.broken["/commit/"] = status

    with pytest.raises(BundleError, match=message) as error:
        push(bundle, "me/digits", onnx=False)
    assert f"An empty repository may be left behind: {hub.address}/me/digits" in one_line(error)
    assert hub.newest("me/digits") == {}


def test_a_hub_without_xet_names_the_variable_that_helps(
    hub: Hub, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hf_xet", reason="hf_xet is not installed")
    if int(pytest.importorskip("huggingface_hub").__version__.partition(".")[0]) < 2:
        pytest.skip("before version 2, small files were sent without xet")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)

    with pytest.raises(BundleError, match="HF_HUB_DISABLE_XET=1") as error:
        push(bundle, "me/digits", onnx=False)
    message = one_line(error)
    assert "404" in message
    assert "An empty repository may be left behind" in message
    assert "cannot be reached: check the network" not in message


def test_what_is_no_model_is_not_pushed(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")

    with pytest.raises(NotABundleError):
        push(tmp_path / "x.safetensors", "me/digits")
    with pytest.raises(ConfigurationError, match="expected USER/NAME"):
        push(tmp_path / "x.safetensors", "digits")
    assert hub.asked == []


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(ConfigurationError, match=re.escape("pip install '.[hub]'")):
        fetch("hf://me/digits")


# ---- the command line -----------------------------------------------------------------------------------------------


def test_commands_take_models_from_the_hub(hub: Hub, bundle: Path, run: Any, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / "x.png")
    pushed = run("push", bundle, "me/digits", "--licence", "mit", "--no-onnx")
    by_name = run("predict", "hf://me/digits", tmp_path / "x.png")
    by_file = run("predict", bundle, tmp_path / "x.png")
    page = run("explain", "hf://me/digits@main", tmp_path / "x.png", "-o", tmp_path / "why.html")

    assert (pushed.code, pushed.err) == (0, "")
    assert pushed.out == f"pushed model.safetensors, README.md to {hub.address}/me/digits\n"
    assert (by_name.code, by_name.out) == (0, by_file.out)
    assert page.code == 0
    assert (tmp_path / "why.html").is_file()


def test_an_exported_model_answers_from_the_hub(hub: Hub, bundle: Path, run: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra export is not installed")
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    from PIL import Image

    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / "x.png")
    pushed = run("push", bundle, "me/digits", "--licence", "mit")
    by_torch = run("predict", "hf://me/digits", tmp_path / "x.png")
    exported = run("predict", "hf://me/digits/model.onnx", tmp_path / "x.png")

    assert (pushed.code, pushed.err) == (0, "")
    assert "model.onnx" in pushed.out
    first, second = (each.out.splitlines()[1].split(",")[2:-1] for each in (by_torch, exported))
    assert np.allclose(np.array(first, float), np.array(second, float), atol=2e-6)


def test_every_command_that_takes_a_model_takes_one_of_the_hub(
    hub: Hub, bundle: Path, run: Any, tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="the extra export is not installed")
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    from gridcnn.export.exported_model import ExportedModel

    run("push", bundle, "me/digits", "--no-onnx")
    by_name, by_file = (run("evaluate", model, "digits", "--json") for model in ("hf://me/digits", bundle))
    exported = run("export", "hf://me/digits", "-o", tmp_path / "digits.onnx", "--precision", "float16")

    assert (by_name.code, by_name.out) == (0, by_file.out)
    assert exported.code == 0
    card = ExportedModel(tmp_path / "digits.onnx").metadata["model_card"]
    assert "gridcnn predict digits.onnx" in card
    assert "weights in 16 bits" in card
    assert str(tmp_path) not in card


def test_push_scores_the_model_for_its_card(hub: Hub, bundle: Path, run: Any, tmp_path: Path) -> None:
    from PIL import Image

    digits = datasets.load("digits").take(range(300, 340))
    for number, (item, label) in enumerate(zip(digits.items, digits.labels, strict=True)):
        (tmp_path / "held" / str(label)).mkdir(parents=True, exist_ok=True)
        pixels = (np.asarray(item, dtype=float) * 255 / 16).round().astype(np.uint8)
        Image.fromarray(pixels.squeeze()).save(tmp_path / "held" / str(label) / f"{number}.png")
    done = run("push", bundle, "me/digits", "--no-onnx", "--test", tmp_path / "held")
    card = hub.newest("me/digits")["README.md"].decode()

    assert done.code == 0, done.err
    assert "states no licence" in done.err
    assert "Expected calibration error" in card
    assert "| 40 |" in card
    assert "| held-out items of held |" in card
    assert str(tmp_path) not in card


def test_commands_say_in_one_line_what_is_wrong(hub: Hub, bundle: Path, run: Any) -> None:
    for arguments, message in (
        (("predict", "hf://me/nothing", "x.png"), "there is no such repository"),
        (("predict", "hf://me", "x.png"), "expected hf://USER/NAME"),
        (("push", "hf://me/digits", "me/other"), "is on the hub already"),
        (("push", bundle, "digits"), "expected USER/NAME"),
        (("push", bundle, "me/digits", "--label", "x"), "--test"),
    ):
        done = run(*arguments)
        assert done.code == 2
        assert message in done.err
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1
