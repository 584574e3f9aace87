import torch
from transformers import T5ForConditionalGeneration

model = T5ForConditionalGeneration.from_pretrained("t5-whole-hot").eval().half()
wo = model.decoder.block[0].layer[2].DenseReluDense.wo
seen = []
wo.register_forward_hook(lambda module, inputs, output: seen.append(output))
ids = torch.tensor([[5, 7, 9, 1]])
with torch.no_grad():
    logits = model(input_ids=ids, decoder_input_ids=ids).logits
feed_forward = seen[0]
