"""`gridcnn verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridcnn.cli.output import note
from gridcnn.display import printable
from gridcnn.errors import SignatureError


def verify(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model that `gridcnn train` or `gridcnn export` wrote.")
    ],
    *,
    key: Annotated[
        Path, typer.Option("--key", metavar="PUBLIC", help="The public key of whom the model should come from.")
    ],
    signature: Annotated[
        Path | None, typer.Option("--signature", metavar="FILE", help="The signature.  \\[default: MODEL.sig]")
    ] = None,
) -> None:
    """Check the signature of a model: exit code 0 if it is good, 1 if it is not, 2 if a file cannot be read."""
    from gridcnn.export.signing import verify as verify_model

    try:
        signed = verify_model(model, key, signature)
    except SignatureError as error:
        note(f"error: {error}")
        raise typer.Exit(1) from None
    print(printable(f"good signature of {model}, by the key with the fingerprint {signed.key}"))
