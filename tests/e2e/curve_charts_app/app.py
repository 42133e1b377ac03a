"""A server with the live charts alone, for the browser test; it runs as the `Home.py` of its folder."""

import streamlit as st
from starlette.middleware import Middleware

from glmcore.api import ContentPolicy, asset_routes, health_routes

app = st.App(
    "page.py",
    routes=[*health_routes(lambda: ([], "")), *asset_routes()],
    middleware=[Middleware(ContentPolicy)],
)
