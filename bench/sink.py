"""A plain HTTP sink: it answers every batch with success after a set latency. It checks nothing, so it costs little."""

from __future__ import annotations

import argparse
import asyncio

ANSWER_BODY = b'{"RequestId":"sink","Success":true,"ErrorCode":null,"ErrorDesc":null,"TraceId":"sink","Data":null}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(ANSWER_BODY),
    ANSWER_BODY,
)


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency_s: float) -> None:
    """Answer every request on one connection until it is closed."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lower = head.lower()
            start = lower.index(b"content-length:") + len(b"content-length:")
            await reader.readexactly(int(lower[start : lower.index(b"\r\n", start)]))
            if latency_s:
                await asyncio.sleep(latency_s)
            writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port: int, latency_s: float) -> None:
    """Serve on loopback until killed."""
    server = await asyncio.start_server(
        lambda r, w: serve_connection(r, w, latency_s), "127.0.0.1", port, limit=16 << 20
    )
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.port, arguments.latency_ms / 1000))
