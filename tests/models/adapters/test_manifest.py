"""What is written next to an adapter comes back; what is damaged is said."""

import json
from dataclasses import asdict

import pytest

from glmcore.core.errors import ModelLoadError
from glmcore.models.adapters.manifest import FILE, AdapterManifest, read_manifest, write_manifest

MANIFEST = AdapterManifest(
    base_model="THUDM/chatglm3-6b",
    family="chatglm3",
    template_hash="0123456789abcdef",
    method="ptuning_v2",
    sizes={"pre_seq_len": 128, "prefix_projection": False},
)


def test_a_manifest_comes_back_as_it_was_written(tmp_path):
    for manifest in (
        MANIFEST,
        AdapterManifest(base_model="模型", family="f", template_hash="h", method="lora"),
    ):
        write_manifest(tmp_path, manifest)
        assert read_manifest(tmp_path) == manifest
    assert "模型" in (tmp_path / FILE).read_text(encoding="utf-8")


def test_a_folder_without_one_has_none(tmp_path):
    assert read_manifest(tmp_path) is None
    assert read_manifest(tmp_path / "missing") is None


VALUES = asdict(MANIFEST)
DAMAGED = {
    "empty": "",
    "no JSON": "{",
    "a list": "[]",
    "a text": '"x"',
    "deep": "[" * 100_000,
    "not UTF-8": "\udcff",
    "a field too many": json.dumps(VALUES | {"code": "import os"}),
    "a field too few": json.dumps({name: VALUES[name] for name in VALUES if name != "family"}),
    "a number for a text": json.dumps(VALUES | {"family": 3}),
    "nothing for a text": json.dumps(VALUES | {"template_hash": None}),
    "a list for a name": json.dumps(VALUES | {"base_model": ["x"]}),
    "a list for sizes": json.dumps(VALUES | {"sizes": [1]}),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_manifest_is_named(content, tmp_path):
    (tmp_path / FILE).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelLoadError, match=f"{FILE} is not a readable adapter manifest") as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)
