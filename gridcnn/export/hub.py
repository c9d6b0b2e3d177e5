"""Models on the Hugging Face Hub: uploaded with their card, downloaded by the name `hf://USER/NAME`.

What is downloaded is one file of numbers and text, never anything that runs: a bundle or an ONNX file.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gridcnn.errors import BundleError, ConfigurationError, ExportError, NotABundleError
from gridcnn.export.hub_errors import in_one_line, package

if TYPE_CHECKING:
    from gridcnn.export.card_scores import AnyReport
    from gridcnn.model import FittedModel

__all__ = [
    "HubName",
    "Pushed",
    "as_shown",
    "fetch",
    "is_hub_name",
    "parts_of_name",
    "push",
    "without_progress",
]

BUNDLE, EXPORTED, CARD = "model.safetensors", "model.onnx", "README.md"
"""The files of a model on the hub."""

SUFFIXES = (".safetensors", ".onnx")
"""Files that are downloaded: they hold numbers and text, and loading one runs nothing that it brings along."""

_FORM = "hf://USER/NAME, also with a revision and a file: hf://USER/NAME@v1/model.onnx"
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_REPOSITORY = re.compile(rf"(?!.*(?:--|\.\.))(?=.{{3,96}}$){_PART}/{_PART}(?<!\.git)")
_NAME = re.compile(r"hf:/{1,2}(?P<repository>[^/@]+/[^/@]+)(?:@(?P<revision>[^/@]+))?(?:/(?P<inside>.+))?")
_REVISION = re.compile(r"(?!.*\.\.)[\w-][\w.-]*(?:/[\w-][\w.-]*)*")


@dataclass(frozen=True)
class HubName:
    """What `hf://USER/NAME[@REVISION][/FILE]` names.

    Parameters
    ----------
    repository : str
        `USER/NAME`.
    revision : str or None
        A branch, a tag or a commit, of letters, digits, `-`, `_`, `.` and `/`; None means the newest. In the name a
        slash in it is written `%2F`.
    file : str
        File in the repository.

    Examples
    --------
    >>> HubName.parse("hf://me/birds@v1")
    HubName(repository='me/birds', revision='v1', file='model.safetensors')
    """

    repository: str
    revision: str | None = None
    file: str = BUNDLE

    def __str__(self) -> str:
        revision = f"@{self.revision.replace('/', '%2F')}" if self.revision else ""
        return f"hf://{self.repository}{revision}/{self.file}"

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> HubName:
        """Read a name; a path in which one of the two slashes got lost is one too.

        Raises
        ------
        ConfigurationError
            If it has another form, a revision that leads elsewhere, or names a file that is no model.
        """
        text = Path(text).as_posix() if isinstance(text, os.PathLike) else text
        repository, revision, file = parts_of_name(text, _NAME, "a model", _FORM)
        file, shown = file or BUNDLE, as_shown(text)
        odd = ".." in PurePosixPath(file).parts or "\\" in file or not file.isprintable()
        if odd or not file.lower().endswith(SUFFIXES):
            raise ConfigurationError(f"{shown}: only {' and '.join(SUFFIXES)} files are downloaded: expected {_FORM}")
        return cls(repository, revision, file)


def parts_of_name(text: str, pattern: re.Pattern[str], what: str, form: str) -> tuple[str, str | None, str]:
    """Return the repository, the revision or None, and what is named in it, or an empty string.

    Parameters
    ----------
    text : str
        A name on the hub.
    pattern : pattern
        Its form, with groups called `repository`, `revision` and `inside`.
    what, form : str
        What it is the name of, and its form in words.

    Raises
    ------
    ConfigurationError
        If it has another form, or a revision that leads elsewhere.
    """
    found = pattern.fullmatch(text)
    if found is None or not _REPOSITORY.fullmatch(found["repository"]):
        raise ConfigurationError(f"{as_shown(text)} is not the name of {what} on the hub: expected {form}")
    revision = found["revision"] and unquote(found["revision"])
    if revision is not None and not _REVISION.fullmatch(revision):
        raise ConfigurationError(
            f"{as_shown(text)}: a revision is a branch, a tag or a commit, of letters, digits, - _ . and %2F, without "
            f"'..' and without parts that begin with a dot: expected {form}"
        )
    return found["repository"], revision, found["inside"] or ""


def as_shown(text: str) -> str:
    """Return a name as messages show it."""
    return text if text.isprintable() else repr(text)


def is_hub_name(text: str | os.PathLike[str]) -> bool:
    """Whether a text, or the path that was made of it, begins as the name of a model on the hub does."""
    return os.fspath(text).replace("\\", "/").startswith("hf:/")


def fetch(name: str | os.PathLike[str], *, token: str | None = None, endpoint: str | None = None) -> Path:
    """Download a model once, and return where it lies.

    Parameters
    ----------
    name : str or path
        `hf://USER/NAME[@REVISION][/FILE]`; FILE is `model.safetensors` by default.
    token : str, optional
        The default is the variable `HF_TOKEN`, or that of `hf auth login`.
    endpoint : str, optional
        Address of the hub. The default is the variable `HF_ENDPOINT`, or https://huggingface.co.

    Returns
    -------
    Path
        A file in the cache of huggingface_hub, which is used again as long as it is the newest.

    Raises
    ------
    ConfigurationError
        If the name has another form, or huggingface_hub is missing.
    NotABundleError
        If the file is not one that gridcnn wrote.
    BundleError
        If there is no such model or file, it may not be read, or the hub cannot be reached.
    """
    asked = HubName.parse(name)
    hub, endpoint = package(), endpoint or os.environ.get("HF_ENDPOINT")
    with in_one_line(str(asked), "read"), without_progress():
        url = hub.hf_hub_url(asked.repository, asked.file, revision=asked.revision, endpoint=endpoint)
        path = Path(
            hub.hf_hub_download(
                asked.repository,
                asked.file,
                revision=asked.revision,
                token=token,
                endpoint=endpoint,
                library_name="gridcnn",
                local_files_only=not _answers(url, token),
            )
        )
    if path.suffix.lower() == ".safetensors":
        from gridcnn.bundle import is_bundle  # noqa: PLC0415  (imports torch, which an ONNX file does not need)

        if not is_bundle(path):
            raise NotABundleError(f"{asked} is a safetensors file, but not one that gridcnn wrote")
    return path


def _answers(url: str, token: str | None) -> bool:
    """Whether the hub answers, which is asked once: the download itself would try for half a minute.

    Its refusals are raised, as by the download.
    """
    errors = package("errors")
    try:
        package().get_hf_file_metadata(url, token=token)
    except errors.HfHubHTTPError as error:
        if error.response.status_code < 500:
            raise
        return False
    except (errors.HTTPError, OSError):  # the former is that of the HTTP client
        return False
    return True


@dataclass(frozen=True)
class Pushed:
    """What was uploaded.

    Parameters
    ----------
    url : str
        Page of the model.
    files : tuple of str
        Names of its files.
    without_onnx : str
        Why there is no ONNX file among them; empty if there is one.
    """

    url: str
    files: tuple[str, ...]
    without_onnx: str = ""


def push(
    model_path: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    token: str | None = None,
    licence: str | None = None,
    evaluation: AnyReport | None = None,
    onnx: bool = True,
    endpoint: str | None = None,
) -> Pushed:
    """Upload a model with its card, and as ONNX where that is possible, in one commit.

    Parameters
    ----------
    model_path : path
        A bundle.
    repo_id : str
        `USER/NAME`; it is made if it does not exist.
    private : bool
        Whether only its owner may see it.
    token : str, optional
        The default is the variable `HF_TOKEN`, or that of `hf auth login`.
    licence : str, optional
        Licence of the model, for the card.
    evaluation : Report or LabelSetReport, optional
        Scores on held-out items, for the card.
    onnx : bool
        Whether to upload an ONNX file too.
    endpoint : str, optional
        Address of the hub, as for `fetch`.

    Raises
    ------
    ConfigurationError
        If the name has another form, huggingface_hub is missing, or the model should be private and its repository
        exists and is public.
    BundleError
        If the file is no bundle, the hub does not let you write, or it cannot be reached. A repository that was made
        for an upload that failed stays behind, empty.
    """
    repo_id = repo_id.removeprefix("hf://")
    if not _REPOSITORY.fullmatch(repo_id):
        raise ConfigurationError(
            f"{repo_id} is not the name of a repository: expected USER/NAME of letters, digits, - _ and ., such as "
            "me/birds"
        )
    hub = package()
    from gridcnn.bundle import load  # noqa: PLC0415  (imports torch)
    from gridcnn.export.card import model_card  # noqa: PLC0415

    model = load(model_path)

    def card(onnx: str | None) -> str:
        return model_card(
            model,
            name=repo_id.partition("/")[2],
            licence=licence,
            evaluation=evaluation,
            source=f"hf://{repo_id}",
            onnx=onnx,
        )

    contents, why_not = {BUNDLE: Path(model_path).read_bytes()}, "it was not asked for"
    if onnx:
        content, why_not = _exported(model, {"model_card": card(EXPORTED), **({"licence": licence} if licence else {})})
        if not why_not:
            contents[EXPORTED] = content
    contents[CARD] = card(None if why_not else EXPORTED).encode()
    api = hub.HfApi(endpoint=endpoint or os.environ.get("HF_ENDPOINT"), token=token, library_name="gridcnn")
    with in_one_line(repo_id, "written"):
        url = api.create_repo(repo_id, private=private or None, exist_ok=True)
        if private and not api.model_info(repo_id).private:
            raise ConfigurationError(
                f"{repo_id} exists and everyone can see it: make it private in its settings, or leave out --private"
            )
    added = [hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in contents.items()]
    try:
        with in_one_line(repo_id, "written"), without_progress():
            api.create_commit(repo_id, added, commit_message="Upload a gridcnn model")
    except BundleError as error:
        raise BundleError(f"{error}. An empty repository may be left behind: {url}") from error.__cause__
    return Pushed(str(url), tuple(contents), why_not)


def _exported(model: FittedModel, texts: Mapping[str, str]) -> tuple[bytes, str]:
    """Return the model as ONNX, and the reason why that is impossible; an empty one if it is possible."""
    from gridcnn.export.onnx_file import export_onnx  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / EXPORTED
        try:
            export_onnx(model, place, metadata=texts)
        except (ConfigurationError, ExportError) as error:
            return b"", str(error)
        return place.read_bytes(), ""


@contextlib.contextmanager
def without_progress() -> Iterator[None]:
    """Draw no progress bars meanwhile: a model is small, and the commands have their own."""
    utils = package("utils")
    drawn = not utils.are_progress_bars_disabled()
    if drawn:
        utils.disable_progress_bars()
    try:
        yield
    finally:
        if drawn:
            utils.enable_progress_bars()
