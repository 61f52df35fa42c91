"""What the tests of the desk's commands share: the command line in this process, and a server with rules."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pictures import encoded, noise
from platemark.cli import main
from platemark.client import Client
from serving import ADMIN_KEY, Served, serve

# An upload meant for the desk waits, one for nobody is refused; so is a publication to nobody, and to a desk it waits.
RULES = """
version: "desk-1"
rules:
  - id: desk
    stages: [before_request, before_publish]
    audiences: [desk]
    when: operation != "inpaint"
    reason_code: IP_TRADEMARK
    decision: review
    severity: 1
    owner: picture-desk
    note: The desk looks first.
    tests:
      - fires: {stage: before_publish, audience: desk, operation: text_to_image}
      - stays: {stage: before_publish, audience: desk, operation: inpaint}
  - id: nobody
    stages: [before_request, before_publish]
    audiences: [nobody, none]
    when: operation != "inpaint"
    reason_code: IP_COPYRIGHT
    decision: block
    severity: 1
    owner: picture-desk
    note: Not for them.
    tests:
      - fires: {stage: before_publish, audience: nobody, operation: text_to_image}
      - stays: {stage: before_publish, audience: nobody, operation: inpaint}
"""


@dataclass
class Commands:
    """`platemark …` as a user of this server types it; `key` is whose they are."""

    server: Served
    capsys: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    folder: Path
    pictures: int = 0

    def __call__(self, *arguments: str, code: int = 0, key: str = ADMIN_KEY) -> tuple[str, str]:
        """What a command wrote to standard output and to standard error."""
        self.patch.setenv("PLATEMARK_API_KEY", key)
        # Tables are as wide as they need to be, unless the terminal that the tests run in says otherwise.
        self.patch.delenv("COLUMNS", raising=False)
        found = main([*arguments, "--url", self.server.url])
        captured = self.capsys.readouterr()
        assert found == code, captured.err
        return captured.out, captured.err

    def json(self, *arguments: str, code: int = 0, key: str = ADMIN_KEY) -> Any:
        """The document that a command prints with `--json`."""
        return json.loads(self(*arguments, "--json", code=code, key=key)[0])

    def fails(self, *arguments: str, said: str, code: int = 1, key: str = ADMIN_KEY) -> None:
        """The command ends with this code and says this in one line, and nothing on standard output."""
        out, err = self(*arguments, code=code, key=key)
        assert out == ""
        assert err.startswith("platemark: error: ")
        assert said in err, err
        assert "/v1/" not in err

    def image(self, *options: str) -> str:
        """An uploaded picture that is like no other here."""
        self.pictures += 1
        file = self.folder / f"{self.pictures}.png"
        file.write_bytes(encoded(noise(64, seed=abs(hash((self.folder, self.pictures))) % 2**32)))
        return self.json("upload", str(file), *options)["image"]["id"]


@contextmanager
def desk(data: Path, **settings: str) -> Generator[Served]:
    """A server on which the rules above are in force beside the built-in ones."""
    with serve(data, role="api", providers="[]", review_sample="0", **settings) as server:
        with Client(server.url, ADMIN_KEY) as client:
            client.policies.activate(client.policies.create(RULES).id)
        yield server
