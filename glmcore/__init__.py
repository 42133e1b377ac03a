"""The library behind the GLM dashboard: everything that is not layout. The map is docs/architecture.md."""

__version__ = "0.1.0"
