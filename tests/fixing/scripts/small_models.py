"""Small models with real weights in folders, made when a test asks for one: any pipeline class, and a few of transformers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from dtypecheck.knowledge import Knowledge

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "lay_out.py"
VARIANTS = {"SanaPipeline": "fp16"}
"""Pipelines whose scripts ask for a variant."""


def folder(root: Path, place: str) -> Path:
    """`Class/subfolder` of a pipeline, the name of a model of transformers, or of a case of fixtures/ in its true size."""
    name = place.partition("/")[0]
    if not (root / name).is_dir():
        if name.endswith("Pipeline"):
            _pipeline(name).save_pretrained(root / name, variant=VARIANTS.get(name))
        elif name in ("t5", "whisper", "gemma", "llama"):
            _transformers(name).save_pretrained(root / name)
        else:
            subprocess.run([sys.executable, str(FIXTURES), str(root), name], check=True, capture_output=True, timeout=120)
    return root / place


def _pipeline(name: str) -> Any:
    from dtypecheck.runs.phantoms.shrunken import build

    return build(name, Knowledge())


def _transformers(name: str) -> Any:
    import transformers

    from tests.loading import tiny

    small = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    match name:
        case "t5":
            made = tiny.t5("T5ForConditionalGeneration")
            made.config.decoder_start_token_id = 0
            return made
        case "gemma":
            return transformers.Gemma2ForCausalLM(tiny.gemma2().config)
        case "llama":
            return transformers.LlamaForCausalLM(transformers.LlamaConfig(**small, num_key_value_heads=1))
    config = transformers.WhisperConfig(
        vocab_size=50, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, num_mel_bins=8, max_source_positions=16, max_target_positions=16,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    return transformers.WhisperForConditionalGeneration(config)
