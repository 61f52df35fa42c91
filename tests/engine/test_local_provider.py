"""The provider `local`: its models, its price, and what it says when a model cannot be drawn."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from orders import order

from platemark.core.errors import ModelUnavailable
from platemark.core.model import Model
from platemark.core.ports import Provider
from platemark.engine.engine import Engine
from platemark.engine.models.digest import Revisions
from platemark.engine.models.folder import POCKET, capabilities, read_folder
from platemark.engine.models.source import Source
from platemark.providers.local import FREE, Local, open_local
from platemark.settings import LocalModel, Settings
from platemark.testing import exercise_provider


async def test_pocket_is_there_without_any_setting(tmp_path: Path, revision: str) -> None:
    async with open_local(Settings(data=tmp_path), warm=False) as local:
        model = local.models["local/pocket"]
        assert (model.provider, model.licence, model.capabilities.native_size) == ("local", "Apache-2.0", 128)
        assert model.revision == revision
        assert (local.name, local.free_repeat, local.concurrency) == ("local", True, 8)
        assert local.estimate(order()) == FREE
        await local.check()
        assert local.engine.pid is None


async def test_a_broken_folder_is_said_and_the_others_still_work(tmp_path: Path) -> None:
    shutil.copytree(POCKET, tmp_path / "mine")
    places = {name: LocalModel(path=tmp_path / name) for name in ("mine", "lost")}
    settings = Settings(data=tmp_path / "data", models=places)
    async with open_local(settings, warm=False) as local:
        assert set(local.models) == {"local/pocket", "local/mine", "local/lost"}
        assert "lost does not exist" in local.models["local/lost"].description
        with pytest.raises(ModelUnavailable, match="lost does not exist"):
            await local.check()
        async with aclosing(local.generate(order(model="local/lost"))) as updates:
            with pytest.raises(ModelUnavailable, match="setting `models`"):
                await anext(updates)


@pytest.fixture
def drawing(engine: Engine, tiny: Path) -> Local:
    """Over the engine of the session: pocket, and a class of model without a declaration."""
    places = {"local/pocket": POCKET, "local/sdxl": tiny / "sdxl"}
    models = {
        name: Model(id=name, provider="local", capabilities=capabilities(read_folder(place)))
        for name, place in places.items()
    }
    return Local(engine, {name: Source.of(place) for name, place in places.items()}, models, {}, Revisions())


@pytest.mark.torch
@pytest.mark.timeout(300)
async def test_it_does_what_every_provider_must(drawing: Local) -> None:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[Provider]:
        yield drawing

    await exercise_provider(opened)
