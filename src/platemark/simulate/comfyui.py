"""A fake ComfyUI: uploads, a queue that checks graphs, a history, views, and `/ws` with progress and previews."""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from platemark.core.errors import InvalidImage
from platemark.simulate.board import COMMON, Switchboard, keep
from platemark.simulate.comfyui_nodes import ENDS, Graph, complaints, size_of
from platemark.simulate.pictures import broken, measured, striped

_OWN = frozenset(
    {"bad_request", "auth", "not_found", "error_in_200", "corrupt_picture", "never_ending", "failed_later"}
)
_PREVIEW = (1).to_bytes(4, "big") + (2).to_bytes(4, "big") + striped(64, 64, "preview")
_HUGE = 8 * 1024 * 1024


@dataclass
class Job:
    """One prompt. `left`: how often its history is still empty; None: until somebody has listened to it."""

    id: str
    graph: Graph
    client: str | None
    left: int | None
    trouble: str | None = None
    deleted: bool = False


@dataclass
class FakeComfyUI:
    """`polls`: how often the history is empty before a picture is there. `awaits_listener`: a prompt is not done before
    its client has heard of it. `socket`: what `/ws` does: `good`, `refused`, `broken` (cut in the middle), `huge` (a
    message beyond any measure) or `noise`. `old`: without `status` in the history.
    """

    board: Switchboard = field(default_factory=lambda: Switchboard(uncounted=("/upload", "/queue", "/interrupt")))
    polls: int = 2
    awaits_listener: bool = False
    socket: str = "good"
    old: bool = False
    name: str = "comfyui"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    interrupts: list[str] = field(default_factory=list[str])
    listeners: int = 0

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        return Starlette(
            routes=[
                Route("/prompt", self._prompt, methods=["POST"]),
                Route("/history/{id}", self._history, methods=["GET"]),
                Route("/view", self._view, methods=["GET"]),
                Route("/upload/image", self._upload, methods=["POST"]),
                Route("/queue", self._queue, methods=["POST"]),
                Route("/interrupt", self._interrupt, methods=["POST"]),
                WebSocketRoute("/ws", self._listen),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """What a proxy before it says; ComfyUI itself has no such errors."""
        wait = "" if retry_after is None else f"Try again in {retry_after} seconds"
        return Response(wait or "Something is wrong", status, media_type="text/plain")

    async def _prompt(self, request: Request) -> Response:
        given: dict[str, Any] = json.loads(await request.body())
        self.board.note(request, given)
        trouble = self.board.take("POST", "bad_request", "auth", "not_found", "error_in_200", "corrupt_picture")
        if trouble == "auth":
            return self.error(401)
        graph: Graph = given.get("prompt", {})
        found = [*complaints(graph, self._look)]
        if trouble in _WRONG:
            found.append(_WRONG[trouble])
        if trouble == "error_in_200":
            errors = _node_errors(graph, [("1", "Value not in list", "x")])
            return JSONResponse({"prompt_id": str(uuid.uuid4()), "number": 1, "node_errors": errors})
        if found or not any(node.get("class_type") in ENDS for node in graph.values()):
            return _refused(graph, found)
        return self._taken(graph, given.get("client_id"), trouble)

    def _taken(self, graph: Graph, client: str | None, trouble: str | None) -> Response:
        job = Job(str(uuid.uuid4()), graph, client, None if self.awaits_listener else self.polls, trouble)
        keep(self.jobs, job.id, job)
        return JSONResponse({"prompt_id": job.id, "number": len(self.jobs), "node_errors": {}})

    async def _history(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        if job is None or job.deleted or job.left is None:
            return JSONResponse({})
        if job.left > 0 or self.board.take("GET", "never_ending"):
            job.left = max(0, job.left - 1)
            return JSONResponse({})
        failed = self.board.take("GET", "failed_later") is not None
        file = {"filename": f"ComfyUI_temp_{job.id[:5]}_00001_.png", "subfolder": "", "type": "temp"}
        outputs = {} if failed else {_end(job.graph): {"images": [file]}}
        entry: dict[str, Any] = {"prompt": [1, job.id, job.graph, {}, [_end(job.graph)]], "outputs": outputs}
        if not self.old:
            entry["status"] = _status(job, failed)
        keep(self.files, f"{file['filename']} [temp]", self._drawn(job))
        return JSONResponse({job.id: entry})

    def _drawn(self, job: Job) -> bytes:
        picture = striped(*size_of(job.graph, _end(job.graph), self._look), json.dumps(job.graph))
        return broken(picture) if job.trouble == "corrupt_picture" else picture

    async def _view(self, request: Request) -> Response:
        query = request.query_params
        found = self.files.get(
            _annotated(query.get("subfolder", ""), query.get("filename", ""), query.get("type", "output"))
        )
        return Response(status_code=404) if found is None else Response(found, media_type="image/png")

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form:
            picture, given = form.get("image"), {k: v for k, v in form.items() if isinstance(v, str)}
            if not isinstance(picture, UploadFile) or not picture.filename:
                return Response(status_code=400)
            data, name = await picture.read(), picture.filename
        self.board.note(request, fields=given, files={name: data})
        subfolder, folder = given.get("subfolder", ""), given.get("type", "input")
        number, stem = 1, name
        while given.get("overwrite") not in ("true", "1") and _annotated(subfolder, name, folder) in self.files:
            name, number = f"{stem.removesuffix('.png')} ({number}).png", number + 1
        keep(self.files, _annotated(subfolder, name, folder), data)
        return JSONResponse({"name": name, "subfolder": subfolder, "type": folder})

    async def _queue(self, request: Request) -> Response:
        for id in (await request.json()).get("delete", ()):
            if id in self.jobs and self.jobs[id].left != 0:
                self.jobs[id].deleted = True
        return Response()

    async def _interrupt(self, request: Request) -> Response:
        self.interrupts.append((await request.json()).get("prompt_id", ""))
        return Response()

    async def _listen(self, socket: WebSocket) -> None:
        if self.socket == "refused":
            await socket.close()
            return
        await socket.accept()
        self.listeners += 1
        client = socket.query_params.get("clientId")
        try:
            await socket.send_json({"type": "status", "data": {"status": {"exec_info": {}}, "sid": client}})
            for job in [job for job in self.jobs.values() if job.client == client]:
                await self._tell(socket, job)
            await socket.receive()
        except (WebSocketDisconnect, RuntimeError):
            # Who listened has gone.
            return

    async def _tell(self, socket: WebSocket, job: Job) -> None:
        """What a client hears while its prompt is drawn."""
        about = {"prompt_id": job.id, "node": "1"}
        if self.socket == "huge":
            await socket.send_bytes(bytes(_HUGE))
        if self.socket == "noise":
            await socket.send_text("no JSON")
            await socket.send_bytes(b"\0")
        await socket.send_json({"type": "execution_start", "data": about})
        for value in (1, 2, 3, 4):
            await socket.send_json({"type": "progress", "data": {**about, "value": value, "max": 4}})
            await socket.send_bytes(_PREVIEW)
            if self.socket == "broken":
                break
        if job.left is None:
            job.left = self.polls
        if self.socket == "broken":
            await socket.close(1011)
        else:
            await socket.send_json({"type": "executing", "data": {"node": None, "prompt_id": job.id}})

    def _look(self, name: str) -> tuple[int, int] | None:
        try:
            return measured(self.files[name if name.endswith("]") else f"{name} [input]"])
        except (KeyError, InvalidImage):
            return None


_WRONG: Mapping[str | None, tuple[str, str, str]] = {
    "bad_request": ("1", "Value not in list", "lora_name: 'gone.safetensors' not in []"),
    "not_found": ("1", "Value not in list", "ckpt_name: 'gone.safetensors' not in []"),
}


def _refused(graph: Graph, found: list[tuple[str, str, str]]) -> Response:
    if not found:
        error: dict[str, Any] = {
            "type": "prompt_no_outputs",
            "message": "Prompt has no outputs",
            "details": "",
            "extra_info": {},
        }
        return JSONResponse({"error": error, "node_errors": {}}, 400)
    said: dict[str, Any] = {
        "type": "prompt_outputs_failed_validation",
        "message": "Prompt outputs failed validation",
        "details": "\n".join(f"{what}: {details}" for _, what, details in found),
        "extra_info": {},
    }
    return JSONResponse({"error": said, "node_errors": _node_errors(graph, found)}, 400)


def _node_errors(graph: Graph, found: list[tuple[str, str, str]]) -> dict[str, Any]:
    errors = dict[str, Any]()
    for id, what, details in found:
        about = {"class_type": graph.get(id, {}).get("class_type"), "dependent_outputs": [_end(graph)], "errors": []}
        kind = re.sub(r"\W+", "_", what).lower()
        errors.setdefault(id, about)["errors"].append({"type": kind, "message": what, "details": details})
    return errors


def _status(job: Job, failed: bool) -> dict[str, Any]:
    messages: list[Any] = [["execution_start", {"prompt_id": job.id}]]
    if failed:
        said = {"exception_type": "RuntimeError", "exception_message": "mat1 and mat2 shapes cannot be multiplied"}
        messages.append(["execution_error", {"prompt_id": job.id, "node_type": "KSampler", **said, "traceback": []}])
    else:
        messages.append(["execution_success", {"prompt_id": job.id}])
    return {"status_str": "error" if failed else "success", "completed": not failed, "messages": messages}


def _end(graph: Graph) -> str:
    return next((id for id, node in graph.items() if node.get("class_type") in ENDS), "")


def _annotated(subfolder: str, name: str, folder: str) -> str:
    return f"{'/'.join(part for part in (subfolder, name) if part)} [{folder}]"
