"""The service as processes of its own, started as a user would, and callers that come over TCP."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.api.programs import served

ESTABLISHED, LISTENING = "01", "0A"


@dataclass
class Service:
    """A running `wallet serve` on a port of its own."""

    process: asyncio.subprocess.Process
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, *, connections: int = 100) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        return httpx2.AsyncClient(base_url=self.url, limits=limits, timeout=httpx2.Timeout(30, pool=None))

    def children(self) -> list[int]:
        """Return the process ids of its workers."""
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split() if b"spawn_main" in command_of(int(child))]

    async def stop(self, seconds: float = 30) -> int:
        """Ask it to stop and return its exit status."""
        self.process.terminate()
        async with asyncio.timeout(seconds):
            return await self.process.wait()


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def connections_of(pid: int, port: int) -> list[str]:
    """Return the state of each connection that a process has with a caller of `port`, as Linux numbers states."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    states = {f"socket:[{row[9]}]": row[3] for row in rows if row[1].endswith(f":{port:04X}") and row[3] != LISTENING}
    return [states[link] for link in _links_of(Path(f"/proc/{pid}/fd")) if link in states]


def _links_of(folder: Path) -> list[str]:
    """Return where a folder's links lead; one that goes away while they are read is not there."""
    links = []
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            links.append(str(file.readlink()))
    return links


@asynccontextmanager
async def started(database_url: str, **settings: str) -> AsyncIterator[Service]:
    """Run the service until the block ends; settings are given as in the environment, in small letters."""
    environment = {name.upper(): value for name, value in settings.items()}
    async with served(DATABASE_URL=database_url, LOG_LEVEL="warning", **environment) as (url, process):
        yield Service(process, url)


def wallet(user: str) -> str:
    return f"/api/v1/wallets/users/{user}"


async def give(client: httpx2.AsyncClient, user: str, amount: str, *, asset: int = 1) -> None:
    """Open an account with something to spend."""
    body = {"amount": amount, "asset_type_id": asset, "open_account": True}
    answer = await client.post(f"{wallet(user)}/top-up", json=body)
    assert answer.status_code == 200, answer.text


async def balance(client: httpx2.AsyncClient, user: str, *, asset: int = 1) -> str:
    answer = await client.get(f"{wallet(user)}/balance", params={"asset_type_id": asset})
    members: dict[str, Any] = answer.json()
    return str(members["balance"])
