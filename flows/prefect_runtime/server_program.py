"""Prefect's server as a program: python -P server_program.py LISTENER, the descriptor of a socket of its parent's.

It ends when its standard input ends. That is a pipe from the night, which the kernel closes however the night ends, so
a killed night leaves no server behind.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

_GRACE = 3  # seconds for open requests


def end_with_the_night() -> None:
    """Wait until the night has ended, then end this process; after twice the grace, by force."""
    sys.stdin.buffer.read()
    killer = threading.Timer(2 * _GRACE, os._exit, [1])
    killer.daemon = True
    killer.start()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_night, daemon=True).start()
    os.environ |= {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    import uvicorn  # after the thread has started: the import takes a second, and the night may end meanwhile

    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        lifespan="on",
        log_level="error",
        timeout_graceful_shutdown=_GRACE,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
