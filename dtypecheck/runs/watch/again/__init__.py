"""Calls of modules made again without a trace: as they were, with PyTorch's plain kernels, and in float32."""
