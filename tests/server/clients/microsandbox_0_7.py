"""Lists sandboxes or uses files of a volume, and prints what it found or what went wrong."""

import asyncio
import os
import sys

from microsandbox import MicrosandboxError, Sandbox, Volume


async def sandboxes():
    page = await Sandbox.list()
    for sandbox in page.sandboxes:
        print(sandbox.name, sandbox.status)


async def files():
    volume = await Volume.get("data")
    await volume.fs.write("/a b/ä.txt", b"words")
    print(await volume.fs.read_text("/a b/ä.txt"))
    await volume.fs.remove_dir("/a b")


try:
    asyncio.run({"sandboxes": sandboxes, "files": files}[sys.argv[1]]())
except MicrosandboxError as error:
    print(f"{type(error).__name__}: {error}")
sys.stdout.flush()
# Its threads do not outlive the interpreter well.
os._exit(0)
