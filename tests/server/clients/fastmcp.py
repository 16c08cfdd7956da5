"""Connects to a server in each of these ways, calls tools of it, and prints what each answers, or
what went wrong."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

SAID = "notifications/tools/list_changed"


async def talk(url, headers, mode, calls):
    async def progress(*_):
        print("progress")
        await client.call_tool("saw")

    async def changed(message):
        if getattr(message, "method", "") == SAID and not tasks:
            print(SAID)
            tasks.append(asyncio.create_task(client.call_tool("saw")))

    tasks = []
    transport = StreamableHttpTransport(url, headers=json.loads(headers))
    client = Client(transport, mode=mode, message_handler=changed)
    async with client:
        print(*[tool.name for tool in await client.list_tools()])
        for call in calls:
            name, _, arguments = call.partition(" ")
            arguments = json.loads(arguments or "{}")
            try:
                print((await client.call_tool(name, arguments, progress_handler=progress)).data)
            except Exception as error:
                print(f"{type(error).__name__}: {error}")


url, headers, modes, *calls = sys.argv[1:]
for mode in modes.split(","):
    print(mode)
    try:
        asyncio.run(talk(url, headers, mode, calls))
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
