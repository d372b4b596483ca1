"""The command `recs browse`: look up any user's list in a web browser on this machine."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from flows.cli.options import DEFAULT_HOME, Commands, ConfigOption, HomeOption, whole_number
from flows.terminal.console import out
from tasks.config.load import load_settings
from tasks.storage.home import existing_home

commands = Commands()


@commands.command()
def browse(
    port: Annotated[
        int,
        typer.Option(
            "--port",
            parser=whole_number("--port", 0),
            metavar="NUMBER",
            help="Of 127.0.0.1; 0 takes a free one.",
        ),
    ] = 8765,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = None,
) -> None:
    """Look up any user's list beside what the user liked, by any model of the live run, in a web browser.

    It serves this machine alone, writes nothing, and needs no Prefect; a night may run meanwhile. Ctrl-C ends it.
    """
    import uvicorn

    from flows.browser.app import HOST, browser_app, listening_socket
    from flows.browser.lookups import Lookups
    from tasks.publication.queries import lists_of

    settings = load_settings(config)
    settings.resources.put_into_force()
    lookups = Lookups(existing_home(home), settings)
    with lists_of(lookups.home, settings):
        pass  # an error ends the command here, in place of every page
    bound = listening_socket(port)
    address = f"http://{HOST}:{bound.getsockname()[1]}/"
    out.print(f"Lists of {lookups.home.dataset}: {address}   Ctrl-C ends it.", markup=False, soft_wrap=True)
    if open_:
        webbrowser.open(address)
    server = uvicorn.Server(
        uvicorn.Config(browser_app(lookups), log_level="warning", server_header=False, lifespan="off")
    )
    try:
        server.run(sockets=[bound])
    except KeyboardInterrupt:  # the usual end
        return
    finally:
        bound.close()
