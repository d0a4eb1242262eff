"""Hands settings to a process of our own over its standard input. Starts none."""

import asyncio
import contextlib

import msgspec

from services.settings import encode_settings


async def hand_settings(stdin: asyncio.StreamWriter, settings: msgspec.Struct) -> None:
    """Write settings as a line; a process that has ended already is told nothing, and its status says the rest.

    uvloop calls a pipe that was closed a RuntimeError.
    """
    with contextlib.suppress(ConnectionError, RuntimeError):
        stdin.write(encode_settings(settings) + b"\n")
        await stdin.drain()
