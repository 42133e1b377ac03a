from pathlib import Path

import numpy as np

from glmcore.curves.run import Run
from glmcore.curves.series import make_series
from glmcore.curves.views.metric_choice import base_metrics, default_metrics


def run_with(**lengths):
    curves = {name: make_series(np.arange(float(n)), np.ones(n)) for name, n in lengths.items()}
    return Run("1", "run", Path("."), "CSV", curves)


def test_the_loss_is_first_and_learning_rate_and_gradients_are_last():
    run = run_with(grad_norm=5, train_runtime=1, accuracy=5, learning_rate=5, eval_loss=2, loss=5, epoch=5)
    assert default_metrics([run]) == ["loss", "accuracy", "learning_rate", "grad_norm"]
    assert base_metrics([run]) == ["grad_norm", "runtime", "accuracy", "learning_rate", "loss"]


def test_how_fast_a_run_is_comes_after_how_good_it_is():
    run = run_with(tokens_per_second=5, runtime=5, steps_per_second=5, memory_bytes=5, loss=5, eval_bleu=5)
    assert default_metrics([run]) == ["loss", "bleu", "tokens_per_second", "memory_bytes"]


def test_at_most_eight_are_chosen_of_ten_thousand():
    run = run_with(**{f"metric_{n}": 2 for n in range(10_000)}, loss=2, grad_norm=2)
    chosen = default_metrics([run])
    assert len(chosen) == 8 and chosen[0] == "loss" and chosen[-1] == "grad_norm"


def test_a_run_with_single_points_only_still_shows_them():
    assert default_metrics([run_with(score=1)]) == ["score"] and default_metrics([]) == []
