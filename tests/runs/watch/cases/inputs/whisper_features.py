import numpy as np
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

config = WhisperConfig(
    d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
    decoder_ffn_dim=32, vocab_size=60, max_source_positions=50, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    decoder_start_token_id=1, suppress_tokens=[], begin_suppress_tokens=[],
)  # fmt: skip
model = WhisperForConditionalGeneration(config).to(torch.float16)  # as transformers 5 loads openai/whisper-large-v3
extractor = WhisperFeatureExtractor(feature_size=80, chunk_length=1)
features = extractor(np.sin(np.arange(16000) / 20), sampling_rate=16000, return_tensors="pt").input_features
with torch.no_grad():
    model(features, decoder_input_ids=torch.ones(1, 2, dtype=torch.long))
