"""What the messages of torch, diffusers, transformers and applications around them mean: text in, a row of knowledge out."""
