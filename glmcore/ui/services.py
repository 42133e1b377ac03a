"""The server's services as pages get them: one set per process, whoever asks first."""

import streamlit as st

from glmcore.core.settings import Settings, load_settings
from glmcore.server.services import Services, open_services

__all__ = ["Services", "services", "settings"]


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    return load_settings()


@st.cache_resource(show_spinner=False)
def services() -> Services:
    """The one set of services of this server.

    Raises:
        ConfigError, StorageError: settings or database are wrong; tried again at the next call.
    """
    return open_services(settings())
