"""What can go wrong between this side and Artifactory: one small tree.

::

    ArtifactoryError
    ├── InvalidSettings              the connection cannot work; nothing was sent
    ├── TlsFailed                    a certificate is not accepted; nothing was done
    ├── ConnectionFailed             no answer                                                    (may pass)
    │   ├── RequestNotSent           no connection; the server knows nothing of the request
    │   └── RequestTimedOut          no answer in time; what the server did is unknown
    ├── AuthenticationFailed         401
    ├── PermissionDenied             403
    ├── NotFound                     404
    │   ├── RepositoryNotFound
    │   ├── ImageNotFound
    │   └── TagNotFound
    ├── UnsupportedRepository        no local or federated Docker repository
    ├── UnsupportedManifest          no image, or not a valid one
    ├── RequestRefused               any other 4xx, and 501: the server will not do it
    ├── RateLimited                  429                                                          (may pass)
    ├── ServerFailed                 any other 5xx; what the server did is unknown                (may pass)
    └── UnexpectedAnswer             an answer that is none of Artifactory's
        ├── NotArtifactory           another server answers
        ├── OtherContent             other bytes than those of the digest that was asked for
        ├── QueryUnusable            the results of a query lack what was asked
        └── TooMuchAsked             the answer to so much is too large, or does not tell all of it

Every message has what was tried, what came back, and what to do about it. No message holds a credential:
they are built from the request's method and URL path and from the server's answer, never from headers.
"""

from __future__ import annotations


class ArtifactoryError(Exception):
    """Artifactory could not be asked, or did not do what it was asked for.

    :param message: what was tried, what came back, and what to do.
    :param status: the HTTP status of the answer; None where there was no answer.
    :param endpoint: method and path of the request.
    :param detail: the server's own words, shortened.
    :param retry_after: the seconds that the server asked to wait, if it did.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        endpoint: str | None = None,
        detail: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.endpoint = endpoint
        self.detail = detail
        self.retry_after = retry_after


class InvalidSettings(ArtifactoryError):
    """The connection is set up in a way that cannot work; nothing was sent."""


class TlsFailed(ArtifactoryError):
    """The certificate of the server, or of this side, is not accepted; the request did no work."""


class ConnectionFailed(ArtifactoryError):
    """No answer: the server is not there, or the connection broke."""


class RequestNotSent(ConnectionFailed):
    """There was no connection; the server knows nothing of the request."""


class RequestTimedOut(ConnectionFailed):
    """No answer in time; what the server did with the request is unknown."""


class AuthenticationFailed(ArtifactoryError):
    """401: the credentials are missing, wrong or expired."""


class PermissionDenied(ArtifactoryError):
    """403: the user is known, but a permission is missing."""


class NotFound(ArtifactoryError):
    """404: there is nothing at this path."""


class RepositoryNotFound(NotFound):
    """The repository does not exist, or this user cannot see it."""


class ImageNotFound(NotFound):
    """The repository holds no such image."""


class TagNotFound(NotFound):
    """The image has no such tag or digest."""


class UnsupportedRepository(ArtifactoryError):
    """The repository is no local or federated Docker repository."""


class UnsupportedManifest(ArtifactoryError):
    """What is there is no image that can be promoted: a manifest of another kind, or one that breaks the rules."""


class RequestRefused(ArtifactoryError):
    """4xx: the server understood the request and will not do it."""


class RateLimited(ArtifactoryError):
    """429: too many requests."""


class ServerFailed(ArtifactoryError):
    """5xx: the server or a proxy before it failed; what it did with the request is unknown."""


class UnexpectedAnswer(ArtifactoryError):
    """The answer is not of the kind that Artifactory gives here: HTML, an empty body, a redirect."""


class NotArtifactory(UnexpectedAnswer):
    """Another server than an Artifactory answers at the connection's URL."""


class OtherContent(UnexpectedAnswer):
    """The bytes that came are not those of the digest that was asked for, or not as many as there should be."""


class QueryUnusable(UnexpectedAnswer):
    """The results of a query do not say what was asked: the Docker API has to be asked instead."""


class TooMuchAsked(UnexpectedAnswer):
    """The answer is larger than it may be, or does not tell all that was asked: less has to be asked for at a time."""


TRANSIENT = (ConnectionFailed, RateLimited, ServerFailed)
"""Errors that may be gone at the next try."""
