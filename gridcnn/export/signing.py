"""Signatures of model files: who has the private key says that this very file is theirs.

The digest in a model finds damage; anybody can compute it. A signature only the owner of the private key can make. It
lies beside the model, in `MODEL.sig`, and is of the whole file, bundle or ONNX alike, whatever its name is.

References
----------
RFC 8032, "Edwards-Curve Digital Signature Algorithm (EdDSA)", for Ed25519.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
from pathlib import Path
from typing import Any, NamedTuple

from gridcnn.errors import ConfigurationError, SignatureError
from gridcnn.pipeline.replacing import replacing
from gridcnn.stored_json import parsed

__all__ = ["Signature", "make_keys", "needs_password", "sign", "signature_file", "verify"]

ALGORITHM, FORMAT = "Ed25519", 1
LARGEST_KEY = 10_000  # bytes of a file with a key or a signature; both have some hundred
AT_ONCE = 2**20
MODELS = (".safetensors", ".onnx")


class Signature(NamedTuple):
    """What was signed, and by which key.

    Parameters
    ----------
    path : Path
        The file with the signature.
    sha256 : str
        Digest of the model, hexadecimal.
    key : str
        Fingerprint of the public key: the first 32 hexadecimal digits of its SHA-256 digest.
    """

    path: Path
    sha256: str
    key: str


def signature_file(model: Path) -> Path:
    """Return where the signature of a model lies: `model.onnx.sig` beside `model.onnx`."""
    return model.with_name(f"{model.name}.sig")


def make_keys(path: Path, password: str | None = None) -> tuple[Path, str]:
    """Make a pair of keys: the private one in `path`, which only its owner may read, and the public one beside it.

    Parameters
    ----------
    path : Path
        A file that does not exist yet; the public key gets the same name with `.pub`.
    password : str, optional
        Encrypts the private key.

    Returns
    -------
    (Path, str)
        The file of the public key, and the fingerprint.

    Raises
    ------
    ConfigurationError
        If one of the files exists, the folder does not, or cryptography is not installed.
    """
    keys, forms = _cryptography()
    public_path = path.with_name(f"{path.name}.pub")
    if not path.parent.is_dir():
        raise ConfigurationError(f"{path}: the folder {path.parent} does not exist; make it first")
    for each in (path, public_path):
        if each.exists():
            raise ConfigurationError(f"{each} exists, and a key that is replaced is lost: choose another name")
    private = keys.Ed25519PrivateKey.generate()
    encryption = forms.BestAvailableEncryption(password.encode()) if password else forms.NoEncryption()
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # what replaces it keeps these permissions
    try:
        with replacing(path) as file:
            file.write(private.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, encryption))
        with replacing(public_path) as file:
            spki = forms.PublicFormat.SubjectPublicKeyInfo
            file.write(private.public_key().public_bytes(forms.Encoding.PEM, spki))
    except BaseException:
        path.unlink(missing_ok=True)  # half a pair is of no use
        raise
    return public_path, _fingerprint(private.public_key())


def needs_password(key: Path) -> bool:
    """Whether a private key is encrypted."""
    return b"ENCRYPTED PRIVATE KEY" in _small(key, "private key")


def sign(model: Path, key: Path, password: str | None = None) -> Signature:
    """Sign a model; an earlier signature is replaced.

    Parameters
    ----------
    model : Path
        A bundle or an exported model.
    key : Path
        The private key.
    password : str, optional
        That of the key.

    Raises
    ------
    ConfigurationError
        If a file cannot be read, is no model or no private key, the password is wrong, or cryptography is missing.
    """
    keys, forms = _cryptography()
    content = _small(key, "private key")
    try:
        private = forms.load_pem_private_key(content, password.encode() if password else None)
    except (TypeError, ValueError) as error:
        encrypted = b"ENCRYPTED PRIVATE KEY" in content
        why = "its password is missing or another one" if encrypted else "gridcnn keygen makes one"
        raise ConfigurationError(f"{key} is not a private key that can be used: {why}") from error
    if not isinstance(private, keys.Ed25519PrivateKey):
        raise ConfigurationError(f"{key} is a key of another kind, expected {ALGORITHM}: gridcnn keygen makes one")
    digest, place, fingerprint = _digest(model), signature_file(model), _fingerprint(private.public_key())
    lines = [
        f'{{"gridcnn_signature": {FORMAT}, "algorithm": "{ALGORITHM}",',
        f' "sha256": "{digest}",',
        f' "key": "{fingerprint}",',
        f' "signature": "{base64.b64encode(private.sign(_statement(digest))).decode()}"}}',
    ]
    with replacing(place, "w", encoding="ascii", newline="\n") as file:
        file.write("\n".join([*lines, ""]))
    return Signature(place, digest, fingerprint)


def verify(model: Path, key: Path, signature: Path | None = None) -> Signature:
    """Return what the signature of a model says, if it is one, by this key, of this very file.

    Parameters
    ----------
    model : Path
        A bundle or an exported model.
    key : Path
        The public key, which you have from its owner and not from where the model came from.
    signature : Path, optional
        The file with the signature; the default lies beside the model.

    Raises
    ------
    SignatureError
        If the model was changed, or the signature is of another file, by another key, or none at all.
    ConfigurationError
        If a file cannot be read, is no model or no public key, or cryptography is missing.
    """
    keys, forms = _cryptography()
    pem = _small(key, "public key")
    try:
        public = forms.load_pem_public_key(pem)
    except ValueError as error:
        raise ConfigurationError(f"{key} is not a public key: give the .pub file that gridcnn keygen made") from error
    if not isinstance(public, keys.Ed25519PublicKey):
        raise ConfigurationError(f"{key} is a key of another kind, expected {ALGORITHM}")
    digest, place = _digest(model), signature or signature_file(model)
    content = _small(place, "signature")
    try:
        stated = parsed(content)
        if stated.get("gridcnn_signature") != FORMAT or stated.get("algorithm") != ALGORITHM:
            raise ValueError("another format")
        signed, by = base64.b64decode(stated["signature"], validate=True), str(stated.get("key"))
        of = str(stated.get("sha256"))
    except (KeyError, TypeError, ValueError) as error:
        raise SignatureError(
            f"{place} is not a signature that this gridcnn reads, so {model} is not verified"
        ) from error
    try:
        public.verify(signed, _statement(digest))
    except _invalid() as error:
        fingerprint = _fingerprint(public)
        # What the file states of itself is not trusted: it only tells a person where to look.
        if of != digest:
            why = f"{model} was changed after it was signed, or {place} is the signature of another file"
        elif by != fingerprint:
            why = f"{model} was signed with the key {by[:32]!r}, and {key} is {fingerprint!r}"
        else:
            why = f"the signature in {place} is forged or damaged"
        raise SignatureError(f"not verified: {why}. Do not use the model") from error
    return Signature(place, digest, _fingerprint(public))


def _statement(digest: str) -> bytes:
    """Return what is signed: words that no other program signs, and the digest of the whole file."""
    return f"gridcnn model signature {FORMAT}\nsha256 {digest}\n".encode()


def _digest(model: Path) -> str:
    if model.suffix.lower() not in MODELS:
        raise ConfigurationError(f"{model} is no model: expected a file that ends in {' or '.join(MODELS)}")
    digest = hashlib.sha256()
    try:
        with model.open("rb") as file:
            while part := file.read(AT_ONCE):
                digest.update(part)
    except OSError as error:
        raise ConfigurationError(f"{model} cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def _small(path: Path, what: str) -> bytes:
    if path.exists() and not path.is_file():  # a pipe may never end
        raise ConfigurationError(f"{path}: the {what} is no plain file")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_KEY + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: the {what} cannot be read ({error.strerror})") from error
    if len(content) > LARGEST_KEY:
        raise ConfigurationError(f"{path} is too large for a {what}")
    return content


def _fingerprint(public: Any) -> str:
    _, forms = _cryptography()
    raw = public.public_bytes(forms.Encoding.Raw, forms.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:32]


def _cryptography() -> tuple[Any, Any]:
    """Return the modules for keys and for their forms in files."""
    try:
        return (
            importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519"),
            importlib.import_module("cryptography.hazmat.primitives.serialization"),
        )
    except ImportError as error:
        raise ConfigurationError(
            "cryptography is not installed, which signatures need: pip install 'gridcnn[sign]'"
        ) from error


def _invalid() -> type[Exception]:
    kind: type[Exception] = importlib.import_module("cryptography.exceptions").InvalidSignature
    return kind
