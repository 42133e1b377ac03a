"""Training sets made of judged conversations: chosen, looked at, then written once and never changed.

A set lies in `datasets/<name>/<version>/` of the home folder: rows to train, validate and test on, each a
conversation in OpenAI's `messages` form, preference pairs, and in
`dataset.json` how they were chosen.
"""

from glmcore.history.training_sets.choice import KINDS, AnswerKind, TrainingSetChoice
from glmcore.history.training_sets.making import Preview, Tally, preview
from glmcore.history.training_sets.pairs import PreferencePair
from glmcore.history.training_sets.records import TrainingSet, list_training_sets, verify
from glmcore.history.training_sets.rows import WHY_DROPPED, Dropped, TrainingRow
from glmcore.history.training_sets.writing import write_training_set

__all__ = [
    "KINDS",
    "WHY_DROPPED",
    "AnswerKind",
    "Dropped",
    "PreferencePair",
    "Preview",
    "Tally",
    "TrainingRow",
    "TrainingSet",
    "TrainingSetChoice",
    "list_training_sets",
    "preview",
    "verify",
    "write_training_set",
]
