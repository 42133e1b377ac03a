"""The library behind the GLM dashboard: everything that is not layout. See docs/architecture.md for the map."""

__version__ = "0.1.0"
