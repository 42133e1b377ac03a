"""What the scores must equal: the original's formulas, computed row by row through their libraries.

`python -m tests.tuning.scores.original` writes the numbers of `golden.json` anew for the pairs in it.
"""

import json
from pathlib import Path

from benchmarks.scoring import original_scores
from glmcore.tuning.scores.standard import fitting_tokenizer

GOLDEN = Path(__file__).parent / "golden.json"
NAMES = ("rouge-1", "rouge-2", "rouge-l", "bleu-4")


def golden_rows() -> list[dict]:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def scores_of_libraries(prediction: str, label: str) -> dict[str, float]:
    """All scores of a pair; ROUGE raises where a text has no words, which is 0 here."""
    from sacrebleu.metrics import BLEU, CHRF

    if not prediction.strip() or not label.strip():
        return dict.fromkeys((*NAMES, "bleu", "chrf"), 0.0)
    bleu = BLEU(tokenize=fitting_tokenizer(label), effective_order=True)
    return {
        **dict(zip(NAMES, original_scores(prediction, label), strict=True)),
        "bleu": round(bleu.sentence_score(prediction, [label]).score, 4),
        "chrf": round(CHRF().sentence_score(prediction, [label]).score, 4),
    }


if __name__ == "__main__":
    pairs = [(row["prediction"], row["label"]) for row in golden_rows()]
    rows = [
        {"prediction": prediction, "label": label, "scores": scores_of_libraries(prediction, label)}
        for prediction, label in pairs
    ]
    GOLDEN.write_text(
        "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n", encoding="utf-8"
    )
