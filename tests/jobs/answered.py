"""Folders of answers as `predict` writes them."""

import json

NAMES = ("bleu-4", "rouge-1", "rouge-2", "rouge-l", "bleu", "chrf")


def answered_row(number, prompt="q", label="l", answer="a", score=50.0, loss=1.0, **changes):
    return {
        "row": number,
        "prompt": prompt,
        "labels": label,
        "predict": answer,
        "loss": loss,
        "num_tokens": 3,
        "scores": dict.fromkeys(NAMES, score),
        **changes,
    }


def line(row) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def write_answers(job_folder, name, rows, results=None):
    """Answers below a job's folder; `results` are there once all are answered."""
    folder = job_folder / "predictions" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions.jsonl").write_bytes(b"".join(line(row) for row in rows))
    if results is not None:
        (folder / "results.json").write_text(json.dumps(results))
    return folder


def results(score, num_rows=3, **changes):
    return {
        **dict.fromkeys((*NAMES, "bleu_corpus", "chrf_corpus"), score),
        "loss": 1.0,
        "perplexity": 2.718,
        "num_rows": num_rows,
        "num_empty": 0,
        "answers": "greedy",
        "max_new_tokens": 64,
        "sacrebleu_signature": "tok:zh",
        **changes,
    }
