"""Reality Defender: a picture is put into a store of theirs, and its result asked for until it is there.

As its own client does it (PyPI realitydefender 0.1.13). Not verified: states beyond those that the client names.
"""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from platemark.core.errors import FetchRefused
from platemark.detectors.asking import Asking, Call, Refused, as_object
from platemark.detectors.origin_services.forms import Form, Opinion, Sent
from platemark.net.addresses import check_url, pin_addresses, resolve_host

_PENDING = frozenset({"ANALYZING", "DOWNLOADING"})
POLL_SECONDS = 2.0
SECONDS = 60.0
_ID = re.compile(r"[\w-]{1,100}")
_RESULT = Form(
    path="",
    body="multipart",
    place="file",
    score=("resultsSummary.metadata.finalScore",),
    scale=100,
    verdict="resultsSummary.status",
    words={"fake": "ai", "manipulated": "ai", "authentic": "real", "suspicious": "unsure"},
)


@dataclass(frozen=True, slots=True)
class RealityDefender:
    """Three steps: a place, the picture into it, the result, which is asked for until `seconds` are over."""

    body: str = "multipart"
    # No part of how an answer is read.
    seconds: float = field(default=SECONDS, repr=False)
    max_side: int = _RESULT.max_side
    most_bytes: int = _RESULT.most_bytes

    def check(self) -> None:
        """Raises ValueError."""
        _RESULT.check()

    async def ask(self, asking: Asking, sent: Sent) -> Opinion:
        """Raises Refused."""
        until = asking.clock.monotonic() + self.seconds
        place = as_object(await asking.ask(Call("/api/files/aws-presigned", form={"fileName": "picture.jpg"})))
        request = place.get("requestId")
        url = as_object(place.get("response")).get("signedUrl")
        if not isinstance(request, str) or not isinstance(url, str) or not _ID.fullmatch(request):
            raise Refused("its answer has another shape than is known here")
        await _allowed(url, asking.base_url)
        await asking.ask(Call("", method="PUT", elsewhere=url, upload=(sent.data, sent.media_type)))
        return _RESULT.opinion(await self._result(asking, request, until))

    async def _result(self, asking: Asking, request: str, until: float) -> Any:
        while asking.clock.monotonic() < until:
            await asking.clock.sleep(POLL_SECONDS)
            body = as_object(await asking.ask(Call(f"/api/media/users/{request}", method="GET")))
            summary = body.get("resultsSummary")
            state = as_object(summary).get("status") if summary is not None else body.get("overallStatus")
            if state not in _PENDING:
                return body
        raise Refused(f"it was not done within {self.seconds:g} s", code="timeout")


async def _allowed(url: str, base_url: str) -> None:
    """Pictures go to a public host over TLS, or to the service itself. Raises Refused."""
    own = urlsplit(base_url).hostname
    try:
        await pin_addresses(check_url(url, (own,) if own else ()), resolve_host)
    except FetchRefused as error:
        raise Refused("it wants the picture put where none is put", code="refused") from error
    except OSError:
        raise Refused("the name of its store leads nowhere", code="connection_failed") from None
