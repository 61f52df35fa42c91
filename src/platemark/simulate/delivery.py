"""Results of fake vendors behind URLs: for a while, and sometimes not where they were said to be."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from platemark.simulate.board import address_of, id_of, keep
from platemark.simulate.pictures import broken

LOST = ("expired_url", "private_redirect")
TROUBLES = (*LOST, "corrupt_picture")
PRIVATE = "http://169.254.169.254/latest/meta-data/"


@dataclass
class Delivery:
    """Files by name, the oldest forgotten first. One with a trouble is gone, lies elsewhere or is broken."""

    path: str = "/delivery"
    files: dict[str, tuple[bytes, str | None]] = field(default_factory=dict[str, tuple[bytes, str | None]])

    @property
    def route(self) -> str:
        """Where they lie, as a pattern for routes."""
        return f"{self.path}/{{name}}"

    def put(self, request: Request, data: bytes, extension: str = "png", trouble: str | None = None) -> str:
        """Keep a file. The URL has a signature, which nobody may repeat to others."""
        name = f"{id_of(f'{len(self.files)}'.encode() + data)}.{extension}"
        keep(self.files, name, (broken(data) if trouble == "corrupt_picture" else data, trouble))
        return f"{address_of(request)}{self.path}/{name}?signature=c2ltdWxhdGVk"

    def drop(self, url: str) -> None:
        """Forget the file that lies there."""
        self.files.pop(url.partition("?")[0].rpartition("/")[2], None)

    async def get(self, request: Request) -> Response:
        """One file."""
        data, trouble = self.files.get(request.path_params["name"], (b"", "expired_url"))
        if trouble == "expired_url":
            return Response("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml")
        if trouble == "private_redirect":
            return RedirectResponse(PRIVATE, 302)
        return Response(data, media_type="application/octet-stream")
