"""A server with the live charts alone, for the browser test."""

import streamlit as st
from starlette.middleware import Middleware

from glmcore.api import ContentPolicy, asset_routes

app = st.App("page.py", routes=asset_routes(), middleware=[Middleware(ContentPolicy)])
