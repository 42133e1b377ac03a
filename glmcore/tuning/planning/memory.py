"""How much memory a run takes, known before it is loaded. Arithmetic on a job and the sizes of its model.

What autograd keeps was read off transformers' decoders with sdpa attention; a test holds the numbers against
what it really keeps. N: bytes of a number in which is computed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from glmcore.core.errors import NotEnoughMemoryError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.models.files.number_formats import NUMBER_BYTES
from glmcore.models.places.devices import GIB
from glmcore.tuning.data.report import DataReport
from glmcore.tuning.job_config.fields import JobConfig
from glmcore.tuning.planning.outline import Outline
from glmcore.tuning.planning.sharing import Sharing, sharing_of
from glmcore.tuning.planning.sizes import ModelSizes
from glmcore.tuning.training.precision import BASE_DTYPES

FLOAT = 4  # bytes of what learns, its gradients, norms and losses
CUDA_OVERHEAD = 1 * GIB  # context, cuBLAS, what the allocator cannot use
CPU_OVERHEAD = GIB // 8
# Of activations and logits: what malloc cannot use again where every batch has another length. The demo held
# 2.7 GiB at its most, of which the other parts explain 1.8.
CPU_SCATTERED = 0.5
# In the order in which they are shown.
PARTS = {
    "weights": mark("frozen weights"),
    "learnt": mark("learnt weights"),
    "gradients": mark("gradients"),
    "optimizer": mark("optimizer"),
    "activations": mark("activations"),
    "logits": mark("logits and loss"),
    "evaluation": mark("evaluation"),
    "overhead": mark("libraries and buffers"),
}
NEEDED = mark("{needed:.2f} GiB are needed, {free:.2f} GiB are free on {device}.")
USE_CHECKPOINTING = mark("set gradient_checkpointing: true")
LOWER_BATCH = mark("lower per_device_train_batch_size and raise gradient_accumulation_steps as much")
LOWER_EVALUATION = mark("lower per_device_eval_batch_size")
LOWER_LENGTHS = mark("lower max_input_length and max_output_length")
QUANTIZE = mark("set quantization_bits: 4")
USE_LORA = mark("choose the method lora")
SHARE = mark("choose a smaller model, or a device with more memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """Bytes that one process needs on its device at its fullest moment, by what takes them."""

    model: str
    device: str
    free: int
    tokens: int  # of the longest row, which a batch of is counted
    weights: int
    learnt: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    evaluation: int  # beyond what a training step needs
    overhead: int
    loading: int  # the whole model, before processes share it
    checkpoint_bytes: int  # on the disk, each
    num_trainable: int
    num_parameters: int
    advice: str = ""  # what to change, where it does not fit

    @property
    def parts(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in PARTS}

    @property
    def total(self) -> int:
        return max(sum(self.parts.values()), self.loading + self.overhead)

    @property
    def fits(self) -> bool:
        return self.total <= self.free

    @property
    def verdict(self) -> Note:
        return Note(NEEDED, {"needed": self.total / GIB, "free": self.free / GIB, "device": self.device})


def estimate_memory(job: JobConfig, outline: Outline, longest: int | None = None) -> MemoryEstimate:
    """The memory that a run takes.

    Args:
        longest: tokens of the longest row, where the data has been read; else what the limits allow.

    Raises:
        ConfigError: the accelerate_config cannot be read.
    """
    limit = job.data.max_input_length + job.data.max_output_length
    estimate = _estimate(job, outline, min(longest or limit, limit))
    return estimate if estimate.fits else replace(estimate, advice=_advice(job, outline, estimate.tokens))


def longest_row(report: DataReport) -> int:
    """Tokens of the longest row, as far as what was read of the data tells."""
    return max(
        min(file.prompts.longest, file.limits[0]) + min(file.answers.longest, file.limits[1])
        for file in report.files
    )


def check_memory(estimate: MemoryEstimate) -> None:
    """Refuse a run before anything is loaded.

    Raises:
        NotEnoughMemoryError: with the largest parts and what would help.
    """
    if estimate.fits:
        return
    (first, most), (second, next_most) = sorted(estimate.parts.items(), key=lambda part: -part[1])[:2]
    raise NotEnoughMemoryError(
        "Tuning {model} like this needs about {needed:.1f} GiB on {device}, {first_size:.1f} of it for "
        "{first} and {second_size:.1f} for {second}, but {free:.1f} GiB are free; {advice}.",
        model=estimate.model,
        needed=estimate.total / GIB,
        device=estimate.device,
        first=PARTS[first],
        first_size=most / GIB,
        second=PARTS[second],
        second_size=next_most / GIB,
        free=estimate.free / GIB,
        advice=estimate.advice,
    )


def _estimate(job: JobConfig, outline: Outline, tokens: int) -> MemoryEstimate:
    sizes, sharing = outline.sizes, sharing_of(job)
    number = NUMBER_BYTES[BASE_DTYPES[outline.precision]]
    on_gpu = outline.blueprint.device.name.startswith("cuda")
    trained = FLOAT * sizes.num_trainable
    is_full = job.tuning.method == "full"
    # Full tuning in 16 bits computes with copies of the weights, which last as long as a pass.
    copies = number * sizes.num_trainable if is_full and number < FLOAT else 0
    states = _optimizer_bytes(job.training.optim, sizes)
    activations = _activation_bytes(job, outline, number, tokens)
    batch = job.training.per_device_train_batch_size
    logits = _loss_bytes(sizes, batch * tokens)
    gradients = trained * (2 if sharing.copies_gradients else 1) // sharing.gradients
    # It updates all weights at once, when activations are gone.
    updates = trained // sharing.optimizer if on_gpu and job.training.optim == "adamw_torch" else 0
    step = gradients + activations + logits
    overhead = CUDA_OVERHEAD if on_gpu else CPU_OVERHEAD + int(CPU_SCATTERED * (activations + logits))
    return MemoryEstimate(
        model=outline.blueprint.name,
        device=outline.blueprint.device.name,
        free=outline.free_bytes,
        tokens=tokens,
        weights=(sizes.frozen_bytes + copies) // sharing.weights,
        learnt=trained // sharing.weights,
        gradients=gradients,
        optimizer=0
        if sharing.optimizer_on_cpu
        else states // sharing.optimizer + max(0, updates - activations - logits),
        activations=activations,
        logits=logits,
        evaluation=max(0, _evaluation_bytes(job, outline, number, tokens) - step),
        overhead=overhead + _gathered_bytes(sizes, sharing, number),
        loading=sizes.frozen_bytes + trained,
        checkpoint_bytes=trained + states,
        num_trainable=sizes.num_trainable,
        num_parameters=sizes.num_parameters,
    )


def _activation_bytes(job: JobConfig, outline: Outline, number: int, tokens: int) -> int:
    """What forward keeps for backward."""
    sizes = outline.sizes
    rows = job.training.per_device_train_batch_size
    layer = rows * tokens * _kept_bytes(job, outline, number, tokens)
    prefix = 2 * rows * sizes.prefix_length * 2 * sizes.num_layers * sizes.key_width * number
    if not _is_checkpointing(job, outline):
        return (sizes.num_layers + 1) * layer + prefix  # one more for the gradients on their way
    stream = FLOAT if job.tuning.method == "full" else number
    return sizes.num_layers * rows * tokens * sizes.hidden * stream + layer + prefix


def _is_checkpointing(job: JobConfig, outline: Outline) -> bool:
    asked = job.training.gradient_checkpointing
    if asked is not None:
        return asked
    return outline.blueprint.device.name.startswith("cuda") and outline.sizes.may_checkpoint


def _kept_bytes(job: JobConfig, outline: Outline, number: int, tokens: int) -> int:
    """What one layer keeps of one token.

    The inputs of frozen linear layers are not kept; those of norms, attention and activation functions are.
    """
    sizes = outline.sizes
    keys = tokens + sizes.prefix_length
    norms = 2 * FLOAT * sizes.hidden
    # Queries and what comes of them; keys and values, repeated to as many heads; a row of the mask.
    attention = number * (2 * sizes.query_width + 2 * sizes.query_width * keys // tokens + keys)
    inner = number * sizes.inner * (3 if sizes.is_gated else 1)
    kept = norms + attention + inner
    if job.tuning.method == "full":  # normalised, scaled, and that again as each linear layer reads it
        kept += 4 * FLOAT * sizes.hidden + number * sizes.inner
    if sizes.adapter_inputs:
        on_gpu = outline.blueprint.device.name.startswith("cuda")
        dropped = (1 if on_gpu else FLOAT) if job.tuning.lora_dropout else 0  # which numbers were left out
        width = sizes.adapter_inputs * (number + dropped) + sizes.adapter_ranks * number
        kept += width // sizes.num_layers
    return kept


def _loss_bytes(sizes: ModelSizes, tokens: int) -> int:
    """In float32: logits, logarithms of the probabilities, and twice a gradient of these."""
    return 4 * FLOAT * sizes.vocabulary * tokens


def _optimizer_bytes(optimizer: str, sizes: ModelSizes) -> int:
    if optimizer == "sgd":
        return 0
    if optimizer == "adafactor":  # sums of rows and columns
        return FLOAT * sum(
            prod(shape) // shape[-1] + prod(shape) // shape[-2] if len(shape) > 1 else prod(shape)
            for shape in sizes.learnt_shapes
        )
    return 2 * FLOAT * sizes.num_trainable


def _evaluation_bytes(job: JobConfig, outline: Outline, number: int, tokens: int) -> int:
    """Logits and their logarithms for the loss; the cache of answers."""
    evaluation = job.evaluation
    if not evaluation.evaluate_every_steps:
        return 0
    rows = evaluation.per_device_eval_batch_size
    copies = 2 * FLOAT if number == FLOAT else 2 * FLOAT + number
    needed = rows * tokens * outline.sizes.vocabulary * copies
    if not evaluation.predict_with_generate:
        return needed
    answer = evaluation.max_new_tokens or job.data.max_output_length
    kept = min(job.data.max_input_length, tokens) + answer + outline.sizes.prefix_length
    return max(needed, rows * evaluation.num_beams * kept * outline.blueprint.kv_bytes_per_token)


def _gathered_bytes(sizes: ModelSizes, sharing: Sharing, number: int) -> int:
    """Weights that are whole for a moment: a layer that processes share, a quantized matrix in use."""
    unpacked = 2 * number * sizes.unpacked
    if sharing.weights == 1:
        return unpacked
    return unpacked + (sizes.frozen_bytes + FLOAT * sizes.num_trainable) // max(1, sizes.num_layers)


def _advice(job: JobConfig, outline: Outline, tokens: int) -> str:
    """The first change that would do, least costly first."""
    for advice, changed, length in _changes(job, outline, tokens):
        if _estimate(changed, outline, length).fits:
            return advice
    may_quantize = outline.blueprint.family.may_quantize or outline.blueprint.device.name.startswith("cuda")
    if job.tuning.method == "full":
        return USE_LORA
    if job.model.quantization_bits is None and not outline.sizes.unpacked and may_quantize:
        return QUANTIZE
    return SHARE


def _changes(job: JobConfig, outline: Outline, tokens: int) -> Iterator[tuple[str, JobConfig, int]]:
    """Advice, the job that follows it, and the tokens of its longest row."""
    training, evaluation = job.training, job.evaluation
    smallest = replace(job, evaluation=replace(evaluation, per_device_eval_batch_size=1))
    yield LOWER_EVALUATION, smallest, tokens
    if outline.sizes.may_checkpoint and not _is_checkpointing(job, outline):
        yield (
            USE_CHECKPOINTING,
            replace(job, training=replace(training, gradient_checkpointing=True)),
            tokens,
        )
    smallest = replace(smallest, training=replace(training, per_device_train_batch_size=1))
    yield LOWER_BATCH, smallest, tokens
    yield LOWER_LENGTHS, smallest, max(1, tokens // 4)
