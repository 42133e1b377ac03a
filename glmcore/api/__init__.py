"""HTTP: for now the health of the process and of the model; the other endpoints come with their issue."""

from glmcore.api.health import health_routes
from glmcore.api.security import ContentPolicy

__all__ = ["ContentPolicy", "health_routes"]
