"""What an HTTP answer or its absence means: errors with a code, and whether trying again may help."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING

from .retry import is_retryable, parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping


class WebError(Exception):
    """A request whose answer cannot be used.

    Attributes:
        code: `web_refused` (a status that trying again would not change), `web_throttled` (429), `web_failed`
            (5xx, 408, 425), `web_redirect`, `web_too_large`, `web_incomplete`, `web_protocol`, `web_url`, `web_tls`
            (the authorities to trust cannot be read).
        status: The answer's status, where there was one.
        headers: The answer's fields, their names in lower case.
        body: The first of the answer's body, where it was read.
        retry_after: The seconds that the server asks to wait, where it does.
        is_retryable: Whether trying again may help.

    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        is_retryable: bool = False,
    ) -> None:
        """Say what happened."""
        super().__init__(message)
        self.code, self.status, self.body = code, status, body
        self.headers = lower_names(headers or {})
        self.is_retryable = is_retryable
        field = self.headers.get("retry-after")
        self.retry_after = None if field is None or status is None else parse_retry_after(field)


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the fields with their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def check_status(status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
    """Raise a `WebError` for a status that is not 2xx. The first 2 KiB of the body are kept."""
    if 200 <= status < 300:
        return
    is_retryable = status in (408, 425, 429) or (500 <= status < 600 and status not in (501, 505))
    code = "web_throttled" if status == 429 else "web_failed" if is_retryable else "web_refused"
    message = f"the server answered {status}"
    raise WebError(code, message, status=status, headers=headers, body=body[:2048], is_retryable=is_retryable)


def is_overload(error: BaseException) -> bool:
    """Tell whether a failure says that there were too many requests at once (429, 503)."""
    return isinstance(error, WebError) and error.status in (429, 503)


def may_retry(error: Exception) -> bool:
    """Tell whether trying the request again may help: as `is_retryable`, but a certificate that is not
    trusted stays so.
    """
    return is_retryable(error) and not isinstance(error, ssl.SSLCertVerificationError)


def code_of(error: BaseException) -> str:
    """Return the code of a failure: its own, or by its kind."""
    own = getattr(error, "code", None)
    if isinstance(own, str):
        return own
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return "web_timeout"
    if isinstance(error, ssl.SSLError):
        return "web_tls"
    return "web_network" if isinstance(error, OSError) else "local_fault"


def _of_agent(
    code: str, message: str, is_retryable: bool, fault: str | None, os_error: int | None
) -> Exception:
    """Make the exception of a request that came to nothing in Rust, as asyncio would raise it."""
    if code == "web_timeout":
        return TimeoutError(message)
    if fault == "certificate":
        return ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, message)
    if fault == "tls":
        return ssl.SSLError(ssl.SSL_ERROR_SSL, message)
    if fault == "cut_off":
        return WebError("web_incomplete", f"the answer broke off: {message}", is_retryable=True)
    if fault == "protocol":
        return WebError("web_protocol", f"the answer is no HTTP/1.1: {message}")
    if os_error is not None:
        return OSError(os_error, os.strerror(os_error))
    if code == "web_network":
        return OSError(message)
    return WebError(code, message, is_retryable=is_retryable)
