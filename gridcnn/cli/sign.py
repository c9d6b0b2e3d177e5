"""`gridcnn sign`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gridcnn.display import printable
from gridcnn.errors import ConfigurationError

PASSWORD = "GRIDCNN_KEY_PASSWORD"


def sign(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model that `gridcnn train` or `gridcnn export` wrote.")
    ],
    *,
    key: Annotated[Path, typer.Option("--key", metavar="KEY", help="The private key, from `gridcnn keygen`.")],
) -> None:
    """Sign a model: MODEL.sig then shows whoever has the public key that this file comes from you, unchanged."""
    from gridcnn.export.signing import needs_password
    from gridcnn.export.signing import sign as sign_model

    signed = sign_model(model, key, password_of_key() if needs_password(key) else None)
    print(printable(f"signature in {signed.path}, by the key with the fingerprint {signed.key}"))


def password_of_key(*, new: bool = False) -> str:
    """Return the password from the environment, or ask for it."""
    given = os.environ.get(PASSWORD)
    if given:
        return given
    if not sys.stdin.isatty():
        raise ConfigurationError(f"the key has a password, and nobody is there to ask: set {PASSWORD}")
    typed: str = typer.prompt("Password of the key", hide_input=True, confirmation_prompt=new, err=True)
    return typed
