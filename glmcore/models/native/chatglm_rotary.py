"""ChatGLM-6B's rotary positions: half of a head turns with the place in the prompt, half in the answer."""

import torch
from torch import Tensor, nn

from glmcore.models.native.chatglm_config import ChatGLMConfig

ROPE_BASE = 10000.0


class ChatGLMRotaryEmbedding(nn.Module):
    """Cosine and sine of both positions. Frequencies are rounded to float16, as in training."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("inv_freq", self.frequencies(), persistent=False)

    def frequencies(self) -> Tensor:
        """(head size / 4,): half of a head per position, two dimensions per frequency."""
        width = self.config.head_size // 2
        exponents = torch.arange(0, width, 2, dtype=torch.float32, device="cpu") / width
        return (1.0 / ROPE_BASE**exponents).half().float()

    @torch.no_grad()
    def forward(self, position_ids: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """position_ids (B, 2, S) -> cos and sin, each (B, 1, S, 2, head size / 2)."""
        angles = position_ids.transpose(1, 2)[..., None].float() * self.inv_freq  # (B, S, 2, width / 2)
        angles = torch.cat((angles, angles), dim=-1)[:, None]
        return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate each half of the heads (B, heads, S, d) by its own position; pairs are (j, j + d/4)."""
    halves = states.unflatten(-1, (2, -1))
    first, second = halves.chunk(2, dim=-1)
    return (halves * cos + torch.cat((-second, first), dim=-1) * sin).flatten(-2)
