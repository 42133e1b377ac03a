"""How an endpoint gets the server's services."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from glmcore.server.services import Services

# Gives the services, making them at the first call. Raises ConfigError, StorageError.
FindServices = Callable[[], Services]


def shared_services(request: Request) -> Services:
    find: FindServices = request.app.state.find_services
    return find()


Shared = Annotated[Services, Depends(shared_services)]
