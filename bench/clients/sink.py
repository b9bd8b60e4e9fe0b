"""A server that reads request bodies, throws them away cheaply and says how much it got."""

import re
import socket
import socketserver
import sys

HEAD_BYTES_MAX = 65536
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class SinkConnection(socketserver.BaseRequestHandler):
    """One connection from a proxy: requests with a Content-Length, or without a body."""

    request: socket.socket

    def handle(self) -> None:
        """Answer each request when its body has come whole."""
        buffer = bytearray(1 << 20)
        while head := self._read_head():
            end = head.index(b"\r\n\r\n") + 4
            found = LENGTH.search(head)
            length = int(found.group(1)) if found else 0
            missing = length - (len(head) - end)
            while missing > 0:
                # MSG_TRUNC: the kernel drops the bytes and copies none of them.
                count = self.request.recv_into(buffer, min(missing, len(buffer)), socket.MSG_TRUNC)
                if not count:
                    return
                missing -= count
            answer = b"%d\n" % length
            self.request.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer)
            )

    def _read_head(self) -> bytes:
        """Return a head and what came with it; empty when the client is done."""
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.request.recv(HEAD_BYTES_MAX)
            if not data or len(head) > HEAD_BYTES_MAX:
                return b""
            head += data
        return head


class Sink(socketserver.ThreadingTCPServer):
    """A thread for each connection: there are few, and each moves much."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Sink(("127.0.0.1", int(sys.argv[1])), SinkConnection) as sink:
        sink.serve_forever()
