"""Starts a sandbox, runs code and a command in it, and stops it."""

import asyncio
import sys

from microsandbox import PythonSandbox


async def main(namespace, api_key=None):
    async with PythonSandbox.create(name="my-env", namespace=namespace, api_key=api_key) as sandbox:
        execution = await sandbox.run("print('ä', 1 + 1)")
        print(await execution.output())
        command = await sandbox.command.run("ls", ["-l", "/"])
        print(await command.output())
        print(await sandbox.metrics.is_running())


asyncio.run(main(*sys.argv[1:]))
