"""The engine's child, which first builds the tiny model folders: `python building_child.py FOLDER PARENT`.

So the test process stays free of torch, and the libraries are imported once for both.
"""

import sys
from pathlib import Path

from platemark.core.base import JsonObject
from platemark.engine.serving import child
from platemark.engine.serving.desk import Work


def open_and_build(opening: JsonObject) -> Work:
    work = child.Libraries(opening)
    from tiny_models import build

    build(Path(sys.argv[1]))
    return work


if __name__ == "__main__":
    child.run(open_and_build)
