"""What servers at an address of the operator's own have in common: nobody is paid, and a proxy may ask for a key."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace

from platemark.providers.catalogue import Declared, Price
from platemark.providers.http import Call, with_bearer

# What the machine and its power cost is not ours to say.
FREE = Price("0", "image", "runs at an address of the operator's own", "2026")
LICENCE_NOTE = "Runs at an address of the operator's own: the licence of the checkpoint applies to what is made."
SD15_LICENCE = "CreativeML Open RAIL-M"
SDXL_LICENCE = "CreativeML Open RAIL++-M"


def with_login(call: Call, login: str) -> Call:
    """The call with HTTP Basic; a login is `user:password`."""
    return replace(call, headers={**call.headers, "authorization": f"Basic {b64encode(login.encode()).decode()}"})


def authorised(call: Call, key: str) -> Call:
    """The call with HTTP Basic for `user:password`, else with a bearer token."""
    if ":" in key:
        return with_login(call, key)
    return with_bearer(call, key)


def checkpoint_of(model: Declared) -> str:
    """The file of weights: named by the fact `checkpoint`, else by the route."""
    return model.facts.get("checkpoint", model.route)


def is_shared(model: Declared) -> bool:
    """True where the operator says that others draw with this server too: `shared: yes` among the facts."""
    return model.facts.get("shared") == "yes"


def runs(seeds: Sequence[int]) -> list[tuple[int, ...]]:
    """Indices of seeds that count up by one, together: what a server that counts up itself makes in one call."""
    found = list[tuple[int, ...]]()
    for index, seed in enumerate(seeds):
        if found and seed == seeds[found[-1][-1]] + 1:
            found[-1] += (index,)
        else:
            found.append((index,))
    return found
