"""`/api/jobs`: fine-tuning and predictions, queued, listed, followed, stopped and gone on with over HTTP.

As on the pages, whoever may use jobs sees and stops those of everybody; each says its owner, who is the
user of the key that it was submitted with.
"""

from glmcore.api.jobs.endpoints import router

__all__ = ["router"]
