"""The ledger's Ed25519 key pair: the private key in `keys/`, the public key beside the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from some.durable import PRIVATE
from some.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from some.durable import Disk


class Signer:
    """Signs manifests and checkpoints (RFC 8032). The key proves origin, not time: root can read it."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        """Sign with `private_key`."""
        self._private_key = private_key

    @classmethod
    def open(cls, private_path: Path, public_path: Path, disk: Disk) -> Signer:
        """Return the signer of the key in `private_path`; both files are made when neither exists.

        Raises IntegrityError where the private key is gone, is no Ed25519 key, or does not fit the public one.
        """
        if not private_path.exists():
            if public_path.exists():
                raise IntegrityError(f"the private key {private_path} is missing, but {public_path.name} exists")
            disk.make_folder(private_path.parent, 0o700)
            disk.write_new(private_path, _private_pem(Ed25519PrivateKey.generate()), PRIVATE)
        try:
            key = serialization.load_pem_private_key(private_path.read_bytes(), None)
        except ValueError as fault:
            raise IntegrityError(f"{private_path} holds no private key") from fault
        if not isinstance(key, Ed25519PrivateKey):
            raise IntegrityError(f"{private_path} holds no Ed25519 key")
        signer = cls(key)
        if not public_path.exists():
            disk.write_new(public_path, signer.public_pem)
        if public_path.read_bytes() != signer.public_pem:
            raise IntegrityError(f"{public_path.name} is not the public key of {private_path}")
        return signer

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The public half."""
        return self._private_key.public_key()

    @property
    def public_pem(self) -> bytes:
        """The public half as PEM, the bytes of `<ledger>.pub.pem`."""
        return self.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, content: bytes) -> bytes:
        """Return the 64 bytes of the signature over `content`; the same content gives the same bytes."""
        return self._private_key.sign(content)


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
