"""The only room that knows Streamlit: router, shared services, page sections."""
