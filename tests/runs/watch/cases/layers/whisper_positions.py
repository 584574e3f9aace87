import torch
from transformers import WhisperConfig, WhisperModel

config = WhisperConfig(
    d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
    decoder_ffn_dim=32, vocab_size=60, max_source_positions=20, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    decoder_start_token_id=1,
)  # fmt: skip
model = WhisperModel(config).to(torch.float16)
model.encoder.embed_positions.float()  # made in float32 whatever the weights are
with torch.no_grad():
    model(torch.randn(1, 80, 40).half(), decoder_input_ids=torch.ones(1, 2, dtype=torch.long))
