"""Checkpoints of a few kilobytes with random weights, laid out as on the hub, and exported networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def tokenizer(folder: Path, kind: str = "roberta") -> None:
    """A tokenizer of whole words and letters."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "dog",
        "rain",
        "of",
        "a",
        "the",
        "sound",
        "bark",
        "sea",
        "waves",
    ]
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=32,
    ).save_pretrained(folder)


def clap(folder: Path, *, fusion: bool = False) -> Path:
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    torch.manual_seed(0)
    config = ClapConfig(
        text_config={
            "vocab_size": 16,
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 40,
        },
        audio_config={
            "spec_size": 64,
            "num_mel_bins": 16,
            "patch_embeds_hidden_size": 8,
            "patch_embed_num_patch": 16,
            "hidden_size": 16,
            "depths": [1, 1],
            "num_attention_heads": [1, 1],
            "window_size": 4,
            "enable_fusion": fusion,
        },
        projection_dim=24,
    )
    ClapModel(config).save_pretrained(folder)
    ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=16_000,
        max_length_s=2,
        truncation="fusion" if fusion else "rand_trunc",
        fft_window_size=512,
        hop_length=160,
    ).save_pretrained(folder)
    tokenizer(folder)
    return folder


def ast(folder: Path) -> Path:
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    torch.manual_seed(0)
    config = ASTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_length=128,
        num_mel_bins=32,
    )
    ASTModel(config).save_pretrained(folder)
    ASTFeatureExtractor(num_mel_bins=32, max_length=128).save_pretrained(folder)
    return folder


def wav2vec2(folder: Path) -> Path:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8, 8),
        conv_kernel=(10, 8, 4),
        conv_stride=(10, 8, 4),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    return folder


def whisper(folder: Path) -> Path:
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=32,
        num_mel_bins=16,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=200,
        max_target_positions=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=16, chunk_length=4).save_pretrained(folder)
    return folder


def sentence_model(folder: Path) -> Path:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    base = folder / "base"
    config = BertConfig(
        vocab_size=16,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    BertModel(config).save_pretrained(base)
    tokenizer(base)
    words = Transformer(str(base))
    SentenceTransformer(modules=[words, Pooling(16)], device="cpu").save(str(folder / "model"))
    return folder / "model"


def onnx_waveform(folder: Path, *, batch: int | str = "batch", **description: Any) -> Path:
    """A network (batch, samples) -> (batch, 6): the mean of rectified filters."""
    from onnx import helper

    nodes = [
        helper.make_node("Unsqueeze", ["x", "axis"], ["row"]),
        helper.make_node("Conv", ["row", "w"], ["c"], strides=[16]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["embedding"]),
    ]
    shapes = {"x": [batch, "samples"], "embedding": [batch, 6]}
    weights = {"w": _weights(6, 1, 64), "axis": [1]}
    return _onnx(folder, nodes, shapes, weights, {"sample_rate": 16_000} | description)


def onnx_mel(folder: Path, **description: Any) -> Path:
    """A network (batch, 1, time, mel) -> (batch, time - 2, 5): filters of three frames and all bands."""
    from onnx import helper

    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Squeeze", ["r", "axis"], ["s"]),
        helper.make_node("Transpose", ["s"], ["logits"], perm=[0, 2, 1]),
        helper.make_node("Identity", ["logits"], ["frames"]),
    ]
    shapes = {"x": ["batch", 1, "time", 20], "logits": ["batch", "t", 5], "frames": ["batch", "t", 5]}
    mel = {"n_fft": 512, "hop_length": 160, "n_mels": 20, "fmin": 50, "log": "db", "mean": -40, "std": 20}
    usual = {
        "sample_rate": 16_000,
        "layout": "batch 1 time mel",
        "mel": mel,
        "frames": True,
        "output": "frames",
    }
    return _onnx(folder, nodes, shapes, {"w": _weights(5, 1, 3, 20), "axis": [3]}, usual | description)


def _weights(*shape: int) -> Any:
    import numpy as np

    w = np.random.default_rng(0).standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return w.astype(np.float32)


def _onnx(folder: Path, nodes: list[Any], shapes: dict[str, Any], weights: Any, description: Any) -> Path:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    values = {n: helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in shapes.items()}
    constants = [numpy_helper.from_array(np.asarray(w), n) for n, w in weights.items()]
    graph = helper.make_graph(
        nodes, "tiny", [values["x"]], [v for n, v in values.items() if n != "x"], initializer=constants
    )
    folder.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
    (folder / "hearspace.json").write_text(json.dumps(description), encoding="utf-8")
    return folder
