"""Prints every piece of an answer as it arrives, or what went wrong."""

import openai

client = openai.OpenAI(max_retries=0)
try:
    for chunk in client.chat.completions.create(
        model="llama", messages=[{"role": "user", "content": "Count"}], stream=True
    ):
        print(chunk.choices[0].delta.content, flush=True)
    print("the end", flush=True)
except openai.APIError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
