"""Carries TCP connections out of a network namespace: listens inside it, connects from the machine's own network.

`python3 -m lab.forward NAMESPACE ADDRESS:PORT=HOST:PORT...` prints "ready" and serves until it is ended. This is how
hosts without any route to the world reach the package archives, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_CHUNK_BYTES = 1 << 16
_CONNECTIONS_MAX = 256
T = TypeVar("T")


def in_namespace(name: str, act: Callable[[], T]) -> T:
    """Runs `act` in a thread that has entered the named network namespace. A socket made there stays there."""
    answer: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            handle = os.open(Path("/run/netns") / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if libc.setns(handle, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {name}")
            finally:
                os.close(handle)
            answer.append(act())
        except BaseException as error:  # handed to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return answer[0]


def listen(namespace: str, address: str, port: int) -> socket.socket:
    """A listening socket inside the namespace; port 0 takes any free one."""
    return in_namespace(namespace, lambda: socket.create_server((address, port), backlog=128))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


async def _serve(socket_in: socket.socket, host: str, port: int, slots: asyncio.Semaphore) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with slots:
            try:
                far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(host, port), 30)
            except (OSError, asyncio.TimeoutError):
                writer.close()
                return
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
            for end in (writer, far_writer):
                end.close()

    server = await asyncio.start_server(carry, sock=socket_in)
    async with server:
        await server.serve_forever()


async def _main(namespace: str, words: list[str]) -> None:
    slots = asyncio.Semaphore(_CONNECTIONS_MAX)
    tasks = []
    for word in words:
        near, _, far = word.partition("=")
        address, _, port = near.rpartition(":")
        host, _, far_port = far.rpartition(":")
        tasks.append(_serve(listen(namespace, address, int(port)), host, int(far_port), slots))
    print("ready", flush=True)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2:]))
