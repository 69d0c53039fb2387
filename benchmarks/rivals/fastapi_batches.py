"""FastAPI with a batching window of its own, serving the portal's own prepared network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, UploadFile

from benchmarks.rivals.networks import LitertNetwork, Shares
from benchmarks.rivals.settings import Settings, serve_fastapi
from mlservice.engine import Picture

settings = Settings.from_environment()


class Window:
    """Puts together what comes within ``window_ms`` of the first, ``batch`` photos at most.

    The network has a thread of its own, so the next batch forms while one is computed.
    """

    def __init__(self) -> None:
        self.network = LitertNetwork(settings)
        self._queue: asyncio.Queue[tuple[Picture, asyncio.Future[Shares]]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1)

    async def answer(self, photo: bytes) -> Shares:
        picture = await asyncio.to_thread(self.network.prepare, photo)
        future: asyncio.Future[Shares] = asyncio.get_running_loop().create_future()
        await self._queue.put((picture, future))
        return await future

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.window_ms / 1000):
                    while len(batch) < settings.batch:
                        batch.append(await self._queue.get())
            while len(batch) < settings.batch and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            pictures = [picture for picture, _ in batch]
            found = await loop.run_in_executor(self._thread, self.network.shares, pictures)
            for (_, future), shares in zip(batch, found, strict=True):
                future.set_result(shares)


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    app.state.window = Window()
    task = asyncio.create_task(app.state.window.run())
    yield
    task.cancel()


app = FastAPI(lifespan=running)


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
async def predict(photo: UploadFile) -> Shares:
    window: Window = app.state.window
    return await window.answer(await photo.read())


if __name__ == "__main__":
    serve_fastapi("benchmarks.rivals.fastapi_batches:app", settings.workers)
