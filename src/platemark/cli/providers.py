"""`platemark providers`: who makes the images, and whether they can now."""

from platemark.cli.connect import Data, Json, Url


def providers(json: Json = False, url: Url = None, data: Data = None) -> None:
    """List the configured providers, each asked whether it can work now."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.providers()
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [(one.id, one.code or one.state, one.concurrency, one.models) for one in found]
    output.table(["PROVIDER", "STATE", "AT ONCE", "MODELS"], rows, empty="no provider is configured")
