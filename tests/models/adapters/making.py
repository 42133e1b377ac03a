"""Adapters made with PEFT on small models, and what the tests of attaching ask of a model."""

import torch
from peft import LoraConfig, PeftModel, PrefixTuningConfig, TaskType, get_peft_model

from glmcore.core.messages import Message
from glmcore.models.native.sharing import on_same_weights

V1_LAYERS = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]
GLM_LAYERS = ["q_proj", "v_proj", "o_proj", "gate_up_proj"]
BASES = ["chatglm", "chatglm2", "chatglm-int8", "chatglm2-int4"]


def numbers(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same_numbers(model, before):
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def ids_for(loaded, text="你好, the capital"):
    return torch.tensor([loaded.prompt_ids([Message("user", text)])])


@torch.no_grad()
def logits(loaded, text="你好, the capital"):
    return loaded.model(input_ids=ids_for(loaded, text)).logits


def generated(loaded, text="你好", count=6):
    ids = ids_for(loaded, text)
    made = loaded.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
    )
    return made[0, ids.shape[1] :].tolist()


def layers_of(name):
    return V1_LAYERS if name.partition("-")[0] == "chatglm" else GLM_LAYERS


def independent(loaded):
    """The same model in memory of its own, for PEFT to do with as it likes."""
    copy = on_same_weights(loaded.model)
    for parameter in copy.parameters():
        parameter.data = parameter.data.clone()
    return copy


def make_lora(folder, loaded, layers, seed=1, **options):
    torch.manual_seed(seed)
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=4,
        lora_alpha=8,
        target_modules=layers,
        init_lora_weights=False,
        **options,
    )
    save_tuned(get_peft_model(independent(loaded), config), folder)
    return folder


def make_peft_prefix(folder, loaded, projection=False, seed=1):
    torch.manual_seed(seed)
    config = PrefixTuningConfig(
        task_type=TaskType.CAUSAL_LM,
        num_virtual_tokens=5,
        prefix_projection=projection,
        encoder_hidden_size=12,
    )
    model = get_peft_model(independent(loaded), config)
    torch.nn.init.normal_(model.prompt_encoder["default"].embedding.weight)
    save_tuned(model, folder)
    return folder


def save_tuned(model, folder):
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad and "lora_" not in name:  # as training would have changed them
                weight += 0.3
    model.save_pretrained(folder)


@torch.no_grad()
def as_peft_loads(loaded, folder):
    model = PeftModel.from_pretrained(independent(loaded), str(folder)).eval()
    return model(input_ids=ids_for(loaded)).logits
