"""What does litellm send to a vendor for a chat body? A program of its own, since importing litellm takes seconds.

Each line on its input is ``{"model", "body"}``; for each it calls litellm against a server on loopback that stands for
the vendor, and writes a line with the path and body that came there, or with the class of what litellm raised before.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

import litellm

came: list[dict[str, Any]] = []


class Vendor(BaseHTTPRequestHandler):
    """Refuses every request: what came is all that counts."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        came.append({"path": self.path.partition("?")[0], "body": json.loads(raw)})
        self.send_response(400)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def translated(url: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What reaches the vendor."""
    came.clear()
    # litellm looks for tools of MCP servers among all tools, for which it imports what it does not depend on.
    how = {"api_base": url, "api_key": "planted-key", "num_retries": 0, "max_retries": 0, "_skip_mcp_handler": True}
    try:
        litellm.completion(model=asked["model"], **how, **asked["body"])  # pyright: ignore[reportUnknownMemberType]
    except Exception as error:  # noqa: BLE001 -- the refusal, or litellm's own
        return came[0] if came else {"raised": type(error).__name__}
    return {"raised": "nothing"}


def main() -> None:
    """Answer each line."""
    litellm.suppress_debug_info = True
    vendor = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    threading.Thread(target=vendor.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{vendor.server_address[1]}"
    for line in sys.stdin:
        sys.stdout.write(json.dumps(translated(url, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
