"""Signatures: good ones are recognised, and everything else says what is wrong and fails."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from gridcnn.errors import ConfigurationError, SignatureError
from gridcnn.export import signing
from gridcnn.export.signing import make_keys, needs_password, sign, signature_file, verify

pytest.importorskip("cryptography")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "birds.onnx"
    path.write_bytes(bytes(range(256)) * 9_000)  # more than is read at once
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_keys(tmp_path / "mine")
    return tmp_path / "mine"


@pytest.mark.parametrize("name", ["birds.safetensors", "birds.onnx", "BIRDS.ONNX"])
def test_a_signed_model_is_verified_under_any_name(tmp_path: Path, key: Path, name: str) -> None:
    model = tmp_path / name
    model.write_bytes(b"a model")
    signed = sign(model, key)
    (tmp_path / "b").mkdir()
    moved = model.rename(tmp_path / "b" / "other.onnx")

    found = verify(moved, tmp_path / "mine.pub", signed.path)

    assert signed.path == signature_file(model)
    assert (found.sha256, found.key) == (signed.sha256, signed.key)


@pytest.mark.parametrize("at", [0, 1_000_000, -1])
def test_one_changed_bit_anywhere_is_noticed(model: Path, key: Path, at: int) -> None:
    sign(model, key)
    content = bytearray(model.read_bytes())
    content[at] ^= 1
    model.write_bytes(content)

    with pytest.raises(SignatureError, match="was changed after it was signed"):
        verify(model, key.with_name("mine.pub"))


def test_another_key_is_named_by_its_fingerprint(model: Path, key: Path, tmp_path: Path) -> None:
    signed = sign(model, key)
    public, fingerprint = make_keys(tmp_path / "other")

    with pytest.raises(SignatureError, match=f"signed with the key '{signed.key}', and .* is '{fingerprint}'"):
        verify(model, public)


def test_the_signature_of_another_file_is_none(model: Path, key: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"another model")
    sign(model, key)
    signature_file(other).write_bytes(signature_file(model).read_bytes())

    with pytest.raises(SignatureError, match="is the signature of another file"):
        verify(other, key.with_name("mine.pub"))


def test_what_a_signature_file_says_of_itself_is_not_believed(model: Path, key: Path, tmp_path: Path) -> None:
    mine = sign(model, key)
    make_keys(tmp_path / "forger")
    sign(model, tmp_path / "forger")
    stated = json.loads(signature_file(model).read_text()) | {"key": mine.key}
    signature_file(model).write_text(json.dumps(stated))

    with pytest.raises(SignatureError, match="forged or damaged"):
        verify(model, key.with_name("mine.pub"))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\xff\xfe", b"[1]", b'{"gridcnn_signature": 2, "algorithm": "Ed25519", "signature": ""}',
     b'{"gridcnn_signature": 1, "algorithm": "none", "signature": ""}',
     b'{"gridcnn_signature": 1, "algorithm": "Ed25519", "signature": "***"}',
     b'{"gridcnn_signature": 1, "algorithm": "Ed25519", "signature": 5}',
     b'{"gridcnn_signature": 1, "algorithm": "Ed25519", "signature": "", "signature": ""}',
     b'{"a":' + b"[" * 3_000],
)  # fmt: skip
def test_a_file_that_is_no_signature_verifies_nothing(model: Path, key: Path, content: bytes) -> None:
    signature_file(model).write_bytes(content)

    with pytest.raises(SignatureError, match="is not a signature that this gridcnn reads"):
        verify(model, key.with_name("mine.pub"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such pipes on this system")
def test_a_pipe_is_no_key_and_no_signature_and_nobody_waits_for_it(model: Path, key: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for public, signature in ((tmp_path / "pipe", None), (key.with_name("mine.pub"), tmp_path / "pipe")):
        with pytest.raises(ConfigurationError, match="no plain file"):
            verify(model, public, signature)


@pytest.mark.parametrize("signature", ["", "AAAA", "A" * 86 + "=="])
def test_a_signature_of_the_right_form_alone_verifies_nothing(model: Path, key: Path, signature: str) -> None:
    signed = sign(model, key)
    stated = json.loads(signed.path.read_text()) | {"signature": signature}
    signed.path.write_text(json.dumps(stated))

    with pytest.raises(SignatureError, match="forged or damaged"):
        verify(model, key.with_name("mine.pub"))


def test_a_private_key_is_its_owners_and_never_replaced(tmp_path: Path, key: Path) -> None:
    content = key.read_bytes()

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "mine.pub").stat().st_mode) & stat.S_IROTH
    with pytest.raises(ConfigurationError, match="choose another name"):
        make_keys(key)
    assert key.read_bytes() == content


def test_a_key_with_a_password_needs_it(model: Path, tmp_path: Path) -> None:
    public, _ = make_keys(tmp_path / "locked", "säsam")

    assert needs_password(tmp_path / "locked")
    assert b"ENCRYPTED" in (tmp_path / "locked").read_bytes()
    for password in (None, "wrong"):
        with pytest.raises(ConfigurationError, match="its password is missing or another one"):
            sign(model, tmp_path / "locked", password)
    sign(model, tmp_path / "locked", "säsam")
    verify(model, public)


def test_keys_of_another_kind_or_side_are_refused(model: Path, key: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric import ec

    other = ec.generate_private_key(ec.SECP256R1())
    pem, pkcs8, spki = forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "ec").write_bytes(other.private_bytes(pem, pkcs8, forms.NoEncryption()))
    (tmp_path / "ec.pub").write_bytes(other.public_key().public_bytes(pem, spki))
    sign(model, key)

    with pytest.raises(ConfigurationError, match="expected Ed25519"):
        sign(model, tmp_path / "ec")
    with pytest.raises(ConfigurationError, match="expected Ed25519"):
        verify(model, tmp_path / "ec.pub")
    with pytest.raises(ConfigurationError, match="is not a private key"):
        sign(model, tmp_path / "mine.pub")
    with pytest.raises(ConfigurationError, match="is not a public key"):
        verify(model, key)


def test_without_cryptography_a_person_is_told_how_to_get_it(model: Path, key: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives.serialization", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'gridcnn\[sign\]'"):
        sign(model, key)


def test_the_commands_make_keys_sign_and_verify(tmp_path: Path, model: Path, run: Any, monkeypatch: Any) -> None:
    key, public = tmp_path / "k", tmp_path / "k.pub"
    monkeypatch.setenv("GRIDCNN_KEY_PASSWORD", "sesame")

    made, signed = run("keygen", key, "--password"), run("sign", model, "--key", key)
    good = run("verify", model, "--key", public)
    model.write_bytes(b"changed")
    changed = run("verify", model, "--key", public)
    missing = run("verify", tmp_path / "none.onnx", "--key", public)
    unsigned = tmp_path / "new.onnx"
    unsigned.write_bytes(b"new")
    never = run("verify", unsigned, "--key", public)
    odd = run("sign", public, "--key", key)

    assert (made.code, signed.code, good.code) == (0, 0, 0)
    assert needs_password(key)
    assert "good signature" in good.out
    assert (changed.code, changed.err.count("\n")) == (1, 1)
    assert "was changed after it was signed" in changed.err
    assert (missing.code, never.code, odd.code) == (2, 2, 2)
    assert "No such file" in missing.err
    assert "the signature cannot be read" in never.err
    assert "is no model" in odd.err


def test_a_locked_key_is_not_asked_for_where_nobody_is(tmp_path: Path, model: Path, run: Any, monkeypatch: Any) -> None:
    make_keys(tmp_path / "k", "sesame")
    monkeypatch.delenv("GRIDCNN_KEY_PASSWORD", raising=False)

    done = run("sign", model, "--key", tmp_path / "k")

    assert done.code == 2
    assert "GRIDCNN_KEY_PASSWORD" in done.err


def test_a_key_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(signing, "replacing", full)

    with pytest.raises(OSError, match="No space"):
        make_keys(tmp_path / "k")
    assert list(tmp_path.iterdir()) == []
