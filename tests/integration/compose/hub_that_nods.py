"""As much of a hub's API as a single-user server asks at its start; runs inside a container of the image."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer

VERSION = "5.5.0"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ada = {
            "name": "ada",
            "kind": "user",
            "admin": False,
            "groups": [],
            "scopes": ["access:servers!server=ada/"],
        }
        body = json.dumps({"version": VERSION, **ada}).encode()
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", VERSION)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()


if __name__ == "__main__":
    HTTPServer(("0.0.0.0", 8081), Handler).serve_forever()
