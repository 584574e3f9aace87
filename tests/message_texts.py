"""Messages word for word as libraries of several versions and platforms print them: text, the row it is, dtypes by role."""

from __future__ import annotations

from typing import Final

SEEN: Final[tuple[tuple[str, str, dict[str, str]], ...]] = (
    # products of matrices
    ("mat1 and mat2 must have the same dtype", "linear-dtypes", {}),
    ("mat1 and mat2 must have the same dtype, but got Half and Float", "linear-dtypes", {"input": "F16", "weight": "F32"}),
    ("mat1 and mat2 must have the same dtype, but got Float and BFloat16", "linear-dtypes", {"input": "F32", "weight": "BF16"}),
    (
        "expected mat1 and mat2 to have the same dtype, but got: c10::Half != float",
        "linear-dtypes",
        {"input": "F16", "weight": "F32"},
    ),
    (
        "expected mat1 and mat2 to have the same dtype, but got: float != struct c10::Half",
        "linear-dtypes",
        {"input": "F32", "weight": "F16"},
    ),
    (
        "expected mat1 and mat2 to have the same dtype, but got: c10::Half != c10::BFloat16",
        "linear-dtypes",
        {"input": "F16", "weight": "BF16"},
    ),
    (
        "expected m1 and m2 to have the same dtype, but got: c10::Half != float",
        "matmul-dtypes",
        {"input": "F16", "weight": "F32"},
    ),
    (
        "expected m1 and m2 to have the same dtype, but got: c10::Half != c10::Float8_e4m3fn",
        "linear-fp8",
        {"input": "F16", "weight": "F8_E4M3"},
    ),
    (
        "expected m1 and m2 to have the same dtype, but got: float != long int",
        "linear-integers",
        {"input": "F32", "weight": "I64"},
    ),
    ("self and mat2 must have the same dtype", "addmm-dtypes", {}),
    (
        "self and mat2 must have the same dtype, but got BFloat16 and Half",
        "addmm-dtypes",
        {"bias": "BF16", "weight": "F16"},
    ),
    (
        "mat1 and mat2 must have the same dtype, but got Half and Float8_e4m3fn",
        "linear-fp8",
        {"input": "F16", "weight": "F8_E4M3"},
    ),
    ("expected scalar type Half but found Float", "scalar-type", {"input": "F16", "other": "F32"}),
    ("expected scalar type BFloat16 but found Float", "scalar-type", {"input": "BF16", "other": "F32"}),
    ("expected scalar type Float but found Half", "scalar-type", {"input": "F32", "other": "F16"}),
    ("expected scalar type Half but found Char", "int8-weight", {"input": "F16", "other": "I8"}),
    (
        "Input dtypes must be the same, got: input float, batch1: c10::Half, batch2: c10::Half",
        "baddbmm-dtypes",
        {"mask": "F32", "query": "F16", "key": "F16"},
    ),
    (
        "addmv input tensors must have the same dtype, but got Float, Half, and Float",
        "addmv-dtypes",
        {"bias": "F32", "input": "F16", "weight": "F32"},
    ),
    ("dot : expected both vectors to have same dtype, but found Half and Float", "dot-dtypes", {"input": "F16", "other": "F32"}),
    (
        "All tensors must have the same dtype, got input1: c10::Half, input2: float, weight: float, bias: float",
        "bilinear-dtypes",
        {"input": "F16", "other": "F32", "weight": "F32", "bias": "F32"},
    ),
    (
        "Expected A.dtype() == at::kBFloat16 to be true, but got false.  (Could this error message be improved?  If so, please "
        "report an enhancement request to PyTorch.)",
        "int4-needs-bf16",
        {"weight": "BF16"},
    ),
    (
        "CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx( handle, opa, opb, m, n, k, &falpha, a, "
        "CUDA_R_16BF, lda, b, CUDA_R_16BF, ldb, &fbeta, c, CUDA_R_16BF, ldc, CUDA_R_32F, CUBLAS_GEMM_DFALT_TENSOR_OP)`",
        "cublas-not-supported",
        {},
    ),
    (
        "RNN input dtype (torch.float16) does not match weight dtype (torch.float32). Convert input: input.to(torch.float32), "
        "or convert model: model.to(torch.float16)",
        "rnn-dtypes",
        {"input": "F16", "weight": "F32"},
    ),
    ("input must have the type torch.float32, got type torch.float16", "rnn-dtypes", {"input": "F16", "weight": "F32"}),
    # convolutions
    ("Input type (c10::Half) and bias type (float) should be the same", "conv-dtypes", {"input": "F16", "bias": "F32"}),
    ("Input type (c10::BFloat16) and bias type (c10::Half) should be the same", "conv-dtypes", {"input": "BF16", "bias": "F16"}),
    ("Input type (struct c10::Half) and bias type (float) should be the same", "conv-dtypes", {"input": "F16", "bias": "F32"}),
    ("Input type (float) and bias type (struct c10::Half) should be same", "conv-dtypes", {"input": "F32", "bias": "F16"}),
    (
        "Input type (torch.cuda.FloatTensor) and weight type (torch.cuda.HalfTensor) should be the same",
        "conv-dtypes",
        {"input": "F32", "weight": "F16"},
    ),
    (
        "Input type (torch.HalfTensor) and weight type (torch.FloatTensor) should be the same or input should be a MKLDNN "
        "tensor and weight is a dense tensor",
        "conv-dtypes",
        {"input": "F16", "weight": "F32"},
    ),
    (
        "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the same",
        "conv-devices",
        {"input": "F32", "weight": "F32"},
    ),
    (
        "Input type (torch.cuda.HalfTensor) and weight type (torch.HalfTensor) should be the same or input should be a MKLDNN "
        "tensor and weight is a dense tensor",
        "conv-devices",
        {"input": "F16", "weight": "F16"},
    ),
    (
        "Input type (MPSFloatType) and weight type (torch.FloatTensor) should be the same",
        "conv-devices",
        {"input": "F32", "weight": "F32"},
    ),
    (
        "Input type (CUDABFloat16Type) and weight type (CPUBFloat16Type) should be the same",
        "conv-devices",
        {"input": "BF16", "weight": "BF16"},
    ),
    (
        "Input type (torch.cuda.ByteTensor) and weight type (torch.cuda.HalfTensor) should be the same",
        "conv-integers",
        {"input": "U8", "weight": "F16"},
    ),
    ("\"slow_conv2d_cpu\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    ("InferDataType Failed. Expected kFloat16, but got kFloat", "oneflow-dtypes", {"input": "F16", "other": "F32"}),
    # norms and activations
    ("mixed dtype (CPU): expect parameter to have scalar type of Float", "norm-parameter", {}),
    ("mixed dtype (CPU): expect input to have scalar type of BFloat16", "norm-input", {}),
    ("mixed dtype (CPU): all inputs must share same datatype.", "norm-all", {}),
    ("\"LayerNormKernelImpl\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    (
        "Mismatch dtype between input and weight: input dtype = c10::Half, weight dtype = float, Cannot dispatch to fused "
        "implementation.",
        "rmsnorm-mixed",
        {"input": "F16", "weight": "F32"},
    ),
    ("prelu: Type promoting not supported. Got Half and Float", "prelu-dtypes", {"input": "F16", "weight": "F32"}),
    # attention
    (
        "Expected query, key, and value to have the same dtype, but got query.dtype: c10::Half key.dtype: float and "
        "value.dtype: float instead.",
        "attention-dtypes",
        {"query": "F16", "key": "F32", "value": "F32"},
    ),
    (
        "Expected query, key, and value to have the same dtype, but got query.dtype: struct c10::Half key.dtype: float and "
        "value.dtype: struct c10::BFloat16 instead.",
        "attention-dtypes",
        {"query": "F16", "key": "F32", "value": "BF16"},
    ),
    (
        "Expected attn_mask dtype to be bool or to match query dtype, but got attn_mask.dtype: float and  query.dtype: struct "
        "c10::BFloat16 instead.",
        "attention-mask-old",
        {"mask": "F32", "query": "BF16"},
    ),
    (
        "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: long int and  "
        "query.dtype: float instead.",
        "attention-mask",
        {"mask": "I64", "query": "F32"},
    ),
    (
        "Query/Key/Value should either all have the same dtype, or (in the quantized case) Key/Value should have dtype "
        "torch.int32\n  query.dtype: torch.float32\n  key.dtype  : torch.float16\n  value.dtype: torch.float16",
        "xformers-dtypes",
        {"query": "F32", "key": "F16", "value": "F16"},
    ),
    (
        "No operator found for `memory_efficient_attention_forward` with inputs:\n"
        "     query       : shape=(1, 4096, 1, 512) (torch.float32)\n     key         : shape=(1, 4096, 1, 512) (torch.float32)\n"
        "     value       : shape=(1, 4096, 1, 512) (torch.float32)\n     attn_bias   : <class 'NoneType'>\n"
        "`decoderF` is not supported because:\n    max(query.shape[-1] != value.shape[-1]) > 128\n"
        "`flshattF@v2.3.6` is not supported because:\n    max(query.shape[-1] != value.shape[-1]) > 256\n"
        "    dtype=torch.float32 (supported: {torch.bfloat16, torch.float16})",
        "xformers-no-operator",
        {"input": "F32"},
    ),
    ("dtype=torch.float32 (supported: {torch.bfloat16, torch.float16})", "xformers-no-operator", {"input": "F32"}),
    ("FlashAttention only support fp16 and bf16 data type", "flash-attention-half-only", {}),
    ("FlashAttention only supports fp16 and bf16 data type", "flash-attention-half-only", {}),
    (
        "You are attempting to use Flash Attention 2 without specifying a dtype. This might lead to unexpected behaviour",
        "flash-attention-dtype",
        {},
    ),
    (
        "You are attempting to use Flash Attention 2.0 without specifying a torch dtype. This might lead to unexpected behaviour",
        "flash-attention-dtype",
        {},
    ),
    (
        "Flash Attention 2 only supports torch.float16 and torch.bfloat16 dtypes, but the current dype in LlamaForCausalLM is "
        "torch.float32. You should run training or inference using Automatic Mixed-Precision via the `with "
        "torch.autocast(device_type='torch_device'):` decorator,",
        "flash-attention-dtype",
        {"weight": "F32"},
    ),
    (
        "The input hidden states seems to be silently casted in float32, this might be related to the fact you have upcasted "
        "embedding or layer norm layers in float32. We will cast back the input in torch.bfloat16.",
        "hidden-states-cast-back",
        {"destination": "BF16"},
    ),
    (
        "Casting fp32 inputs back to torch.bfloat16 for flash-attn compatibility.",
        "flash-attention-cast-back",
        {"destination": "BF16"},
    ),
    ("cutlassF: no kernel found to launch!", "cutlass-no-kernel", {}),
    # writing, indexing, promotion
    (
        "Index put requires the source and destination dtypes match, got Half for the destination and Float for the source.",
        "index-put",
        {"destination": "F16", "source": "F32"},
    ),
    ("scatter(): Expected self.dtype to be equal to src.dtype", "scatter-dtypes", {}),
    ("scatter(): self, src and output must have the same scalar type", "scatter-dtypes", {}),
    (
        "index_add_(): self (Float) and source (Half) must have the same scalar type",
        "index-add",
        {"destination": "F32", "source": "F16"},
    ),
    (
        "index_copy_(): self and source expected to have the same dtype, but got (self) Float and (source) Half",
        "index-copy",
        {"destination": "F32", "source": "F16"},
    ),
    (
        "masked_scatter: expected self and source to have same dtypes but gotFloat and Half",
        "masked-scatter",
        {"destination": "F32", "source": "F16"},
    ),
    ("expected dtype float for `end` but got dtype c10::Half", "lerp-dtypes", {"input": "F32", "other": "F16"}),
    (
        "result type Float can't be cast to the desired output type Long",
        "result-type",
        {"source": "F32", "destination": "I64"},
    ),
    (
        "Promotion for Float8 Types is not supported, attempted to promote Float8_e4m3fn and Half",
        "fp8-promotion",
        {"input": "F8_E4M3", "other": "F16"},
    ),
    ("\"add_stub\" not implemented for 'Float8_e4m3fn'", "fp8-arithmetic", {"input": "F8_E4M3"}),
    ("\"normal_kernel_cpu\" not implemented for 'Float8_e4m3fn'", "fp8-arithmetic", {"input": "F8_E4M3"}),
    ("'fill_out' not implemented for 'Float8_e5m2'", "fp8-arithmetic", {"input": "F8_E5M2"}),
    ("dtype mismatch in add, lhs: F16, rhs: F32", "candle-dtypes", {"input": "F16", "other": "F32"}),
    (
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
        "torch.FloatTensor instead (while checking arguments for embedding)",
        "embedding-ids",
        {"input": "F32"},
    ),
    (
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
        "torch.cuda.HalfTensor instead (while checking arguments for embedding)",
        "embedding-ids",
        {"input": "F16"},
    ),
    # range and NaN
    ("value cannot be converted to type at::Half without overflow", "constant-too-large", {"destination": "F16"}),
    ("value cannot be converted to type at::Half without overflow: -1e+09", "constant-too-large", {"destination": "F16"}),
    ("value cannot be converted to type c10::Half without overflow", "constant-too-large", {"destination": "F16"}),
    ("value cannot be converted to type c10::BFloat16 without overflow", "constant-too-large", {"destination": "BF16"}),
    ("value cannot be converted to type at::BFloat16 without overflow", "constant-too-large", {"destination": "BF16"}),
    (
        "/venv/lib/python3.10/site-packages/diffusers/image_processor.py:88: RuntimeWarning: invalid value encountered in cast\n"
        '  images = (images * 255).round().astype("uint8")',
        "image-nan",
        {},
    ),
    ("RuntimeWarning: invalid value encountered in cast", "image-nan", {}),
    (
        "C:\\ComfyUI\\nodes.py:1591: RuntimeWarning: invalid value encountered in cast\n"
        "  img = Image.fromarray(np.clip(i, 0, 255).astype(np.uint8))",
        "comfyui-image-nan",
        {},
    ),
    ("utils.py: RuntimeWarning: invalid value encountered in cast img_np = img_np.astype(out_type)", "upscaler-image-nan", {}),
    (
        "NansException: A tensor with all NaNs was produced in VAE. This could be because there's not enough precision to "
        "represent the picture. Try adding --no-half-vae commandline argument to fix this. Use --disable-nan-check commandline "
        "argument to disable this check.",
        "webui-vae-nan",
        {},
    ),
    (
        "A tensor with all NaNs was produced in VAE.\nWeb UI will now convert VAE into 32-bit float and retry.\nTo disable this "
        "behavior, disable the 'Automatically revert VAE to 32-bit floats' setting.\nTo always start with 32-bit VAE, use "
        "--no-half-vae commandline flag.",
        "webui-vae-nan",
        {},
    ),
    ("Web UI will now convert VAE into 32-bit float and retry.", "webui-vae-nan", {}),
    ("To disable this behavior, disable the 'Automatically revert VAE to 32-bit floats' setting.", "webui-vae-nan", {}),
    ("To always start with 32-bit VAE, use --no-half-vae commandline flag.", "webui-vae-nan", {}),
    (
        "NansException: A tensor with all NaNs was produced in Unet. This could be either because there's not enough precision "
        'to represent the picture, or because your video card does not support half type. Try setting the "Upcast cross '
        'attention layer to float32" option in Settings > Stable Diffusion or using the --no-half commandline argument to fix '
        "this. Use --disable-nan-check commandline argument to disable this check.",
        "webui-unet-nan",
        {},
    ),
    ("A tensor with NaNs was produced in Unet.", "webui-unet-nan", {}),
    ("RuntimeError: NaN detected in latents: /data/img/0001.png", "kohya-latents-nan", {}),
    ("NaN found in latents, replacing with zeros", "kohya-latents-nan", {}),
    ("steps:   2%|1         | 25/1600 [00:21<22:44,  1.15it/s, avr_loss=nan]", "loss-nan", {}),
    ("loss: nan", "loss-nan", {}),
    ("probability tensor contains either `inf`, `nan` or element < 0", "sampling-nan", {}),
    (
        '  File "/venv/lib/python3.10/site-packages/transformers/generation/utils.py", line 2652, in sample\n'
        "    next_tokens = torch.multinomial(probs, num_samples=1).squeeze(1)\n"
        "RuntimeError: CUDA error: device-side assert triggered",
        "sampling-nan",
        {},
    ),
    (
        "Decode: sample=(1, 3, 768, 768) invalid=1769472 dtype=float32 vae=torch.float32 upcast=True failed to validate",
        "sdnext-decode-invalid",
        {"input": "F32", "weight": "F32"},
    ),
    # training
    ("ValueError: Attempting to unscale FP16 gradients.", "scaler-fp16-gradients", {}),
    ("Found dtype Float but expected Half", "loss-dtypes", {"target": "F32", "input": "F16"}),
    ("Found dtype Half but expected Float", "loss-dtypes", {"target": "F16", "input": "F32"}),
    ("Found dtype Float but expected BFloat16", "loss-dtypes", {"target": "F32", "input": "BF16"}),
    (
        "attempting to assign a gradient with dtype 'c10::Half' to a tensor with grad_dtype 'Float'. The gradient must match",
        "gradient-dtype",
        {"source": "F16", "destination": "F32"},
    ),
    (
        "attempting to assign a gradient with dtype 'c10::Half' to a tensor with dtype 'float'. Please ensure that the gradient "
        "and the tensor have the same dtype",
        "gradient-dtype",
        {"source": "F16", "destination": "F32"},
    ),
    ("assigned grad has data of a different type", "gradient-dtype", {}),
    (
        "Must flatten tensors with uniform dtype but got torch.bfloat16 and torch.float32",
        "fsdp-mixed-dtypes",
        {"input": "BF16", "other": "F32"},
    ),
    (
        "`FlatParameter` requires uniform dtype but got torch.float16 and torch.float32",
        "fsdp-mixed-dtypes",
        {"input": "F16", "other": "F32"},
    ),
    (
        "FSDP expects uniform original parameter dtype but got {torch.float32, torch.bfloat16}",
        "fsdp-mixed-dtypes",
        {"input": "F32", "other": "BF16"},
    ),
    (
        "FSDP expects uniform reduce dtype but got {torch.float32, torch.bfloat16}",
        "fsdp-mixed-dtypes",
        {"input": "F32", "other": "BF16"},
    ),
    ("All parameters in a bucket must have the same dtype.", "ddp-bucket", {}),
    (
        "In CPU autocast, but the target dtype is not supported. Disabling autocast.\nCPU Autocast only supports dtypes of "
        "torch.bfloat16, torch.float16 currently.",
        "autocast-unsupported",
        {},
    ),
    (
        "In MPS autocast, but the target dtype is not supported. Disabling autocast.\nMPS Autocast only supports dtype of "
        "torch.bfloat16 and torch.float16 currently.",
        "autocast-unsupported",
        {},
    ),
    (
        "In XLA autocast, but the target dtype is not supported. Disabling autocast.\nXLA Autocast only supports dtype of "
        "torch.bfloat16 currently.",
        "autocast-unsupported",
        {},
    ),
    ("Current CUDA Device does not support bfloat16. Please switch dtype to float16.", "autocast-no-bf16", {}),
    ("bf16 mixed precision requires PyTorch >= 1.10 and a supported device.", "accelerate-bf16", {}),
    ("fp16 mixed precision requires a device in ('cuda', 'xpu', 'mps') (not 'cpu').", "accelerate-fp16-device", {}),
    ("Unknown mixed_precision mode: fp32. Choose between ['no', 'fp8', 'fp16', 'bf16']", "accelerate-mode", {}),
    (
        "`--mixed_precision` arg cannot be set to `bf16` when `fp16` is set in the DeepSpeed config file.",
        "accelerate-deepspeed",
        {"input": "BF16", "other": "F16"},
    ),
    # what a device or a kernel lacks
    ("\"addmm_impl_cpu_\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    ("\"baddbmm_with_gemm\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    ("\"upsample_nearest2d_out_frame\" not implemented for 'BFloat16'", "half-on-old-cpu", {"input": "BF16"}),
    ("\"upsample_bilinear2d_out_frame\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    ("\"upsample_linear1d_out_frame\" not implemented for 'BFloat16'", "half-on-old-cpu", {"input": "BF16"}),
    ("\"compute_indices_weights_nearest\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    ("\"compute_indices_weights_linear\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    ("\"compute_indices_weights_cubic\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    ("\"compute_indices_weights_aa\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    ("\"softmax_lastdim_kernel_impl\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    ("\"GroupNormKernelImpl\" not implemented for 'Half'", "half-on-old-cpu", {"input": "F16"}),
    ("\"bitwise_and_cuda\" not implemented for 'Float'", "kernel-floats", {"input": "F32"}),
    ("\"SigmoidFocalLoss_forward\" not implemented for 'Half'", "kernel-missing", {"input": "F16"}),
    ("\"compute_index_ranges_weights\" not implemented for 'Half'", "kernel-missing", {"input": "F16"}),
    ("\"linalg_svd_cpu\" not implemented for 'Half'", "kernel-missing", {"input": "F16"}),
    ("\"geqrf_cpu\" not implemented for 'BFloat16'", "kernel-missing", {"input": "BF16"}),
    ("\"cdist\" not implemented for 'Half'", "kernel-missing", {"input": "F16"}),
    ("\"cholesky_cpu\" not implemented for 'BFloat16'", "kernel-missing", {"input": "BF16"}),
    ("Unsupported dtype Half", "fft-half", {"input": "F16"}),
    ("Unsupported dtype BFloat16", "fft-half", {"input": "BF16"}),
    ("MKL FFT doesn't support tensors of type: Half", "fft-half", {"input": "F16"}),
    (
        "cuFFT only supports dimensions whose sizes are powers of two when computing in half precision, but got a signal size "
        "of[60]",
        "cufft-half",
        {},
    ),
    ("linalg.inv: Low precision dtypes not supported. Got Half", "linalg-low-precision", {"input": "F16"}),
    ("quantile() input tensor must be either float or double dtype", "quantile-dtype", {}),
    (
        "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: BFloat16",
        "complex-rotary",
        {"input": "BF16"},
    ),
    (
        "Expected object of scalar type Float but got scalar type Double for second argument",
        "second-argument-type",
        {"input": "F32", "other": "F64"},
    ),
    ("TypeError: Got unsupported ScalarType BFloat16", "numpy-lacks-dtype", {"input": "BF16"}),
    ("TypeError: Got unsupported ScalarType Float8_e4m3fn", "numpy-lacks-dtype", {"input": "F8_E4M3"}),
    (
        "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Please use float32 instead.",
        "mps-no-fp64",
        {},
    ),
    (
        "Cannot convert a float64 Tensor to MPS as the MPS framework doesn't support float64. Please use float32 instead.",
        "mps-no-fp64",
        {},
    ),
    (
        "loc(\"varianceEps\"): error: input types 'tensor<1x77x1xf16>' and 'tensor<1xf32>' are not broadcast compatible\n"
        "LLVM ERROR: Failed to infer result type(s).",
        "mps-broadcast",
        {},
    ),
    ("LLVM ERROR: Failed to infer result type(s).", "mps-broadcast", {}),
    ("module 'torch' has no attribute 'torch.bfloat16'", "dtype-string", {"input": "BF16"}),
    (
        "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int8",
        "module-to-integers",
        {"destination": "I8"},
    ),
    ("multinomial is not implemented for half on CPU", "multinomial-half-cpu", {}),
    # diffusers
    (
        "There are modules in AutoencoderTiny that should be kept in float32: []. Casting directly with `to()` can lead to "
        "inconsistent results; set `torch_dtype` in `from_pretrained()` instead to keep these modules in float32.",
        "kept-in-fp32-none",
        {},
    ),
    (
        "There are modules in WanTransformer3DModel that should be kept in float32: ['time_embedder', 'norm1']. Casting directly "
        "with `to()` can lead to inconsistent results; set `torch_dtype` in `from_pretrained()` instead to keep these modules in "
        "float32.",
        "kept-in-fp32",
        {},
    ),
    (
        "Pipelines loaded with `dtype=torch.float16` cannot run with `cpu` device. It is not recommended to move them to `cpu` "
        "as running them will fail. Please make sure to use an accelerator to run the pipeline in inference, due to the lack of "
        "support for`float16` operations on this device in PyTorch.",
        "fp16-pipeline-on-cpu",
        {},
    ),
    ("Pipelines loaded with `torch_dtype=torch.float16` cannot run with `cpu` device.", "fp16-pipeline-on-cpu", {}),
    ("Passed `dtype` float16 is not a `torch.dtype`. Defaulting to `torch.float32`.", "dtype-not-a-dtype", {}),
    ("Passed `torch_dtype` float16 is not a `torch.dtype`. Defaulting to `torch.float32`.", "dtype-not-a-dtype", {}),
    (
        "You have passed both `dtype` and `torch_dtype`. Please only pass `dtype`, `torch_dtype` is deprecated.",
        "dtype-given-twice",
        {},
    ),
    (
        "FutureWarning: `torch_dtype` is deprecated and will be removed in version 1.0.0. Please use `dtype` instead.",
        "torch-dtype-renamed",
        {},
    ),
    (
        "You have passed `dtype` both as an argument and as a keyword argument. Please only pass one of the two.",
        "dtype-given-twice",
        {},
    ),
    (
        "\nA mixture of fp16 and non-fp16 filenames will be loaded.\nLoaded fp16 filenames:\n[unet/diffusion_pytorch_model.fp16"
        ".safetensors, text_encoder/model.fp16.safetensors]\nLoaded non-fp16 filenames:\n[vae/diffusion_pytorch_model.bin\n"
        "If this behavior is not expected, please check your folder structure.",
        "variant-mixture",
        {},
    ),
    (
        "You are trying to load the model files of the `variant=fp16`, but no such modeling files are available.",
        "variant-missing",
        {},
    ),
    (
        "You are trying to load model files of the `variant=fp16`, but no such modeling files are available. ",
        "variant-missing",
        {},
    ),
    (
        "Casting a quantized model to a new `dtype` is unsupported. To set the dtype of unquantized layers, please use the "
        "`torch_dtype` argument when loading the model using `from_pretrained` or `from_single_file`",
        "quantised-cast",
        {},
    ),
    (
        "`.half()` is not supported for quantized model. Please use the model as it is, since the model has already been cast to "
        "the correct `dtype`.",
        "quantised-cast",
        {},
    ),
    (
        "`.float()` is not supported for quantized model. Please use the model as it is, since the model has already been casted "
        "to the correct `dtype`.",
        "quantised-cast",
        {},
    ),
    ("`.half()` is not supported for `4-bit` or `8-bit` bitsandbytes models.", "quantised-cast", {}),
    (
        "The module 'T5EncoderModel' has been loaded in `bitsandbytes` 4bit and conversion to torch.float16 is not supported. "
        "Module is still in 4bit precision.",
        "bnb-not-converted",
        {"destination": "F16"},
    ),
    (
        "Overriding torch_dtype=None with `torch_dtype=torch.float16` due to requirements of `bitsandbytes` to enable model "
        "loading in 8-bit or 4-bit. Pass your own torch_dtype to specify the dtype of the remaining non-linear layers",
        "quantiser-sets-dtype",
        {"destination": "F16"},
    ),
    (
        "Overriding `torch_dtype` with `torch_dtype=torch.bfloat16` due to requirements of `torchao` to enable model loading in "
        "different precisions.",
        "quantiser-sets-dtype",
        {"destination": "BF16"},
    ),
    (
        "You are trying to set torch_dtype to torch.float16 for integer quantization, but only bfloat16 is supported right now. "
        "Please set `torch_dtype=torch.bfloat16`.",
        "torchao-needs-bf16",
        {},
    ),
    (
        "You did not specify `torch_dtype` in `from_pretrained`. Setting it to `torch.float32`.",
        "quantiser-sets-dtype",
        {"destination": "F32"},
    ),
    ("`low_cpu_mem_usage` cannot be False when `keep_in_fp32_modules` is True.", "keep-list-needs-low-memory", {}),
    (
        "This model has some weights that should be kept in higher precision, you need to upgrade `accelerate` to properly deal "
        "with them (`pip install --upgrade accelerate`).",
        "keep-list-needs-newer",
        {},
    ),
    (
        "LayerwiseCastingHook does not support deinitialization. A model once enabled with layerwise casting will have casted "
        "its weights to a lower precision dtype for storage. Casting this back to the original dtype will lead to precision "
        "loss, which might have an impact on the model's generation quality.",
        "layerwise-casting-stays",
        {},
    ),
    # transformers, peft, bitsandbytes
    ("`torch_dtype` is deprecated! Use `dtype` instead!", "torch-dtype-renamed", {}),
    (
        "`dtype` provided as a `str` can only be `'auto'`, or a string representation of a valid `torch.dtype`",
        "dtype-text-unknown",
        {},
    ),
    (
        "You cannot cast a bitsandbytes model in a new `dtype`. Make sure to load the model using `from_pretrained` using the "
        "desired `dtype` by passing the correct `dtype` argument.",
        "quantised-cast",
        {},
    ),
    (
        "You cannot cast a GPTQ model in a new `dtype`. Make sure to load the model using `from_pretrained` using the desired "
        "`dtype` by passing the correct `dtype` argument.",
        "quantised-cast",
        {},
    ),
    (
        "`torch.bfloat16` is not supported for AWQ CUDA/XPU kernels yet. Casting to `torch.float16`.",
        "quantiser-sets-dtype",
        {"destination": "F16"},
    ),
    (
        "Setting dtype to torch.float16, but only bfloat16 is supported right now. Overwriting torch_dtype to bfloat16.",
        "quantiser-sets-dtype",
        {"destination": "BF16"},
    ),
    (
        "Invalid `dtype` torch.float32. HIGGS quantization only supports `dtype=torch.float16` or `dtype=torch.bfloat16`.",
        "higgs-dtype",
        {},
    ),
    (
        "MatMul8bitLt: inputs will be cast from torch.float32 to float16 during quantization",
        "int8-input-cast",
        {"input": "F32", "destination": "F16"},
    ),
    (
        "The modules are dequantized in torch.float32 and casted to torch.bfloat16.",
        "weights-dequantised",
        {"input": "F32", "destination": "BF16"},
    ),
    (
        "Using different dtypes per module is deprecated and will be removed in future versions Setting different dtypes per "
        "backbone model might cause device errors downstream, therefore setting the dtype=torch.float16 for all modules.",
        "dtype-dict-collapsed",
        {"destination": "F16"},
    ),
    (
        "`.half()` / `.float()` is not supported for quantized model. Please use the model as it is, since the model has already "
        "been casted to the correct `dtype`.",
        "quantised-cast",
        {},
    ),
    (
        "There is an attempt to upcast the targeted parameter to torch.float32 but it is not possible",
        "peft-upcast",
        {"destination": "F32"},
    ),
    ("Unsupported input data type for quantize_to_fp4.", "fp4-input", {}),
)

TYPED: Final[tuple[tuple[str, str], ...]] = (
    # from memory, cut short, in another order of quotes, in a log, wrapped by a terminal
    ("mat1 and mat2 must have same dtype", "linear-dtypes"),
    ("MAT1 AND MAT2 MUST HAVE THE SAME DTYPE", "linear-dtypes"),
    ("mat1 and mat2 should have the same dtype but got half and float", "linear-dtypes"),
    ("RuntimeError: mat1 and mat2 must have the same\n  dtype, but got\n  Half and Float", "linear-dtypes"),
    ("torch.OutOfMemory... no, RuntimeError: mat1 and mat2 must have the same dtype, but got Half and Float!", "linear-dtypes"),
    ("2026-03-01 12:00:01,223 ERROR worker-3 - mat1 and mat2 must have the same dtype, but got Float and Half", "linear-dtypes"),
    ("[rank1]: RuntimeError: mat1 and mat2 must have the same dtype, but got Float and BFloat16", "linear-dtypes"),
    ("\x1b[31mRuntimeError\x1b[0m: expected scalar type \x1b[1mHalf\x1b[0m but found Float", "scalar-type"),
    ("expected scalar type half but found float", "scalar-type"),
    ("it says expected scalar type BFloat16, but found Half. what now", "scalar-type"),
    ("Input type c10::Half and bias type float should be the same", "conv-dtypes"),
    ("input type (float) and bias type (half) must be the same", "conv-dtypes"),
    ("Input type and weight type should be the same", "conv-dtypes"),
    ("LayerNormKernelImpl not implemented for Half", "half-on-old-cpu"),
    ("“LayerNormKernelImpl” not implemented for ‘Half’", "half-on-old-cpu"),
    ("slow_conv2d_cpu not implemented for half", "half-on-old-cpu"),
    ("addmm_impl_cpu_ not implemented for Half", "half-on-old-cpu"),
    ("attempting to unscale fp16 gradients", "scaler-fp16-gradients"),
    ("Expected query, key and value to have the same dtype", "attention-dtypes"),
    ("expected query key and value to have same dtype", "attention-dtypes"),
    ("Got unsupported ScalarType BFloat16", "numpy-lacks-dtype"),
    ("cutlassF no kernel found to launch", "cutlass-no-kernel"),
    ("value cannot be converted to type at::Half without overflow: -1.7014118346046923e+38", "constant-too-large"),
    ("A tensor with all NaNs was produced in Unet", "webui-unet-nan"),
    ("a tensor with all nans was produced in vae", "webui-vae-nan"),
    ("index put requires the source and destination dtypes match", "index-put"),
    ("Cannot convert a MPS Tensor to float64 dtype", "mps-no-fp64"),
    ("torch_dtype is deprecated, use dtype instead", "torch-dtype-renamed"),
    ("mixed dtype CPU: expect parameter to have scalar type of Float", "norm-parameter"),
    ("probability tensor contains either inf, nan or element < 0", "sampling-nan"),
    ("Found dtype Float but expected Half (training step 12)", "loss-dtypes"),
    ("FlashAttention only supports fp16 and bf16 data type", "flash-attention-half-only"),
    ("| RuntimeError: self and mat2 must have the same dtype, but got Half and Float |", "addmm-dtypes"),
    ("{'error': 'expected m1 and m2 to have the same dtype, but got: float != c10::Half', 'code': 500}", "matmul-dtypes"),
    ("UserWarning: Mismatch dtype between input and weight: input dtype = float, weight dtype = c10::Half", "rmsnorm-mixed"),
)

NEAR_MISSES: Final[tuple[str, ...]] = (
    "mat1 and mat2 shapes cannot be multiplied (2x768 and 1024x320)",
    "mat1 and mat2 must have the same device",
    "Expected size for first two dimensions of batch2 tensor to be: [2, 64] but got: [2, 77].",
    "The size of tensor a (64) must match the size of tensor b (77) at non-singleton dimension 1",
    "Given groups=1, weight of size [320, 4, 3, 3], expected input[2, 9, 64, 64] to have 4 channels, but got 9 channels instead",
    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
    "Expected object of device type cuda but got device type cpu for argument #1 'self' in call to _thnn_conv2d_forward",
    "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 8.00 GiB total capacity; 6.50 GiB already allocated)",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.",
    "CUDA error: device-side assert triggered",
    "CUDA error: no kernel image is available for execution on the device",
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasSgemm( handle, opa, opb, m, n, k, &alpha, a, lda, b, ldb)`",
    "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "KeyError: 'dtype'",
    "KeyError: 'down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight'",
    "AttributeError: 'NoneType' object has no attribute 'dtype'",
    "AttributeError: module 'torch' has no attribute 'compiler'",
    "AttributeError: module 'torch' has no attribute 'float8_e4m3fn'",
    "TypeError: __init__() got an unexpected keyword argument 'torch_dtype'",
    "TypeError: from_pretrained() got multiple values for argument 'torch_dtype'",
    "TypeError: can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.",
    "ValueError: could not convert string to float: 'fp16'",
    "ValueError: setting an array element with a sequence.",
    "numpy.core._exceptions._UFuncNoLoopError: ufunc 'add' did not contain a loop with signature matching types dtype('<U3')",
    "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject",
    "pandas.errors.DtypeWarning: Columns (3,7) have mixed types. Specify dtype option on import or set low_memory=False.",
    "Error(s) in loading state_dict for UNet2DConditionModel: size mismatch for conv_in.weight: copying a param with shape",
    "Some weights of CLIPTextModel were not initialized from the model checkpoint and are newly initialized",
    "RuntimeWarning: invalid value encountered in sqrt",
    "RuntimeWarning: invalid value encountered in divide",
    "RuntimeWarning: overflow encountered in exp",
    "OverflowError: Python int too large to convert to C long",
    "OverflowError: cannot convert float infinity to integer",
    "value cannot be converted to type int without overflow",
    "value cannot be converted to type int64_t without overflow",
    "NotImplementedError: Could not run 'aten::empty.memory_format' with arguments from the 'SparseCUDA' backend",
    "NotImplementedError: The operator 'aten::_fft_r2c' is not currently implemented for the MPS device.",
    "NotImplementedError: \"something\" not implemented for 'str'",
    "feature_x not implemented for windows",
    "bitsandbytes was compiled without GPU support. 8-bit optimizers and GPU quantization are unavailable.",
    "expected scalar type of the parameter but found nothing",
    "Expected query, key, and value to have the same number of heads",
    "Expected attn_mask to have shape (2, 8, 77, 77)",
    "scatter(): Expected self and src to be on the same device",
    "Index tensor must have the same number of dimensions as self tensor",
    "index 77 is out of bounds for dimension 0 with size 77",
    "index_copy_(): Source/destination tensor must have same slice shapes.",
    "masked_scatter: expected self and source to be on same device but got cpu and cuda:0",
    "Attempting to unscale gradients twice",
    "AssertionError: No inf checks were recorded for this optimizer.",
    "unscale_() has already been called on this optimizer since the last update().",
    "element 0 of tensors does not require grad and does not have a grad_fn",
    "loss=0.0312, lr=1e-4, nan_count=0",
    "epoch 3: loss 0.12 (no nan values found)",
    "the financial loss is nanoscopic",
    "Unsupported dtype in config: please use a string",
    "Loaded non-EMA weights only",
    "The module 'UNet2DConditionModel' has been loaded in `bitsandbytes` 8bit and moving it to cuda via `.to()` is not "
    "supported. Module is still on cpu.",
    "You have passed `device` both as an argument and as a keyword argument. Please only pass one of the two.",
    "`use_return_dict` is deprecated! Use `return_dict` instead!",
    "`low_cpu_mem_usage` cannot be False when using quantization.",
    "Flash Attention 2 is not available on CPU. Please make sure torch can access a CUDA device.",
    "FlashAttention only supports Ampere GPUs or newer.",
    "No operator found for `memory_efficient_attention_forward` with inputs:\n     query : shape=(1, 2, 1, 40) (torch.float16)\n"
    "`flshattF` is not supported because:\n    xFormers wasn't build with CUDA support",
    "All parameters must have the same device",
    "Input type (float) is not a valid choice",
    "HalfTensor, FloatTensor and other legacy constructors are deprecated",
    "dtype: torch.float16, device: cuda:0, seed: 42",
    "loaded unet in torch.float16, vae in torch.float32",
    "quantile() q must be in the range [0, 1] but got 1.5",
    "linalg.inv: A must be batches of square matrices, but they are 2 by 3 matrices",
    "view_as_complex: Tensor must have a last dimension of size 2",
    "scatter(): Expected dtype int64 for index",
)
