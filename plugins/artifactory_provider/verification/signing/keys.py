"""Public keys that signatures are verified with.

The algorithms are those that cosign takes by default for a key of each kind: ECDSA with a digest as long as the curve,
or SHA-256 as older versions had it; RSA with PKCS #1 v1.5 and SHA-256; Ed25519 (sigstore/sigstore,
``pkg/signature/verifier.go`` and ``algorithm_registry.go``). RSA-PSS and Ed25519ph, which cosign has as options, are
not taken.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography.hazmat.primitives.hashes import HashAlgorithm

_Key = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey

_HASHES: dict[type, tuple[HashAlgorithm, ...]] = {
    SECP256R1: (SHA256(),),
    SECP384R1: (SHA384(), SHA256()),
    SECP521R1: (SHA512(), SHA256()),
}
_RSA_BITS = range(2048, 8192 + 1)
ANY_KEY = "any"
"""What stands for no key at all: a word, as nothing must not come of a key that somebody forgot to set."""
_BEGIN, _PUBLIC = "-----BEGIN ", "-----BEGIN PUBLIC KEY-----"
_LONGEST = 10_000
_MOST = 10


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key.

    :param fingerprint: the first 16 hexadecimal digits of the SHA-256 of its DER form, which tell it from others; all
        of them: ``openssl pkey -pubin -in cosign.pub -outform DER | sha256sum``.
    """

    fingerprint: str
    _key: _Key = field(repr=False)

    @classmethod
    def read(cls, pem: object) -> PublicKey:
        """Read a key.

        :param pem: the text of a PEM file with one public key, such as ``cosign.pub``.
        :raises ValueError: when it is none, or one of another kind. The message never shows the text: it may be a
            private key.
        """
        if not isinstance(pem, str) or _BEGIN not in pem:
            raise ValueError(
                f"A key is given as the text of its PEM file, which begins with {_PUBLIC!r}. Leave it out where "
                "anybody may have signed."
            )
        if len(pem) > _LONGEST or pem.count(_BEGIN) != 1 or _PUBLIC not in pem:
            raise ValueError(
                f"A key is the text of one file with one {_PUBLIC!r}. Give several keys as several 'keys', of a "
                "certificate the public key ('openssl x509 -pubkey -noout'), and never a private key."
            )
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("The text is no public key, although it says so: give the whole file.") from None
        is_known = isinstance(key, Ed25519PublicKey)
        is_known |= isinstance(key, EllipticCurvePublicKey) and type(key.curve) in _HASHES
        is_known |= isinstance(key, RSAPublicKey) and key.key_size in _RSA_BITS
        if not (is_known and isinstance(key, _Key)):
            raise ValueError(
                "A key is one of ECDSA (P-256 as 'cosign generate-key-pair' makes it, P-384, P-521), Ed25519, or RSA "
                f"with {_RSA_BITS[0]} to {_RSA_BITS[-1]} bits: it is of another kind."
            )
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(hashlib.sha256(der).hexdigest()[:16], key)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether this key's owner has made a signature of these bytes.

        :param signature: the signature; of an ECDSA key, in DER.
        :param message: the bytes.
        """
        if isinstance(self._key, EllipticCurvePublicKey):
            return any(_verify(self._key, signature, message, by) for by in _HASHES[type(self._key.curve)])
        return _verify(self._key, signature, message, SHA256())


def read_keys(key: object, keys: object) -> tuple[PublicKey, ...]:
    """Return the keys that a check was given, any of which may have signed.

    :param key: the text of one PEM file, or ``any``.
    :param keys: the texts of several; none of them, and ``any``, where anybody may have signed.
    :raises ValueError: when one is no public key.
    """
    if not isinstance(keys, list | tuple):
        raise ValueError("'keys' is a list of texts, each that of a PEM file; one alone is given as 'key'.")
    texts = [*([] if key == ANY_KEY else [key]), *keys]
    if len(texts) > _MOST:
        raise ValueError(f"{len(texts)} keys are too many: {_MOST} are taken at most.")
    return tuple(PublicKey.read(text) for text in texts)


def find_signer(keys: Iterable[PublicKey], signatures: Sequence[bytes], message: bytes) -> PublicKey | None:
    """Return the first of some keys that one of the signatures was made with.

    :param keys: the keys.
    :param signatures: signatures of the same bytes.
    :param message: the bytes.
    """
    return next((key for key in keys if any(key.verifies(one, message) for one in signatures)), None)


def _verify(key: _Key, signature: bytes, message: bytes, by: HashAlgorithm) -> bool:
    try:
        if isinstance(key, EllipticCurvePublicKey):
            key.verify(signature, message, ECDSA(by))
        elif isinstance(key, RSAPublicKey):
            key.verify(signature, message, PKCS1v15(), by)
        else:
            key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
