"""Every error that Platemark raises on purpose.

PlatemarkError
├── InvalidRequest            422  the caller can fix it; carries one FieldError per problem
│   ├── MalformedBody         400  not JSON, not multipart
│   ├── NotAcceptable         406  an answer in a form that is not offered
│   ├── UnsupportedMedia      415  a content type that is not read here
│   ├── TooLarge              413  body, image or text over its bound
│   ├── InvalidImage          422  bytes that are not an image that can be used
│   ├── Unsupported           422  the model cannot honour a field
│   └── FetchRefused          422  a URL that must not or cannot be fetched
├── Unauthenticated           401  no key, unknown key, revoked or expired key
├── NotAllowed                403  the key's scopes do not cover this
├── NotFound                  404
├── MethodNotAllowed          405  this address exists, but not for this method
├── Gone                      410  the bytes were deleted; the record stays
├── Conflict                  409  a state that has moved on
│   ├── IdempotencyKeyReused       another body under the same key
│   ├── LegalHold                  what must be kept for now
│   └── OffsetConflict             a piece of an upload that does not follow the one before
├── BudgetExceeded            402
├── RateLimited               429  our own limit; retry_after
├── Blocked                   403
│   ├── BlockedByAppPolicy
│   └── BlockedByProvider
├── Unavailable               503  a part of ours that cannot work now
│   ├── DatabaseUnavailable
│   ├── StorageUnavailable
│   │   └── StorageFull
│   ├── ModelUnavailable           weights missing, corrupt or refused
│   └── ShuttingDown
├── ProviderError             502  the provider answered, and it cannot go on
│   ├── ProviderRejected           its 4xx: the request can never succeed there
│   ├── ProviderAuthFailed         our credential with it is missing or refused
│   ├── ProviderOutOfCredit        our account with it is empty
│   ├── OutcomeUnknown             neither answer nor ticket came back
│   └── ProviderUnavailable        worth another attempt
│       ├── ProviderRateLimited    retry_after
│       ├── ProviderTimedOut  504
│       └── EngineCrashed          the engine's process died under the attempt
├── GenerationCanceled        409  the caller asked for it
├── GenerationExpired         409  not started by its deadline
├── DeliveryFailed            502  a target did not take a release, and will not
│   └── DeliveryUnavailable        worth another try
├── SealFailed                500  the credential could not be made or did not read back
├── AuditBroken               500  the chain does not verify
└── Misconfigured             500  a setting, file or key that the operator must mend

`code` is stable and documented in docs/reference/errors.md; messages say what happened and what to do.
"""

from collections.abc import Iterable
from typing import ClassVar

from platemark.core.base import Part


class FieldError(Part):
    """One problem of one field. `pointer` is a JSON pointer (RFC 6901) into the request."""

    pointer: str
    code: str
    message: str


class PlatemarkError(Exception):
    """Base of all. The class docstring's first line is the title of the problem document."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        *,
        errors: Iterable[FieldError] = (),
        retry_after: float | None = None,
        generation: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.generation = generation
        self.reason_code = code
        # Filled by the SDK from the server's answer, so that a report can name the request.
        self.request_id: str | None = None


class InvalidRequest(PlatemarkError):
    code, status, title = "invalid_request", 422, "The request cannot be accepted as it is"


class MalformedBody(InvalidRequest):
    code, status, title = "malformed_body", 400, "The body cannot be read"


class NotAcceptable(InvalidRequest):
    code, status, title = "not_acceptable", 406, "The answer cannot be given in this form"


class UnsupportedMedia(InvalidRequest):
    code, status, title = "unsupported_media_type", 415, "This content type is not read here"


class TooLarge(InvalidRequest):
    code, status, title = "too_large", 413, "More than is accepted"


class InvalidImage(InvalidRequest):
    code, status, title = "invalid_image", 422, "These bytes are not an image that can be used"


class Unsupported(InvalidRequest):
    code, status, title = "unsupported_by_model", 422, "The model cannot honour this request"


class FetchRefused(InvalidRequest):
    code, status, title = "fetch_refused", 422, "The URL was not fetched"


class Unauthenticated(PlatemarkError):
    code, status, title = "unauthenticated", 401, "A valid API key is needed"


class WebhookRefused(PlatemarkError):
    code, status, title = "webhook_refused", 401, "This webhook is not genuine, or too old"


class NotAllowed(PlatemarkError):
    code, status, title = "not_allowed", 403, "The key may not do this"


class NotFound(PlatemarkError):
    code, status, title = "not_found", 404, "There is nothing here"


class MethodNotAllowed(PlatemarkError):
    code, status, title = "method_not_allowed", 405, "This address does not take this method"


class Gone(PlatemarkError):
    code, status, title = "gone", 410, "The bytes were deleted; the record remains"


class Conflict(PlatemarkError):
    code, status, title = "conflict", 409, "This contradicts what is already there"


class IdempotencyKeyReused(Conflict):
    code, title = "idempotency_key_reused", "This idempotency key belongs to another request"


class LegalHold(Conflict):
    code, title = "legal_hold", "A legal hold keeps this"


class OffsetConflict(Conflict):
    code, title = "offset_conflict", "This is not where the upload goes on"


class BudgetExceeded(PlatemarkError):
    code, status, title = "budget_exceeded", 402, "The budget does not cover this"


class RateLimited(PlatemarkError):
    code, status, title, retryable = "rate_limited", 429, "Too many requests", True


class Blocked(PlatemarkError):
    status = 403


class BlockedByAppPolicy(Blocked):
    code, title = "blocked_by_app_policy", "The policy does not allow this"


class BlockedByProvider(Blocked):
    code, title = "blocked_by_provider", "The provider refused this"


class Unavailable(PlatemarkError):
    code, status, title, retryable = "unavailable", 503, "Not available right now", True


class DatabaseUnavailable(Unavailable):
    code, title = "database_unavailable", "The database does not answer"


class StorageUnavailable(Unavailable):
    code, title = "storage_unavailable", "The image store does not answer"


class StorageFull(StorageUnavailable):
    code, title = "storage_full", "The image store is full"


class ModelUnavailable(Unavailable):
    code, title, retryable = "model_unavailable", "The model cannot be loaded", False


class ShuttingDown(Unavailable):
    code, title = "shutting_down", "The server is stopping"


class ProviderError(PlatemarkError):
    code, status, title = "provider_error", 502, "The provider could not make the image"


class ProviderRejected(ProviderError):
    code, title = "provider_rejected", "The provider rejected the request"


class ProviderAuthFailed(ProviderError):
    code, title = "provider_auth_failed", "The provider refused our credential"


class ProviderOutOfCredit(ProviderError):
    code, title = "provider_out_of_credit", "Our account with the provider has no credit left"


class OutcomeUnknown(ProviderError):
    code, title, retryable = "outcome_unknown", "It is not known whether the provider made the image", True


class ProviderUnavailable(ProviderError):
    code, title, retryable = "provider_unavailable", "The provider does not answer", True


class ProviderRateLimited(ProviderUnavailable):
    code, status, title = "provider_rate_limited", 503, "The provider asks us to slow down"


class ProviderTimedOut(ProviderUnavailable):
    code, status, title = "provider_timed_out", 504, "The provider took too long"


class EngineCrashed(ProviderUnavailable):
    code, title = "engine_crashed", "The local engine stopped while drawing"


class GenerationCanceled(PlatemarkError):
    code, status, title = "canceled", 409, "The generation was canceled"


class GenerationExpired(PlatemarkError):
    code, status, title, retryable = "expired", 409, "The generation was not started in time", True


class DeliveryFailed(PlatemarkError):
    code, status, title = "delivery_failed", 502, "The target did not take the release"


class DeliveryUnavailable(DeliveryFailed):
    code, title, retryable = "delivery_unavailable", "The target does not answer", True


class SealFailed(PlatemarkError):
    code, status, title, retryable = "seal_failed", 500, "The image could not be signed", True


class AuditBroken(PlatemarkError):
    code, status, title = "audit_broken", 500, "The audit chain does not verify"


class Misconfigured(PlatemarkError):
    code, status, title = "misconfigured", 500, "The configuration needs attention"


def all_errors(root: type[PlatemarkError] = PlatemarkError) -> list[type[PlatemarkError]]:
    """Every error class with a code of its own, in tree order."""
    found = [root] if "code" in vars(root) else []
    return found + [error for child in root.__subclasses__() for error in all_errors(child)]


def error_by_code(code: str) -> type[PlatemarkError]:
    """The class that carries `code`, or the base class for a code that is not known here."""
    return next((error for error in all_errors() if error.code == code), PlatemarkError)
