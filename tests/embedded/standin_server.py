"""Stands in for the API and the MCP server: answers every GET with 200 on the port its first argument names."""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def serve(variable: str) -> None:
    sys.stderr.write(f"serving on {variable}\n")
    ThreadingHTTPServer(("127.0.0.1", int(os.environ[variable])), Answer).serve_forever()
