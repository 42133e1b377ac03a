"""HTTP: the API, health of the process and of the model, and files for our pages."""

from glmcore.api.assets import asset_routes
from glmcore.api.health import health_routes
from glmcore.api.mounting import ApiRoute
from glmcore.api.security import ContentPolicy

__all__ = ["ApiRoute", "ContentPolicy", "asset_routes", "health_routes"]
