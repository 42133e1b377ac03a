"""`predict`: the test rows of a job, answered and scored, also beside the base model."""

import argparse
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcore.cli.arguments import Commands
from glmcore.cli.job_command import add_job_command, shown_work
from glmcore.cli.table import NOTHING, format_table
from glmcore.core.i18n import mark, translate
from glmcore.core.settings import Settings
from glmcore.tuning.answer_watch import AnswerWatch
from glmcore.tuning.job_config import read_job
from glmcore.tuning.run import quiet_libraries, split_arguments, translate_note

if TYPE_CHECKING:
    from glmcore.tuning.predict import Predictions

BASE = "base"  # in place of a checkpoint

# A name of the results -> its title, in the order of the table.
SCORES: Mapping[str, str] = {
    "bleu-4": "BLEU-4",
    "rouge-1": "ROUGE-1",
    "rouge-2": "ROUGE-2",
    "rouge-l": "ROUGE-L",
    "bleu": mark("sacreBLEU, mean of the rows"),
    "chrf": mark("chrF, mean of the rows"),
    "bleu_corpus": mark("sacreBLEU of the whole"),
    "chrf_corpus": mark("chrF of the whole"),
    "loss": mark("loss of an answer's token"),
    "perplexity": mark("perplexity"),
}


def add_predict(commands: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    help_text = _("answer the test rows of a job with a checkpoint, and score the answers")
    predict = add_job_command(commands, "predict", help_text, run_predict, language)
    group = predict.add_argument_group(_("Options"))
    checkpoint_help = _("best, last, base (not tuned), checkpoint-N of the run, or a folder; best by default")
    group.add_argument("--checkpoint", metavar="NAME", default="best", help=checkpoint_help)
    output_help = _("where to make a folder for the answers; by default in the run's")
    group.add_argument("--output", metavar="FOLDER", type=Path, help=output_help)
    compare_help = _("answer with the base model too, and show the difference")
    group.add_argument("--compare-base", action="store_true", help=compare_help)
    status_help = _("a folder whose status.json tells how far it is, for programs that watch it")
    group.add_argument("--status", metavar="FOLDER", type=Path, help=status_help)


def run_predict(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    watch = AnswerWatch(arguments.status, num_models=2 if _compares(arguments) else 1)
    with watch.watching():
        done = _answer(arguments, settings, language, watch)
    if not watch.is_done:
        text = translate("Stopped after {count} rows in {folder}; the same command goes on.", language)
        print(text.format(count=done[-1].results["num_rows"], folder=done[-1].folder))
        return 0
    done.reverse()  # the base first
    print(_score_table([one.results for one in done], language))
    print(_how_made(done[-1].results, language))
    for one in done:
        print(translate("The answers are in {folder}.", language).format(folder=one.folder))
    return 0


def _answer(
    arguments: argparse.Namespace, settings: Settings, language: str, watch: AnswerWatch
) -> "list[Predictions]":
    """The answers of the checkpoint, then of the base where it is asked for; fewer where it was stopped."""
    job_file = read_job(*split_arguments(arguments.rest), needs="test_file")
    quiet_libraries()
    from glmcore.tuning.predict import predict

    done = []
    with shown_work(language) as (progress, tell):
        for note in job_file.notes:
            tell(translate_note(note, language))
        for checkpoint in (arguments.checkpoint, BASE) if _compares(arguments) else (arguments.checkpoint,):
            one = predict(
                job_file,
                checkpoint,
                settings=settings,
                progress=progress,
                say=lambda note: tell(translate_note(note, language)),
                output=arguments.output,
                watch=watch,
            )
            done.append(one)
            if watch.is_asked_to_stop:
                break
    return done


def _compares(arguments: argparse.Namespace) -> bool:
    """Whether the base answers beside a checkpoint; it is not compared with itself."""
    return bool(arguments.compare_base) and arguments.checkpoint != BASE


def _score_table(results: Sequence[Mapping[str, Any]], language: str) -> str:
    """A line per score; two columns get a third, what the second is more than the first."""
    _ = partial(translate, language=language)
    rows = [(_("score"), *(Path(one["checkpoint"]).name for one in results))]
    rows += [(_(title), *(_number(one[name]) for one in results)) for name, title in SCORES.items()]
    rows += [
        (_("rows"), *(str(one["num_rows"]) for one in results)),
        (_("empty answers"), *(str(one["num_empty"]) for one in results)),
    ]
    if len(results) == 2:
        base, tuned = results
        changes = [_number(tuned[name] - base[name], "+") for name in SCORES]
        added = [_("difference"), *changes, "", ""]
        rows = [(*row, cell) for row, cell in zip(rows, added, strict=True)]
    return format_table(rows, right=range(1, len(rows[0])))


def _how_made(results: Mapping[str, Any], language: str) -> str:
    """What somebody needs to know who compares the scores with others."""
    text = translate("Answers: {answers}, at most {count} tokens. sacreBLEU: {signature}", language)
    return text.format(
        answers=results["answers"],
        count=results["max_new_tokens"],
        signature=results["sacrebleu_signature"],
    )


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.4f}" if math.isfinite(value) else NOTHING
