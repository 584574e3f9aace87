import sys

import torch
from transformers import T5Config, T5ForConditionalGeneration

config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2, feed_forward_proj="relu")
config.decoder_start_token_id = 0
model = T5ForConditionalGeneration(config)
torch.nn.init.uniform_(model.encoder.block[1].layer[1].DenseReluDense.wo.weight, -5e4, 5e4)  # as large as t5-base's become
ids = torch.tensor([[5, 7, 9, 1]])
with torch.autocast("cpu", dtype=torch.float16, enabled=sys.argv[1:] == ["--fp16"]):
    loss = model(input_ids=ids, labels=ids).loss
