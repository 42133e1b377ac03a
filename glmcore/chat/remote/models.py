"""All models of all servers that the settings name. Importing this needs neither torch nor the client."""

import threading

from glmcore.chat.engine import ChatEngine
from glmcore.chat.remote.listing import Listing
from glmcore.core.endpoints import read_endpoints, split_name
from glmcore.core.errors import ConfigError, GlmcoreError
from glmcore.core.settings import Settings
from glmcore.models import ModelEntry


class RemoteModels:
    """May be used from any thread; asks nobody before it is asked itself."""

    def __init__(self, settings: Settings) -> None:
        """
        Raises:
            ConfigError: the setting `endpoints` cannot be read.
        """
        self._timeout = settings.endpoint_timeout_seconds
        self._listings = {endpoint: Listing(endpoint, self._timeout) for endpoint in read_endpoints(settings)}

    @property
    def listings(self) -> tuple[Listing, ...]:
        return tuple(self._listings.values())

    def entries(self) -> list[ModelEntry]:
        """The models that are known to be there; never waits."""
        return [entry for listing in self._listings.values() for entry in listing.entries()]

    def faults(self) -> list[GlmcoreError]:
        """Why the models of a server are not listed, or are those of an earlier time."""
        return [listing.fault for listing in self._listings.values() if listing.fault is not None]

    def is_looking(self) -> bool:
        """Whether a server's first list has yet to come."""
        return not all(listing.was_looked_at for listing in self._listings.values())

    def look(self) -> None:
        """Ask all servers for their models now, and wait for all of them."""
        looks = [threading.Thread(target=listing.look, daemon=True) for listing in self._listings.values()]
        for look in looks:
            look.start()
        for look in looks:
            look.join()

    def find(self, name: str) -> ModelEntry | None:
        """What a name means where it is that of a model on a server, listed or not.

        Raises:
            NotFoundError: a model that the server gets from yet another one.
        """
        found = split_name(name, self._listings)
        return self._listings[found[1]].entry(found[0]) if found else None

    def build_engine(self, entry: ModelEntry) -> ChatEngine:
        """The engine for an entry of `find`; looks whether the server is there.

        Raises:
            EngineError: it is not, or does not let us in.
        """
        from glmcore.chat.remote.engine import RemoteEngine

        found = split_name(entry.name, self._listings)
        assert found is not None
        model_id, endpoint = found
        listing = self._listings[endpoint]
        listing.look()
        if listing.trouble is not None:
            raise listing.trouble
        return RemoteEngine(listing, model_id, timeout=self._timeout)


def refuse_adapter(base: ChatEngine, adapter: str, settings: Settings) -> ChatEngine:
    """An adapter here is weights, and a server has its own.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(
        "{model} answers on another server, where the adapter {adapter!r} of this one cannot be used; "
        "choose no adapter, or a model here. What is tuned over there is a model of its own.",
        model=base.model_name,
        adapter=adapter,
        param="adapter",
    )
