"""Serves tools at /mcp. Prints its port, then every request and what its tools do."""

import asyncio
import socket
from typing import Annotated

import uvicorn
from fastmcp import Context, FastMCP
from pydantic import Field

# A client says this argument in a header as well.
Namespace = Annotated[str, Field(json_schema_extra={"x-mcp-header": "Namespace"})]

mcp = FastMCP("tools")
seen = asyncio.Event()


@mcp.tool
def add(a: int, b: int) -> int:
    print("adds", flush=True)
    return a + b


@mcp.tool
def start(sandbox: str, namespace: Namespace) -> str:
    print(f"starts {sandbox} in {namespace}", flush=True)
    return f"{sandbox} runs in {namespace}"


@mcp.tool(name="größe")
def size() -> str:
    return "9 m²"


@mcp.tool
async def wait(context: Context) -> str:
    """Ends only when the client has said that it saw how far this is."""
    seen.clear()
    await context.report_progress(1, 2)
    await asyncio.wait_for(seen.wait(), 60)
    return "done"


@mcp.tool
async def change(context: Context) -> str:
    """The same, with what is said on the stream of no request, which may not be there yet."""
    seen.clear()
    for _ in range(600):
        await context.session.send_tool_list_changed()
        try:
            await asyncio.wait_for(seen.wait(), 0.1)
            return "changed"
        except TimeoutError:
            pass
    return "nobody saw it"


@mcp.tool
def saw() -> None:
    seen.set()


app = mcp.http_app()


async def printing(scope, receive, send):
    if scope["type"] == "http":
        headers = dict(scope["headers"])
        key = "a key" if b"authorization" in headers or b"x-api-key" in headers else "no key"
        print(scope["method"], headers[b"x-msb-namespace"].decode(), key, flush=True)
        for name in (b"mcp-name", b"mcp-param-namespace"):
            if name in headers:
                print(name.decode(), headers[name].decode(), flush=True)
    await app(scope, receive, send)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(printing, log_level="warning")).run(sockets=[listener])
