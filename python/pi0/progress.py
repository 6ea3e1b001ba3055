"""What an export says while it works."""

import sys
import time


class Progress:
    """Lines on stderr. Those that a reader of the policy has to know are kept for policy.json."""

    def __init__(self) -> None:
        self.decisions: list[str] = []
        self.spoken = time.monotonic()

    def decide(self, line: str) -> None:
        self.decisions.append(line)
        self.say(line)

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        self.spoken = time.monotonic()

    def tick(self, line: str) -> None:
        """A line every two seconds at most."""
        if time.monotonic() - self.spoken > 2:
            self.say(line)
