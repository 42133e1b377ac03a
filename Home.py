"""Entry point: `streamlit run Home.py` serves the pages and the HTTP API from one process.

Only launches. Streamlit finds the literal `st.App(...)` below; the pages' main script is the router.
"""

import streamlit as st
from starlette.middleware import Middleware

from glmcore.api import ApiRoute, ContentPolicy, asset_routes, health_routes
from glmcore.api.downloads import download_routes
from glmcore.ui.history.downloads import find_download
from glmcore.ui.lifespan import build_dashboard_api, life, lifespan

app = st.App(
    "glmcore/ui/router.py",
    routes=[
        *health_routes(life.readiness),
        *asset_routes(),
        *download_routes(find_download),
        ApiRoute(build_dashboard_api),
    ],
    lifespan=lifespan,
    middleware=[Middleware(ContentPolicy)],
)
