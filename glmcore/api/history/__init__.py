"""`/api/conversations`: the stored conversations of the caller's user, and of nobody else."""

from glmcore.api.history.endpoints import router

__all__ = ["router"]
