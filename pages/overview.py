"""The first page: what this is, which model is ready, and the way into the chat."""

from glmcore.ui import overview_page

overview_page.show()
