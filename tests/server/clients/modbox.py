"""Prints the sandboxes of a workspace, or the error that was made of the answer."""

import os
import sys

from modbox import ModboxApi
from modbox.core.api_error import ApiError

client = ModboxApi(base_url=sys.argv[1], token=os.environ.get("TOKEN"))
try:
    listed = client.sandboxes.list_sandboxes(workspace_id=os.environ.get("WORKSPACE"))
    print(*[sandbox.name for sandbox in listed.sandboxes])
except ApiError as error:
    print(type(error).__name__, error.status_code)
    print(error.body.error.model_dump_json(exclude_none=True))
