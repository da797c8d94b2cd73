"""Seals on what people have answered: whoever may edit XComs and task states cannot make an approval out of nothing.

Airflow lets users edit both through its UI and REST API, so that neither is evidence by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from artifactory_provider.policy.responses import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

_SALT = b"airflow-provider-artifactory: answers of people"
# Seals stand where users can read them: guessing a weak password has to cost as much as it would with a stolen hash.
_COST, _BLOCK, _LANES = 2**14, 8, 1


def derive_key(secret: str) -> bytes:
    """Return the key that a secret stands for; takes about 50 milliseconds.

    :param secret: what tasks know and the people who answer do not, such as the password of a connection.
    :raises ValueError: when it is empty.
    """
    if not secret:
        raise ValueError("An empty secret can seal nothing.")
    return hashlib.scrypt(secret.encode(), salt=_SALT, n=_COST, r=_BLOCK, p=_LANES, dklen=32)


def seal(document: Mapping[str, Any], key: bytes) -> str:
    """Return the seal of a document: 64 hexadecimal digits.

    :param document: a JSON object.
    :param key: what ``derive_key`` returns.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def check_seal(value: object, document: Mapping[str, Any], key: bytes) -> None:
    """Make sure that a value is the seal of a document.

    :param value: anything.
    :param document: what is said to be sealed.
    :param key: what ``derive_key`` returns.
    :raises InvalidResponse: when it is not.
    """
    # As bytes: a text with other characters than ASCII cannot be compared.
    given = value.encode(errors="replace") if isinstance(value, str) else b""
    if not hmac.compare_digest(given, seal(document, key).encode()):
        raise InvalidResponse(
            "The seal is not the one of the task that asks: somebody has changed what it handed on, or the password of "
            "the connection that seals it, or the tasks name different connections."
        )
