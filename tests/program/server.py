"""A Hugging Face style endpoint on the loopback interface, for the tests of `wick pull`.

usage: server.py PORT_FILE   (writes the port it listens on)

Serves one repository, test/model, whose files are made up here. The query of a test travels in the revision:
main        everything right; supports ranges
drop        closes the connection halfway through each answer of more than 100,000 bytes, unless a range was asked
badsha      the listing's SHA-256 is wrong
norange     ignores ranges
evil        the listing names ../evil.gguf
private     wants "Authorization: Bearer secret"
loop        redirects to itself for ever
"""
import hashlib
import http.server
import json
import sys

FILES = {
    "config.json": b'{"model_type": "llama"}',
    "model.gguf": bytes((i * 7 + i // 251) % 256 for i in range(3_000_000)),
    "notes.bin": b"not wanted",
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code, body, headers=(), sent=None):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if sent is None else body[:sent])
        if sent is not None:
            self.wfile.flush()
            self.close_connection = True

    def listing(self, revision):
        siblings = []
        for name, data in FILES.items():
            digest = hashlib.sha256(data).hexdigest()
            if revision == "badsha":
                digest = "0" * 64
            entry = {"rfilename": name, "size": len(data)}
            if name.endswith(".gguf"):
                entry["lfs"] = {"sha256": digest, "size": len(data)}
            siblings.append(entry)
        if revision == "evil":
            siblings.append({"rfilename": "../evil.gguf", "size": 3})
        return json.dumps({"id": "test/model", "siblings": siblings}).encode()

    def do_GET(self):
        path = self.path.split("?")[0].strip("/").split("/")
        if path[:4] == ["api", "models", "test", "model"] and len(path) == 6:
            revision, name = path[5], None
        elif path[:3] == ["test", "model", "resolve"] and len(path) == 5:
            revision, name = path[3], path[4]
        else:
            return self.answer(404, b"no")
        if revision == "private" and self.headers.get("Authorization") != "Bearer secret":
            return self.answer(401, b"no")
        if revision == "loop":
            return self.answer(302, b"", [("Location", self.path)])
        if name is None:
            return self.answer(200, self.listing(revision))
        if name not in FILES:
            return self.answer(404, b"no")
        data, start = FILES[name], 0
        wanted = self.headers.get("Range")
        if wanted and revision != "norange":
            start = int(wanted.split("=")[1].split("-")[0])
            part = data[start:]
            return self.answer(206, part, [("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")])
        if revision == "drop" and len(data) > 100_000:
            return self.answer(200, data, sent=len(data) // 2)
        self.answer(200, data)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1], "w") as f:
    f.write(str(server.server_port))
server.serve_forever()
