"""A TCP proxy that counts the bytes of both directions, so that a test knows what travelled and not what somebody says travelled."""

import socket
import threading


class CountingProxy:
    """Listens on a free port of its own and forwards to another port of this machine."""

    def __init__(self, target_port: int):
        self.target_port = target_port
        self.sent_bytes = 0
        self.received_bytes = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def counts(self) -> tuple[int, int]:
        """Bytes from clients to the node, and from the node to clients, since the proxy began."""
        with self._lock:
            return self.sent_bytes, self.received_bytes

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                node = socket.create_connection(("127.0.0.1", self.target_port))
            except OSError:
                client.close()
                continue
            for source, sink, name in ((client, node, "sent_bytes"), (node, client, "received_bytes")):
                threading.Thread(target=self._pump, args=(source, sink, name), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, name: str) -> None:
        try:
            while block := source.recv(1 << 18):
                with self._lock:
                    setattr(self, name, getattr(self, name) + len(block))
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                end.close()
