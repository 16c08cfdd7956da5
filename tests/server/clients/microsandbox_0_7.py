"""Prints the sandboxes there are, or what went wrong."""

import asyncio
import os
import sys

from microsandbox import MicrosandboxError, Sandbox


async def main():
    page = await Sandbox.list()
    for sandbox in page.sandboxes:
        print(sandbox.name, sandbox.status)


try:
    asyncio.run(main())
except MicrosandboxError as error:
    print(f"{type(error).__name__}: {error}")
sys.stdout.flush()
# Its threads do not outlive the interpreter well.
os._exit(0)
