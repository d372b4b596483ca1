"""The program that is Prefect's server: python -P serve_prefect.py LISTENER, a socket that its parent has made.

It ends when its standard input does. That is a pipe from the night, which the kernel closes however the night ends: no
killed night leaves a server behind.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

_GRACE = 3  # seconds for what is under way


def end_with_the_night() -> None:
    """Wait until the night has ended, then end this process, if need be without grace."""
    sys.stdin.buffer.read()
    killer = threading.Timer(2 * _GRACE, os._exit, [1])
    killer.daemon = True
    killer.start()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_night, daemon=True).start()
    os.environ |= {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    import uvicorn  # it takes a second, and the night may end meanwhile

    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        lifespan="on",
        log_level="error",
        timeout_graceful_shutdown=_GRACE,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
