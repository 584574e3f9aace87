import argparse

import torch
from transformers import T5ForConditionalGeneration

parser = argparse.ArgumentParser()
parser.add_argument("--fp16", action="store_true")
parser.add_argument("--bf16", action="store_true")
args = parser.parse_args()

model = T5ForConditionalGeneration.from_pretrained("t5-whole-hot")
model.config.decoder_start_token_id = 0
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
ids = torch.tensor([[5, 7, 9, 1]])
dtype = torch.bfloat16 if args.bf16 else torch.float16
with torch.autocast("cpu", dtype=dtype, enabled=args.fp16 or args.bf16):
    loss = model(input_ids=ids, labels=ids).loss
loss.backward()
