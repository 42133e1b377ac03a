"""The chat page."""

from glmcore.ui import chat_page

chat_page.show()
