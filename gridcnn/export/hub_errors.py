"""What goes wrong between here and the Hugging Face Hub, in one line that says what to do."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterator
from typing import Any

from gridcnn.errors import BundleError, ConfigurationError, GridcnnError

__all__ = ["in_one_line", "package"]


def package(module: str = "") -> Any:
    """Import huggingface_hub, which is optional and slow to import, or a module of it."""
    try:
        package: Any = importlib.import_module("huggingface_hub")
        return importlib.import_module(f"huggingface_hub.{module}") if module else package
    except ImportError as error:
        raise ConfigurationError(
            "models on the hub need huggingface_hub, which is not installed: pip install '.[hub]' in the source folder"
        ) from error


@contextlib.contextmanager
def in_one_line(name: str, done: str) -> Iterator[None]:
    """Turn what goes wrong on the way to the hub into one line that says what to do."""
    errors = package("errors")
    try:
        yield
    except GridcnnError:
        raise
    except errors.GatedRepoError as error:
        raise BundleError(f"{name}: its owner gives it to those who ask: ask on its page, then log in") from error
    except errors.RevisionNotFoundError as error:
        raise BundleError(f"{name}: the repository has no such revision: check what stands behind the @") from error
    except errors.LocalEntryNotFoundError as error:
        raise BundleError(f"{name} is not in the cache, and {_UNREACHABLE}") from error
    except errors.EntryNotFoundError as error:
        raise BundleError(
            f"{name}: the repository has no such file: name one that it has, such as hf://USER/NAME/other.safetensors"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise BundleError(
            f"{name}: there is no such repository, or it is private and you are not logged in: check the name. {_LOGIN}"
        ) from error
    except errors.LocalTokenNotFoundError as error:
        raise BundleError(f"{name} cannot be {done} without a login. {_LOGIN}") from error
    except errors.HfHubHTTPError as error:
        raise BundleError(f"{name} cannot be {done}: {_refusal(error.response.status_code)}") from error
    except (errors.HTTPError, OSError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        if _OF_XET.search(said):  # it is a library of its own, and raises errors of Python, of several kinds
            raise BundleError(f"{name} cannot be {done}: {_NO_XET} ({said})") from error
        if isinstance(error, errors.HTTPError | OSError):
            raise BundleError(f"{name}: {_UNREACHABLE}") from error
        raise BundleError(f"{name} cannot be {done}: {said}") from error  # the hub answers with nonsense, for one


_UNREACHABLE = "the hub cannot be reached: check the network, and the variables HF_ENDPOINT and HF_HUB_OFFLINE"
_NO_XET = (
    "the transfer by Xet, the storage of huggingface.co, failed; if this hub has no Xet, or it cannot be reached from "
    "here, set the variable HF_HUB_DISABLE_XET=1"
)
_OF_XET = re.compile(r"/xet-(?:read|write)-token/|xethub|hf_xet")
_LOGIN = "Log in by `hf auth login`, or set the variable HF_TOKEN"


def _refusal(status: int) -> str:
    if status == 401:
        return f"you are not logged in, or your token is no longer valid. {_LOGIN}"
    if status == 403:
        return "your token does not allow it: make one with the right to write, and check USER in USER/NAME"
    if status == 429:
        return "the hub has had too many requests from here: try again in some minutes"
    return f"the hub answered with status {status}: try again later"
