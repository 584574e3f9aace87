"""Globals of pickles that are known: those that only make data, and those that reach commands, code, files or the net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

HARMLESS: Final[Mapping[str, str]] = {
    "torch.save of tensors": """
        torch.Size torch.device torch.Tensor torch.nn.parameter.Parameter torch.nn.parameter.Buffer torch.dtype torch.layout
        torch._utils._rebuild_tensor torch._utils._rebuild_tensor_v2 torch._utils._rebuild_tensor_v3
        torch._utils._rebuild_parameter torch._utils._rebuild_parameter_with_state torch._utils._rebuild_qtensor
        torch._utils._rebuild_sparse_tensor torch._utils._rebuild_sparse_csr_tensor torch._utils._rebuild_nested_tensor
        torch._utils._rebuild_meta_tensor_no_storage torch._utils._rebuild_wrapper_subclass
        torch._utils._rebuild_device_tensor_from_numpy torch._utils._rebuild_device_tensor_from_cpu_tensor
        torch._utils._rebuild_xla_tensor torch._tensor._rebuild_from_type torch._tensor._rebuild_from_type_v2
        torch.serialization._get_layout torch.per_tensor_affine torch.per_channel_affine torch.per_tensor_symmetric
        torch.per_channel_symmetric torch.per_channel_affine_float_qparams torch.storage.TypedStorage
        torch.strided torch.sparse_coo torch.sparse_csr torch.sparse_csc torch.sparse_bsr torch.sparse_bsc
        torch.contiguous_format torch.channels_last torch.preserve_format""",
    "containers and plain values": """
        collections.OrderedDict collections.defaultdict collections.Counter collections.deque
        builtins.set builtins.frozenset builtins.dict builtins.list builtins.tuple builtins.int builtins.float builtins.complex
        builtins.bool builtins.str builtins.bytes builtins.bytearray builtins.slice builtins.range builtins.object
        builtins.NoneType builtins.Ellipsis builtins.long builtins.unicode builtins.xrange
        copyreg._reconstructor copyreg.__newobj__ _codecs.encode
        argparse.Namespace types.SimpleNamespace typing.Any datetime.datetime datetime.date datetime.timedelta
        datetime.timezone decimal.Decimal fractions.Fraction uuid.UUID pathlib.Path pathlib.PosixPath pathlib.WindowsPath
        pathlib.PurePosixPath pathlib.PureWindowsPath pathlib._local.PosixPath pathlib._local.WindowsPath""",
    "numpy arrays and random states": """
        numpy.ndarray numpy.dtype numpy.core.multiarray._reconstruct numpy._core.multiarray._reconstruct
        numpy.core.multiarray.scalar numpy._core.multiarray.scalar numpy.core.numeric._frombuffer
        numpy._core.numeric._frombuffer numpy.random._pickle.__randomstate_ctor numpy.random._pickle.__generator_ctor
        numpy.random._pickle.__bit_generator_ctor numpy.random._mt19937.MT19937 numpy.random._pcg64.PCG64
        numpy.bool_ numpy.bool numpy.str_ numpy.int8 numpy.int16 numpy.int32 numpy.int64 numpy.uint8 numpy.uint16
        numpy.uint32 numpy.uint64 numpy.float16 numpy.float32 numpy.float64 numpy.complex64 numpy.complex128""",
    "pytorch_lightning checkpoints": """
        pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint pytorch_lightning.utilities.parsing.AttributeDict
        pytorch_lightning.callbacks.early_stopping.EarlyStopping lightning_fabric.utilities.data.AttributeDict
        pytorch_lightning.callbacks.lr_monitor.LearningRateMonitor pytorch_lightning.callbacks.gpu_stats_monitor.GPUStatsMonitor
        pytorch_lightning.callbacks.device_stats_monitor.DeviceStatsMonitor
        pytorch_lightning.callbacks.progress.tqdm_progress.TQDMProgressBar
        pytorch_lightning.callbacks.pt_callbacks.ModelCheckpoint pytorch_lightning.trainer.states.TrainerFn
        pytorch_lightning.utilities.enums.ModelSummaryMode lightning.fabric.utilities.data.AttributeDict
        lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint lightning.pytorch.callbacks.early_stopping.EarlyStopping
        lightning.pytorch.utilities.parsing.AttributeDict ldm.util.AttributeDict""",
    "configs of training programs": """
        omegaconf.dictconfig.DictConfig omegaconf.listconfig.ListConfig omegaconf.base.ContainerMetadata
        omegaconf.base.Metadata omegaconf.nodes.AnyNode omegaconf.nodes.IntegerNode omegaconf.nodes.FloatNode
        omegaconf.nodes.StringNode omegaconf.nodes.BooleanNode omegaconf.nodes.EnumNode omegaconf.nodes.ValueNode
        easydict.EasyDict addict.addict.Dict addict.Dict yacs.config.CfgNode ml_collections.config_dict.config_dict.ConfigDict
        fairseq.data.dictionary.Dictionary""",
    "optimizer and scheduler states": """
        torch.optim.swa_utils.AveragedModel torch.cuda.amp.grad_scaler.GradScaler
        torch.cuda.amp.grad_scaler.OptState torch.amp.grad_scaler.OptState torch.amp.grad_scaler._refresh_per_optimizer_state
        torch.cuda.amp.grad_scaler._refresh_per_optimizer_state apex.amp.scaler.LossScaler
        deepspeed.runtime.fp16.loss_scaler.LossScaler deepspeed.runtime.fp16.loss_scaler.DynamicLossScaler
        deepspeed.runtime.zero.config.ZeroStageEnum deepspeed.utils.tensor_fragment.fragment_address""",
    "training_args.bin of transformers": """
        transformers.training_args.TrainingArguments transformers.training_args.OptimizerNames
        transformers.training_args.ParallelMode transformers.training_args_seq2seq.Seq2SeqTrainingArguments
        transformers.trainer_utils.IntervalStrategy transformers.trainer_utils.EvaluationStrategy
        transformers.trainer_utils.SaveStrategy transformers.trainer_utils.SchedulerType transformers.trainer_utils.HubStrategy
        transformers.trainer_utils.FSDPOption transformers.trainer_pt_utils.AcceleratorConfig
        transformers.integrations.deepspeed.HfDeepSpeedConfig transformers.integrations.deepspeed.HfTrainerDeepSpeedConfig
        transformers.deepspeed.HfTrainerDeepSpeedConfig transformers.debug_utils.DebugOption
        accelerate.state.PartialState accelerate.state.AcceleratorState accelerate.utils.dataclasses.DistributedType
        accelerate.utils.dataclasses.DeepSpeedPlugin accelerate.utils.dataclasses.DynamoBackend
        accelerate.utils.dataclasses.SageMakerDistributedType trl.trainer.sft_config.SFTConfig
        trl.trainer.dpo_config.DPOConfig peft.tuners.lora.config.LoraConfig peft.utils.peft_types.PeftType
        peft.utils.peft_types.TaskType""",
}
"""Names that only make data, by where they come from. A program that loads the file needs them and does nothing else."""

DANGEROUS: Final[Mapping[str, str]] = {
    "runs commands": """
        os posix nt subprocess _posixsubprocess pty platform multiprocessing concurrent asyncio threading _thread commands
        torch.utils.collect_env torch.utils.cpp_extension torch.multiprocessing numpy.distutils distutils setuptools pip
        ensurepip venv webbrowser antigravity ctypes _ctypes numpy.ctypeslib _winapi winreg msvcrt signal""",
    "runs code": """
        builtins sys code codeop runpy pdb bdb profile cProfile timeit trace doctest types inspect gc atexit idlelib lib2to3
        pydoc nose pytest cmd torch.fx torch.jit torch.package torch.ops torch._ops torch._dynamo torch._inductor
        torch.distributed.run torch.distributed.rpc torch.distributed.launcher torch.distributed.elastic
        torch.utils.bottleneck torch.utils._config_module torch.utils.data.datapipes numpy.testing numpy.f2py""",
    "finds and calls any function": """
        operator _operator functools.reduce itertools.starmap importlib imp _frozen_importlib _frozen_importlib_external
        zipimport pkgutil copyreg.add_extension copyreg.pickle copyreg.constructor""",
    "unpickles again": """
        pickle _pickle dill cloudpickle joblib marshal shelve torch.load torch.serialization.load torch.jit.load
        torch._C._load torch.storage._load_from_bytes numpy.load pandas.read_pickle torch.hub torch.utils.model_zoo""",
    "reaches files": """
        io _io shutil tempfile fileinput linecache posixpath ntpath glob sqlite3 logging.config logging.FileHandler numpy.save
        numpy.savetxt numpy.fromfile numpy.memmap numpy.loadtxt numpy.genfromtxt torch.save torch.serialization.save""",
    "reaches the net": """
        socket _socket ssl socketserver urllib http requests httpx aiohttp ftplib smtplib telnetlib poplib imaplib nntplib
        xmlrpc huggingface_hub""",
}
"""Modules with all that is in them, and single functions, by what they can do."""

INSIDE: Final = """
    os posix nt sys subprocess builtins __builtins__ importlib runpy socket shutil ctypes
    __globals__ __subclasses__ __code__ __reduce__ __import__ eval exec"""
"""Parts of a dotted name that lead out of any module to code: `torch.serialization.os.system`."""
