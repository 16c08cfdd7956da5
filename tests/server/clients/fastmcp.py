"""Calls tools of a server, and prints what each answers, or what went wrong."""

import asyncio
import json
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


async def main(url, mode, headers, *calls):
    transport = StreamableHttpTransport(url, headers=json.loads(headers))

    async def progress(*_):
        print("progress")
        await client.call_tool("saw")

    async def changed(message):
        if getattr(message, "method", "") == "notifications/tools/list_changed" and not tasks:
            print(message.method)
            tasks.append(asyncio.create_task(client.call_tool("saw")))

    tasks = []
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


try:
    asyncio.run(main(*sys.argv[1:]))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
