"""A chat model of two layers with random weights, and a byte-level tokenizer, made in memory."""

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
CONTROL_TOKENS = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


def build_tokenizer(num_extra_tokens=0):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [
        *sorted(pre_tokenizers.ByteLevel.alphabet()),
        "ab",
        *(f"extra{i}" for i in range(num_extra_tokens)),
    ]
    fast = Tokenizer(models.BPE(vocab={word: index for index, word in enumerate(words)}, merges=[("a", "b")]))
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=fast, eos_token="<|end|>", model_max_length=4096)
    tokenizer.add_special_tokens({"additional_special_tokens": CONTROL_TOKENS[1:]})
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_model():
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=264,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=257,
    )
    return LlamaForCausalLM(config)
