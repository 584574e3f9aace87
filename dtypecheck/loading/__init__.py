"""Which dtype each component will have after `from_pretrained(dir, torch_dtype=..., variant=...)`: predicted, never run."""

from .plan import parameter_dtype, plan, with_dtypes

__all__ = ["parameter_dtype", "plan", "with_dtypes"]
