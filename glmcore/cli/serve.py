"""`serve`: the HTTP API without pages, in a process of its own."""

import argparse
import errno
import ipaddress
import socket
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from glmcore.cli.arguments import Commands, add_command
from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark, translate
from glmcore.core.settings import Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from glmcore.server.services import Services

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
MOST_CONNECTIONS = 1000  # open at once; more are answered with 503
WAITING_CONNECTIONS = 512  # that the system may keep until we take them
IDLE_SECONDS = 30  # that a connection stays open for its next request
HIGHEST_PORT = 65535
NEEDS_KEY = mark("Every request needs an API key.")
NEEDS_NO_KEY = mark("No API key was ever made, so requests from this machine are answered without one.")


def add_serve(commands: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    serve = add_command(commands, "serve", _("serve the HTTP API without pages"), run_serve, language)
    group = serve.add_argument_group(_("Server"))
    host_help = _("address to listen on; all but those of this machine itself need an API key to exist")
    group.add_argument("--host", default=DEFAULT_HOST, help=host_help)
    port_help = _("port to listen on; 0 takes a free one")
    group.add_argument("--port", metavar="N", type=int, default=DEFAULT_PORT, help=port_help)
    group.add_argument("--model", help=_("a name, a folder or a .gguf file; the setting model by default"))


def run_serve(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.server.services import open_services

    shared = open_services(replace(settings, model=arguments.model or settings.model))
    try:
        shared.models.find(shared.settings.model)  # a name that means nothing is said at once
        any_keys = shared.keys.any_made()
        _check_host(arguments.host, any_keys=any_keys)
        listener = _listen(arguments.host, arguments.port)
        application = build_application(shared)
    except BaseException:
        shared.close()
        raise
    from glmcore.api.measures.log_form import configure_logging

    configure_logging(settings)
    with listener:
        _tell(listener, language, any_keys=any_keys)
        serve_until_signal(application, listener)
    return 0


def _check_host(host: str, *, any_keys: bool) -> None:
    if not any_keys and not _is_loopback(host):
        raise ConfigError(
            "--host {host} would let other machines ask, and no API key was ever made: make one with "
            "`python -m glmcore keys make NAME`, or listen on {default}.",
            host=host,
            default=DEFAULT_HOST,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that a taken port is said before anything is loaded."""
    if not 0 <= port <= HIGHEST_PORT:
        raise ConfigError("--port is {port}; expected 0 to {most}.", port=port, most=HIGHEST_PORT)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=WAITING_CONNECTIONS)
    except OSError as fault:
        if fault.errno == errno.EADDRINUSE:
            raise ConfigError(
                "Port {port} of {host} is taken by another program; end that, or choose another with --port.",
                port=port,
                host=host,
            ) from None
        raise ConfigError(
            "{host}:{port} cannot be listened on ({fault}); give another --host or --port.",
            host=host,
            port=port,
            fault=fault.strerror or fault,
        ) from None


def _tell(listener: socket.socket, language: str, *, any_keys: bool) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    lines = [translate("The API is on {address}; {address}/api/docs describes it.", language)]
    lines.append(translate(NEEDS_KEY if any_keys else NEEDS_NO_KEY, language))
    print("\n".join(lines).format(address=address), file=sys.stderr, flush=True)


def serve_until_signal(application: "Starlette", listener: socket.socket) -> None:
    """Serve until a signal; running answers then get time to finish."""
    import uvicorn

    from glmcore.api.connections import ImpatientProtocol

    config = uvicorn.Config(
        application,
        lifespan="on",
        http=ImpatientProtocol,
        ws="none",
        log_config=None,  # the form is ours
        log_level="warning",
        access_log=False,  # requests are logged by the API itself
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        backlog=WAITING_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


def build_application(shared: "Services") -> "Starlette":
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from glmcore.api import health_routes
    from glmcore.api.app import build_api
    from glmcore.api.original import alone_router
    from glmcore.server.life import ServerLife, living

    life = ServerLife(lambda: shared)
    api = build_api(lambda: shared, life.is_ending)
    api.include_router(alone_router)
    routes = [*health_routes(life.readiness), Mount("/", api)]
    return Starlette(routes=routes, lifespan=lambda app: living(life))
