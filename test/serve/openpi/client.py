"""Talks to a server with openpi's own client: client.py URL [API_KEY]. Prints what came back."""

import json
import sys

import numpy as np
from openpi_client.websocket_client_policy import WebsocketClientPolicy


def main(url: str, api_key: str | None = None) -> None:
    client = WebsocketClientPolicy(url, api_key=api_key)
    picture = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)
    state = np.array([0.5, -1.0], dtype=np.float64)
    observation = {"observation/image": picture, "observation/state": state, "prompt": "tidy"}
    answers = [client.infer(observation) for _ in range(3)]
    try:
        client.infer({"prompt": "no picture"})
        error = None
    except RuntimeError as problem:
        error = str(problem)
    print(
        json.dumps(
            {
                "metadata": client.get_server_metadata(),
                "dtype": answers[0]["actions"].dtype.str,
                "actions": answers[0]["actions"].tolist(),
                "timings": [sorted(answer["server_timing"]) for answer in answers],
                "error": error,
            }
        )
    )


main(*sys.argv[1:])
