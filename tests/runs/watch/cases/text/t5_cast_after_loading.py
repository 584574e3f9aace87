import sys

import torch
from transformers import T5EncoderModel

ids = torch.tensor([[5, 7, 9, 1]])
if sys.argv[1:] == ["load"]:
    encoder = T5EncoderModel.from_pretrained("t5-hot", dtype=torch.float16)
else:
    encoder = T5EncoderModel.from_pretrained("t5-hot").to(dtype=torch.float16)
seen = []
encoder.encoder.block[0].layer[1].DenseReluDense.wo.register_forward_hook(lambda *call: seen.append(call[-1]))
with torch.no_grad():
    embeds = encoder(ids).last_hidden_state
feed_forward = seen[0]
