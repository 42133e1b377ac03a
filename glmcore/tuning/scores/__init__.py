"""How near predictions are to their labels: the original's ROUGE and BLEU-4, standard BLEU and chrF."""

from glmcore.tuning.scores.rows import RowScores, score_pair, score_rows
from glmcore.tuning.scores.totals import ScoreTotals, perplexity

__all__ = ["RowScores", "ScoreTotals", "perplexity", "score_pair", "score_rows"]
