"""
A backend of the soak: a process on one port that may be killed at any moment.

    python -m bench.soak_parts.backend PORT
"""

import asyncio
import gc
import socket
import sys

from bench.soak_parts.bodies import answer_body

CHUNK_BYTES = 7000


async def _read_body(reader: asyncio.StreamReader, fields: dict[bytes, bytes]) -> bytes:
    if fields.get(b"transfer-encoding", b"").lower() != b"chunked":
        return await reader.readexactly(int(fields.get(b"content-length", b"0")))
    body = bytearray()
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while (await reader.readline()) != b"\r\n":
        pass
    return bytes(body)


async def _answer_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; whether another may follow."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    method, path, _ = lines[0].decode("ascii").split(" ")
    fields = {n.lower(): v.strip() for n, _, v in (line.partition(b":") for line in lines[1:])}
    received = await _read_body(reader, fields)
    _, number, size, framing, wait_ms = path.split("/")
    if int(wait_ms):
        await asyncio.sleep(int(wait_ms) / 1000)
    body = answer_body(int(number), method, received, int(size))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
    # A head goes out in one piece: one that is cut short is rightly a 502, also for a GET.
    if framing == "length":
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    else:
        writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
        if int(wait_ms):
            await asyncio.sleep(int(wait_ms) / 1000)  # killed now, it leaves a torn answer
        for start in range(0, len(body), CHUNK_BYTES):
            chunk = body[start : start + CHUNK_BYTES]
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return fields.get(b"connection", b"").lower() != b"close"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await _answer_one(reader, writer):
            pass
    except (asyncio.IncompleteReadError, OSError):
        pass  # The proxy hung up, which is its right between two requests.
    finally:
        writer.close()


async def _main(port: int) -> None:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    server = await asyncio.start_server(_serve, sock=sock, limit=1 << 20)
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
