"""Uploads a result, or prints the error that was made of the answer."""

import os
import sys

from modulos_client import APIStatusError, Modulos

client = Modulos(api_key=os.environ["KEY"], base_url=sys.argv[1])
try:
    client.evidence.upload.artifact_result({"ä": 1}, "ä 1.json", "web", "7", "so & so")
    print("uploaded")
except APIStatusError as error:
    print(type(error).__name__)
    print(error)
