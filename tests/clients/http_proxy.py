"""An HTTP proxy that notes every request, counts the bytes of every answer, and can be slow, gone, or a liar.

It stands before a node as a reverse proxy, so the node must name it as its `public_url`.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK_BYTES = 64 << 10
#: Headers that are said for one hop only.
HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length", "expect"}


@dataclass
class Seen:
    """One request and what of its answer passed on."""

    method: str
    path: str
    range: str
    status: int = 0
    body_bytes: int = 0


@dataclass
class Answer:
    """What the proxy says itself instead of passing a request on."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class HttpProxy:
    """Listens on a free port of its own and forwards to another port of this machine."""

    def __init__(self, target_port: int):
        self.target_port = target_port
        #: Beginnings of names of headers that answers lose, in lower case.
        self.stripped: tuple[str, ...] = ()
        #: Paths that begin so are answered as a server does that never heard of them.
        self.unknown: tuple[str, ...] = ()
        #: Is asked before a request passes, with its method, path and headers; none: it passes.
        self.gate: Callable[[str, str, http.client.HTTPMessage], Answer | None] = lambda *_: None
        #: One bit of every so many body bytes is flipped in answers to paths that contain the text.
        self.flip: tuple[str, int] | None = None
        #: Body bytes a second, all answers together; none for as fast as it goes.
        self.rate: int | None = None
        #: Body bytes after which the proxy goes away by itself.
        self.gone_after: int | None = None
        self.seen: list[Seen] = []
        self._lock = threading.Lock()
        self._gone = threading.Event()
        self._open: set[socket.socket] = set()
        self._free = 0.0
        self._flip_left = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.leave()
        self._server.shutdown()
        self._server.server_close()

    def leave(self) -> None:
        """Goes away: every connection breaks, and new ones break before they are answered."""
        self._gone.set()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def come_back(self) -> None:
        self.gone_after = None
        self._gone.clear()

    @property
    def is_gone(self) -> bool:
        return self._gone.is_set()

    def forget(self) -> None:
        """Begins to count anew."""
        with self._lock:
            self.seen.clear()

    def requests(self, part: str = "", method: str = "") -> list[Seen]:
        """The requests whose path contains the text."""
        with self._lock:
            return [one for one in self.seen if part in one.path and method in one.method]

    def body_bytes(self, *parts: str) -> int:
        """Body bytes of answers to paths that contain any of the texts, or of all."""
        with self._lock:
            return sum(one.body_bytes for one in self.seen if not parts or any(part in one.path for part in parts))

    def wait_for_bytes(self, wanted: int, *parts: str, secs: float = 120) -> None:
        """Waits until so many body bytes passed."""
        end = time.monotonic() + secs
        while self.body_bytes(*parts) < wanted:
            assert time.monotonic() < end, f"{self.body_bytes(*parts)} of {wanted} bytes after {secs} s: {self.seen[-20:]}"
            time.sleep(0.005)

    def _falsify(self, path: str, block: bytes) -> bytes:
        if self.flip is None or self.flip[0] not in path:
            return block
        false = bytearray(block)
        with self._lock:
            at = self._flip_left
            while at < len(false):
                false[at] ^= 1
                at += self.flip[1]
            self._flip_left = at - len(false)
        return bytes(false)

    def _pace(self, count: int) -> None:
        if self.rate:
            with self._lock:
                self._free = max(self._free, time.monotonic()) + count / self.rate
                wait = self._free - time.monotonic()
            if wait > 0:
                self._gone.wait(wait)

    def _passed(self, seen: Seen, count: int) -> None:
        with self._lock:
            seen.body_bytes += count
            total = sum(one.body_bytes for one in self.seen)
        if self.gone_after is not None and total >= self.gone_after:
            self.leave()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    proxy: HttpProxy

    def get_request(self):
        connection, address = super().get_request()
        with self.proxy._lock:
            self.proxy._open.add(connection)
        return connection, address

    def shutdown_request(self, request) -> None:
        with self.proxy._lock:
            self.proxy._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address) -> None:
        pass  # connections that break are what this proxy is for


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_) -> None:
        pass

    def _body(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while count := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(count))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        length = self.headers.get("Content-Length")
        return self.rfile.read(int(length)) if length else None

    def _forward(self) -> None:
        proxy = self.server.proxy
        self.close_connection = self.close_connection or proxy.is_gone
        if proxy.is_gone:
            return
        seen = Seen(self.command, self.path, self.headers.get("Range", ""))
        with proxy._lock:
            proxy.seen.append(seen)
        body = self._body()
        own = Answer(404) if self.path.startswith(proxy.unknown) else proxy.gate(self.command, self.path, self.headers)
        if own:
            self._say(seen, own)
            return
        node = http.client.HTTPConnection("127.0.0.1", proxy.target_port, timeout=120)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            if body is not None:
                headers["Content-Length"] = str(len(body))
            node.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                node.putheader(name, value)
            node.endheaders(body)
            answer = node.getresponse()
            self._answer(proxy, seen, answer)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            node.close()

    def _say(self, seen: Seen, answer: Answer) -> None:
        seen.status = answer.status
        self.send_response_only(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _answer(self, proxy: HttpProxy, seen: Seen, answer: http.client.HTTPResponse) -> None:
        seen.status = answer.status
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP and not name.lower().startswith(proxy.stripped or ("\0",)):
                self.send_header(name, value)
        length = answer.getheader("Content-Length")
        has_body = self.command != "HEAD" and answer.status not in (204, 304)
        is_chunked = has_body and length is None
        if length is not None:
            self.send_header("Content-Length", length)
        elif is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while has_body and (block := answer.read1(BLOCK_BYTES)):
            proxy._pace(len(block))
            if proxy.is_gone:
                self.close_connection = True
                return
            block = proxy._falsify(self.path, block)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if is_chunked else block)
            proxy._passed(seen, len(block))
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _forward  # noqa: N815
