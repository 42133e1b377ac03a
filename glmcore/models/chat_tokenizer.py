"""A tokenizer with the rules of its family: a conversation becomes token ids here, and token ids become text.

The only such place, for every engine; knows tokenizers by what they can do, so torch is not needed for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from glmcore.core.errors import DataError
from glmcore.core.messages import Message
from glmcore.models.answer_text import settled
from glmcore.models.catalog import UNKNOWN_FAMILY, Family
from glmcore.models.prompt_forms import ENCODING, template_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(kw_only=True)
class ChatTokenizer:
    """What turns messages into a prompt's ids, and the ids of an answer into text."""

    tokenizer: "PreTrainedTokenizerBase"
    family: Family = UNKNOWN_FAMILY

    def prompt_ids(self, messages: Sequence[Message], *, continue_last: bool = False) -> list[int]:
        """The token ids that ask for the next answer, or for more of the last message.

        Raises:
            DataError: the model's prompt form does not accept the conversation.
        """
        form = self.family.prompt_form
        if not continue_last:
            return form.prompt_ids(self.tokenizer, messages)
        if not messages or messages[-1].role != "assistant":
            raise DataError("There is no answer to continue; the last message must be one of the model's.")
        # The ids that the first part was generated from, as far as its cleaned text tells, so that the cached
        # prefix serves again.
        begun = form.answer_ids(self.tokenizer, messages[-1].content)
        return [*form.prompt_ids(self.tokenizer, messages[:-1]), *begun]

    def text_ids(self, text: str) -> list[int]:
        """The ids of a text to be gone on with, with what the tokenizer puts around every text.

        Control tokens that are written in it are letters like any others.
        """
        with ENCODING:
            return list(self.tokenizer(text, split_special_tokens=True)["input_ids"])

    @cached_property
    def template_hash(self) -> str:
        """What the prompt form makes of a fixed conversation; an adapter is tuned for one."""
        return template_hash(self.family.prompt_form, self.tokenizer)

    def clean_answer(self, text: str) -> str:
        """A whole answer as it is to be shown; most families need nothing done.

        Args:
            text: as the tokenizer decodes it, control tokens included: of several messages in one answer the
                last counts.
        """
        token = self.family.message_token
        return self.family.clean(text.rpartition(token)[2] if token else text)

    def settled_answer(self, text: str) -> str:
        """The beginning of the cleaned answer that further text cannot change."""
        return settled(self.family.clean, text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated ids, without control tokens and with every space as it was generated."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def token_text(self, token_id: int) -> str:
        """The text of one token as it stands inside a text; of a control token its name."""
        ids, before = self._any_word
        text = self.tokenizer.decode([*ids, token_id], clean_up_tokenization_spaces=False)
        return str(text)[len(before) :]

    @cached_property
    def _any_word(self) -> tuple[list[int], str]:
        """A word that others can follow: some tokenizers drop the space before the first one of a text."""
        with ENCODING:
            ids = list(self.tokenizer("a", add_special_tokens=False)["input_ids"])
        return ids, self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
