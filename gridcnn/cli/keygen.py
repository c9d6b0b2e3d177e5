"""`gridcnn keygen`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridcnn.cli.sign import PASSWORD, password_of_key
from gridcnn.display import printable


def keygen(
    key: Annotated[Path, typer.Argument(metavar="KEY", help="Where the private key goes; KEY.pub is the public one.")],
    *,
    password: Annotated[
        bool, typer.Option("--password", help=f"Encrypt the private key; the password is asked for, or {PASSWORD}.")
    ] = False,
) -> None:
    """Make a pair of keys: sign models with the private one, and give the public one to those who use them."""
    from gridcnn.export.signing import make_keys

    public, fingerprint = make_keys(key, password_of_key(new=True) if password else None)
    print(printable(f"private key in {key}: keep it to yourself"))
    print(printable(f"public key in {public}, fingerprint {fingerprint}: publish it"))
