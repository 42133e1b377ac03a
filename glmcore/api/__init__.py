"""HTTP: health of the process and of the model, and files for our pages; more comes with its issue."""

from glmcore.api.assets import asset_routes
from glmcore.api.health import health_routes
from glmcore.api.security import ContentPolicy

__all__ = ["ContentPolicy", "asset_routes", "health_routes"]
