"""
A backend that answers everything with two bytes, as fast as it can.

    python -m bench.state_parts.backend PORT
"""

import asyncio
import sys

from typing_extensions import override

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Backend(asyncio.Protocol):
    """Takes each segment for one request."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER)


async def _main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
