"""Checking that a webhook's delivery comes from the server it says it comes from.

    event = webhooks.verify(body, headers, secret)  # raises VerificationError

The signatures are those of Standard Webhooks, so any of its libraries does as well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from longshore.exceptions import LongshoreError

__all__ = ["TOLERANCE", "VerificationError", "verify"]

TOLERANCE = 300.0
"""How many seconds a delivery's time may be away from this machine's, as Standard Webhooks has it."""


class VerificationError(LongshoreError):
    """A delivery that is not from who it says, or is too old."""


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        message = "the secret is malformed: it is whsec_ and base64"
        raise VerificationError(message) from error


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Iterable[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Any:
    """Return a delivery's event, once it is known to be signed with one of the secrets (both, while one is rotated).

    `body` is the content byte for byte, before anything parsed it. A delivery may come more than once, always with
    the same `webhook-id`: remember that.

    Raises:
        VerificationError: a header is missing, the signature is of another secret or body, or it is too old.
    """
    found = {name.lower(): value for name, value in headers.items()}
    try:
        id_, sent, signatures = (found[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        moment = int(sent)
    except KeyError as error:
        message = f"the header {error.args[0]} is missing"
        raise VerificationError(message) from None
    except ValueError:
        message = "webhook-timestamp is no number of seconds"
        raise VerificationError(message) from None
    signed = b".".join((id_.encode(), sent.encode(), body))
    known = [secrets] if isinstance(secrets, str) else list(secrets)
    expected = [hmac.new(_key(secret), signed, hashlib.sha256).digest() for secret in known]
    given = [_decode(one[3:]) for one in signatures.split() if one.startswith("v1,")]
    # All are compared, each in constant time.
    if not any([hmac.compare_digest(one, other) for one in given for other in expected]):  # noqa: C419
        message = "no signature is of this secret and this body"
        raise VerificationError(message)
    if abs((time.time() if now is None else now) - moment) > tolerance:
        message = "the delivery is too old, or from the future"
        raise VerificationError(message)
    return json.loads(body)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
