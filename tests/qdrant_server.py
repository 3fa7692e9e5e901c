"""Qdrant's REST API on loopback over the client's own local mode: what is sent and answered is checked by its models.

    with QdrantServer() as server:
        server.stop()           # connections are refused from now on; what it holds stays
        server.start()          # on the same port

Only what `services.qdrant` uses is served. It is no Qdrant: it scores by brute force and keeps nothing on disk.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import ValidationError
from qdrant_client import QdrantClient
from qdrant_client.http import models

ROUTE = re.compile(r"/collections/([\w.-]+)(/[a-z/]+)?(\?.*)?$")
DONE = {"operation_id": 1, "status": "completed"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Stay silent."""

    def answer(self, method):
        server = self.server.owner
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        found = ROUTE.match(self.path)
        serve = SERVED.get((method, (found[2] or "") if found else None))
        if serve is None:
            self.reply(404, {"status": {"error": f"{method} {self.path}"}})
            return
        server.seen.append((method, self.path))
        try:
            with server.lock:
                result = serve(server.client, found[1], body)
        except ValidationError as error:
            self.reply(422, {"status": {"error": str(error)}})
        except FileExistsError:
            self.reply(409, {"status": {"error": "it exists"}})
        except ValueError as error:
            self.reply(404, {"status": {"error": str(error)}})
        else:
            self.reply(200, {"result": result, "status": "ok", "time": 0.0})

    def do_GET(self):
        self.answer("GET")

    def do_PUT(self):
        self.answer("PUT")

    def do_POST(self):
        self.answer("POST")

    def do_DELETE(self):
        self.answer("DELETE")

    def reply(self, code, value):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def create(client, name, body):
    asked = models.CreateCollection.model_validate_json(body)
    if client.collection_exists(name):
        raise FileExistsError
    return client.create_collection(
        name, vectors_config=asked.vectors or {}, sparse_vectors_config=asked.sparse_vectors
    )


def index(client, name, body):
    models.CreateFieldIndex.model_validate_json(body)
    client.get_collection(name)
    return DONE


def upsert(client, name, body):
    client.upsert(name, models.PointsList.model_validate_json(body).points)
    return DONE


def remove(client, name, body):
    client.delete(name, models.FilterSelector.model_validate_json(body))
    return DONE


def query(client, name, body):
    asked = models.QueryRequest.model_validate_json(body)
    told = client.query_points(
        name, query=asked.query.nearest if isinstance(asked.query, models.NearestQuery) else asked.query,
        using=asked.using, query_filter=asked.filter, search_params=asked.params, limit=asked.limit, with_payload=False,
    )  # fmt: skip
    return told.model_dump(mode="json", exclude_none=True)


def count(client, name, body):
    asked = models.CountRequest.model_validate_json(body)
    return client.count(name, asked.filter, exact=True).model_dump()


SERVED = {
    ("GET", "/exists"): lambda client, name, _: {"exists": client.collection_exists(name)},
    ("PUT", ""): create,
    ("PUT", "/index"): index,
    ("PUT", "/points"): upsert,
    ("POST", "/points/delete"): remove,
    ("POST", "/points/query"): query,
    ("POST", "/points/count"): count,
    ("DELETE", ""): lambda client, name, _: client.delete_collection(name),
}


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, owner):
        super().__init__(("127.0.0.1", port), Handler)
        self.owner, self.sockets = owner, set()

    def process_request(self, request, client_address):
        self.sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.sockets.discard(request)
        super().shutdown_request(request)


class QdrantServer:
    """The server; ``seen`` is what it was asked, method and path."""

    def __init__(self):
        self.client, self.lock, self.seen = QdrantClient(":memory:"), threading.Lock(), []
        self.port, self._listener = 0, None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self._listener = Listener(self.port, self)
        self.port = self._listener.server_port
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self):
        """Refuse connections, and end those there are."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown()
        listener.server_close()
        self._thread.join()
        for one in list(listener.sockets):
            listener.shutdown_request(one)

    def empty(self):
        """Forget everything, as a server whose disk was lost."""
        with self.lock:
            self.client = QdrantClient(":memory:")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
