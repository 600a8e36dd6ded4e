"""What is worth trying per model family, method and size, before anything is measured. One table.

Each row carries its citation and is of full fine-tuning; what adapters want is told by it and by
``ADAPTING``. The method ``probe`` has nothing to search. Knows the family (``model_type``), the
number of weights and how many training rows there are; nothing of recipes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

DECODERS = frozenset(
    {
        "arcee",
        "bloom",
        "codegen",
        "cohere",
        "cohere2",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3_text",
        "glm",
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "gpt_neox",
        "gptj",
        "granite",
        "helium",
        "llama",
        "mistral",
        "mixtral",
        "mpt",
        "nemotron",
        "olmo",
        "olmo2",
        "opt",
        "phi",
        "phi3",
        "qwen2",
        "qwen3",
        "smollm3",
        "stablelm",
        "starcoder2",
    }
)
"""Families that read left to right; a classifier on them looks at the last token."""


@dataclass(frozen=True, slots=True)
class Prior:
    """A row of the table: for whom (``families`` empty: any), what to search, and why."""

    families: frozenset[str]
    largest: float
    """Weights up to which the row holds."""
    learning_rate: float
    source: str
    """Where the learning rate comes from, and whatever else the row states itself."""
    steps_source: str = "FLAML; ELECTRA; Mosbach et al. 2021"
    """Where epochs and batch sizes come from."""
    also: str = "ELECTRA; AutoGluon-MM; Quick-Tune"
    """Where weight decay, warm-up, schedule, smoothing and clipping come from."""
    factor: float = 10.0
    """The learning rate is searched from prior / factor to prior × factor."""
    epochs: tuple[int, int, int] = (1, 3, 5)
    """Low, default, high."""
    batch_sizes: tuple[int, ...] = (8, 16, 32, 64)
    batch_size: int = 32
    weight_decay: tuple[float, float, float] = (1e-5, 0.01, 0.1)
    """Low, default, high; searched in the logarithm."""
    warmup_ratio: float = 0.1
    label_smoothing: tuple[float, float] = (0.0, 0.1)
    """Default, high."""
    schedules: tuple[str, ...] = ("linear", "cosine")
    max_grad_norm: float = 1.0
    dropout: tuple[float, float] = (0.1, 0.1)
    """Low (the default) and high, for families with a classifier dropout."""
    pooling: str = "mean"
    """Default, where the family can."""
    head_inits: tuple[str, ...] = ("probe", "random")
    """Default first."""
    frozen_embeddings: tuple[bool, ...] = (False, True)
    """Default first."""
    layer_decay: tuple[float, float, float] = (0.65, 0.9, 1.0)
    """Low, default, high."""
    decay_source: str = "AutoGluon-MM; Quick-Tune"
    """Where the layer-wise decay comes from."""
    preference_losses: tuple[str, ...] = ("dpo", "orpo")
    """Default first."""
    beta: tuple[float, float, float] = (0.03, 0.1, 0.5)
    """DPO's; low, default, high, searched in the logarithm."""
    odds_weight: tuple[float, float, float] = (0.05, 0.1, 0.5)
    """ORPO's; low, default, high, searched in the logarithm."""
    augmentations: tuple[str, ...] = ("light", "none", "randaugment")
    """Of pictures; default first."""
    freeze_norms: tuple[bool, ...] = ()
    """Default first; empty where nothing is normalised over batches."""
    sound_augmentations: tuple[str, ...] = ("light", "none")
    """Default first."""
    time_mask: tuple[float, float] = (0.05, 0.2)
    """Share of frames hidden in training: default, high."""
    feature_mask: tuple[float, float] = (0.0, 0.1)
    """The same of features, or of mel bands."""
    freeze_encoders: tuple[bool, ...] = (True, False)
    """Of convolutions over samples; default first."""
    methods: tuple[str, ...] = ("full", "probe")
    """Default first; larger models have ``BY_SIZE``."""
    adapter_rate: float = 10.0
    """What adapters' learning rate is of this one."""
    adapter_source: str = "LoRA Without Regret: ten times the rate"
    """Where that comes from."""


@dataclass(frozen=True, slots=True)
class Adapting:
    """What adapters want, whatever the family: defaults first, as in a row."""

    ranks: tuple[int, ...] = (16, 8, 32, 64)
    alphas: tuple[int, ...] = (32,)
    """Not searched: a change of it is a change of the learning rate."""
    targets: tuple[str, ...] = ("all-linear", "attention")
    dropouts: tuple[float, ...] = (0.0, 0.1)
    source: str = "LoRA Without Regret: all layers, alpha 32, ranks by data"
    dropout_source: str = "none, or .1 as in Hu et al. 2021 and QLoRA (Dettmers et al. 2023)"


ANY = float("inf")
M = 1e6
ADAPTING = Adapting()
SMALL_ADAPTER_RATE = 3.0
SMALL_ADAPTER_SOURCE = "own runs: on banking77 1e-3 came to .84 on MiniLM-L6, 3e-3 to .79"
BY_SIZE: tuple[tuple[float, tuple[str, ...]], ...] = (
    (300 * M, ("full", "probe")),
    (1000 * M, ("full", "lora", "probe")),
    (ANY, ("lora", "probe")),
)
"""Weights up to which the methods hold, default first: what is trained of a large model is mostly
its adapters, which take a quarter of the memory. Whatever the size, a recipe may ask for others."""
UNTRAINED = 12 * M
"""The smallest pretrained encoder-decoders have 16M weights: what is smaller was made new."""
T5 = frozenset({"t5", "mt5", "umt5", "longt5", "switch_transformers"})
WRITERS = frozenset(
    {
        "bart",
        "bigbird_pegasus",
        "blenderbot",
        "blenderbot-small",
        "fsmt",
        "led",
        "m2m_100",
        "marian",
        "mbart",
        "mvp",
        "nllb-moe",
        "pegasus",
        "pegasus_x",
        "plbart",
        "prophetnet",
    }
)
"""Encoder-decoder families other than T5's."""
OVERFLOWING = T5 | {"pegasus", "bigbird_pegasus", "pegasus_x"}
"""Families trained in bfloat16 or on TPUs, whose activations leave fp16's range (transformers
issues 4586, 9295)."""
MOBILE = frozenset({"mobilenet_v1", "mobilenet_v2"})
CONVOLUTIONAL = frozenset({"bit", "efficientnet", "levit", "poolformer", "regnet", "resnet"})
"""Families that normalise over batches."""
SEERS = frozenset(
    {
        "beit",
        "clip",
        "cvt",
        "data2vec-vision",
        "deit",
        "dinat",
        "dinov2",
        "dinov2_with_registers",
        "dinov3_vit",
        "focalnet",
        "mobilevit",
        "mobilevitv2",
        "pvt",
        "pvt_v2",
        "segformer",
        "siglip",
        "siglip2",
        "timm_wrapper",
        "vit",
        "vit_mae",
        "vit_msn",
    }
)
"""Transformers that see."""
SEGMENTERS = frozenset({"dpt", "segformer", "upernet"})
"""Families that mostly tell the class of every pixel."""
NEW_SEGMENTER = 2 * M
"""The smallest pretrained SegFormer has 3.7M weights: what is smaller was made new."""
SEGMENTING: Mapping[str, Any] = {
    "batch_sizes": (4, 8, 16),
    "batch_size": 8,
    "also": "Xie et al. 2021 (SegFormer): AdamW, weight decay .01, batches of 8 and 16",
    "augmentations": ("light", "none"),
}
DETR = frozenset({"conditional_detr", "dab-detr", "detr", "table-transformer"})
FAST_DETR = frozenset(
    {"d_fine", "deformable_detr", "deimv2", "lw_detr", "rf_detr", "rt_detr", "rt_detr_v2"}
)
"""Those that look at a few places of the features, which converge in a tenth of the epochs."""
NEW_DETECTOR = 5 * M
"""The smallest pretrained detector (yolos-tiny) has 6.5M weights: what is smaller was made new."""
DETECTING: Mapping[str, Any] = {
    "batch_sizes": (4, 8, 16),
    "batch_size": 8,
    "weight_decay": (1e-5, 1e-4, 1e-2),
    "max_grad_norm": 0.1,
    "also": "Carion et al. 2020 (DETR): weight decay 1e-4, gradients clipped to .1",
    "augmentations": ("light", "none"),
}
"""What detectors that match objects one to one have in common."""
WAVES = frozenset(
    {
        "data2vec-audio",
        "hubert",
        "sew",
        "sew-d",
        "unispeech",
        "unispeech-sat",
        "wav2vec2",
        "wav2vec2-bert",
        "wav2vec2-conformer",
        "wavlm",
    }
)
"""wav2vec 2.0 and its kin."""
SPECTRA = frozenset({"audio-spectrogram-transformer", "whisper", "moonshine", "speech_to_text"})
"""Families that hear mel bands, or write what they hear."""
UNHEARD = 8 * M
"""The smallest pretrained models that hear have 27M weights (Moonshine), the smallest encoder
among them 8M (Whisper's): what is smaller was made new."""
DEBERTA = frozenset({"deberta", "deberta-v2"})
GLUE = "DeBERTa-v3 GLUE scripts"
ELECTRA = "google-research/electra"
METHOD_SOURCE = "full below 300M weights, LoRA from there on: rule of thumb; probe: own runs"
POOLING_SOURCE = "own runs: on banking77 (1,000 rows) mean .80, stock .64 on MiniLM-L6"
HEAD_SOURCE = "Kumar et al. 2022; own runs: .83 after an epoch, .58 from a random head"
FREEZING_SOURCE = "own runs: .86 frozen, .85 trained (875 rows), in half the time on a CPU"
LAYERS_SOURCE = "all layers; fewer where the objective or a limit asks for speed or size"
PREFERENCE_SOURCE = "Rafailov et al. 2023 (DPO); Hong et al. 2024 (ORPO); TRL's defaults"
WEIGHTS_SOURCE = "King and Zeng 2001"
AUGMENTATION_SOURCE = "Cubuk et al. 2020 (RandAugment); transformers' image examples"
NORM_SOURCE = "own runs: .83 frozen, .75 not, on 244 photos (MobileNet)"
MASKS_SOURCE = "Park et al. 2019 (SpecAugment); transformers' wav2vec2 config"
SOUNDS_SOURCE = "Ko et al. 2015"
ENCODER_SOURCE = "Baevski et al. 2020: its convolutions are not trained further"
HEARD = "transformers' audio examples: 5 to 10 epochs of short clips"
SMALL_DATA_ROWS = 2000
SMALL_DATA_EPOCHS = (2, 3, 10)
"""Fewer than 2,000 rows are few steps an epoch: longer training is what makes small-data
fine-tuning stable (Mosbach et al. 2021), so the range reaches further. Three are the default still:
under a fitted head they came to .848 where five came to .852 (own runs, banking77, 875 rows)."""

PRIORS = (
    Prior(DEBERTA, 150 * M, 4.5e-5, GLUE, steps_source=GLUE, epochs=(2, 3, 8), dropout=(0.1, 0.2)),
    Prior(DEBERTA, 250 * M, 1.5e-5, GLUE, steps_source=GLUE, epochs=(2, 3, 8), dropout=(0.1, 0.2)),
    Prior(DEBERTA, ANY, 7e-6, GLUE, steps_source=GLUE, epochs=(2, 3, 8), dropout=(0.1, 0.2)),
    Prior(
        frozenset({"electra"}),
        200 * M,
        1e-4,
        ELECTRA,
        layer_decay=(0.65, 0.8, 1.0),
        decay_source=ELECTRA,
    ),
    Prior(frozenset({"electra"}), ANY, 5e-5, ELECTRA, decay_source=ELECTRA),
    Prior(
        frozenset({"modernbert"}),
        ANY,
        3e-5,
        "ModernBERT GLUE jobs",
        steps_source="ModernBERT GLUE jobs",
        epochs=(2, 3, 10),
        batch_sizes=(16, 32, 64),
        weight_decay=(1e-6, 1e-5, 1e-5),
    ),
    Prior(
        T5 | WRITERS,
        UNTRAINED,
        1e-3,
        "own runs: 1e-3 and 2e-3 learn E2E NLG from nothing, 1.1M weights",
        epochs=(5, 15, 40),
        steps_source="as many steps as training from nothing takes",
        weight_decay=(1e-5, 0.01, 0.1),
        dropout=(0.1, 0.3),
        frozen_embeddings=(False,),
    ),
    Prior(
        T5,
        ANY,
        2e-4,
        "transformers pull request 13240",
        dropout=(0.1, 0.2),
        frozen_embeddings=(False,),
    ),
    Prior(
        WRITERS,
        ANY,
        3e-5,
        "BART: Lewis et al. 2020, fairseq's 3e-5; Marian: transformers examples, 2e-5 to 5e-5",
        dropout=(0.1, 0.3),
        frozen_embeddings=(False,),
    ),
    Prior(
        DECODERS,
        2 * M,
        1e-3,
        "own runs: 1e-3 beat 3e-4 and 3e-3 on stories260K, banking77",
        adapter_rate=SMALL_ADAPTER_RATE,
        adapter_source=SMALL_ADAPTER_SOURCE,
    ),
    Prior(
        DECODERS,
        40 * M,
        3e-4,
        "as for small encoders",
        adapter_rate=SMALL_ADAPTER_RATE,
        adapter_source=SMALL_ADAPTER_SOURCE,
    ),
    Prior(
        MOBILE,
        ANY,
        1e-4,
        "own runs: 1e-4 beat 5e-4 and 1e-3 on 244 photos (MobileNet)",
        epochs=(3, 8, 30),
        steps_source="transformers' image examples",
        dropout=(0.2, 0.5),
        freeze_norms=(True, False),
    ),
    Prior(
        CONVOLUTIONAL,
        ANY,
        1e-4,
        "Wightman et al. 2021 (ResNet strikes back), scaled to AdamW and batches of 32",
        epochs=(3, 8, 30),
        steps_source="transformers' image examples",
        freeze_norms=(False, True),
    ),
    Prior(
        frozenset({"convnext", "convnextv2"}),
        ANY,
        5e-5,
        "ConvNeXt TRAINING.md",
        epochs=(3, 8, 30),
        steps_source="ConvNeXt TRAINING.md, for few pictures",
        weight_decay=(1e-8, 1e-8, 0.05),
        layer_decay=(0.7, 0.8, 1.0),
        decay_source="ConvNeXt TRAINING.md",
    ),
    Prior(
        frozenset({"swin", "swinv2"}),
        ANY,
        2e-5,
        "Swin configs",
        epochs=(3, 8, 30),
        steps_source="Swin configs, for few pictures",
        weight_decay=(1e-8, 1e-8, 0.05),
    ),
    Prior(
        SEGMENTERS,
        NEW_SEGMENTER,
        2e-3,
        "as other models that begin with random weights",
        epochs=(20, 60, 200),
        steps_source="as many steps as training from nothing takes",
        **SEGMENTING,
    ),
    Prior(
        SEGMENTERS,
        ANY,
        1e-4,
        "Xie et al. 2021 (SegFormer): 6e-5, and ten times that for the head",
        epochs=(10, 25, 50),
        steps_source="transformers' segmentation examples, for few pictures",
        **SEGMENTING,
    ),
    Prior(
        SEERS,
        40 * M,
        1e-4,
        "as the base models, twice the rate for a third of the weights",
        epochs=(3, 6, 20),
        steps_source="transformers' image examples",
    ),
    Prior(
        SEERS,
        ANY,
        5e-5,
        "Steiner et al. 2022; transformers' image examples",
        epochs=(2, 5, 20),
        steps_source="transformers' image examples",
    ),
    Prior(
        DETR | FAST_DETR | {"yolos"},
        NEW_DETECTOR,
        1e-3,
        "own runs: 1e-3 learns blood cells (BCCD) from nothing, .8M weights",
        epochs=(20, 60, 200),
        steps_source="as many steps as training from nothing takes",
        **DETECTING,
    ),
    Prior(
        DETR,
        ANY,
        5e-5,
        "transformers' detection examples; between Carion et al. 2020's 1e-4 and their 1e-5 of the "
        "backbone",
        epochs=(10, 30, 100),
        steps_source="transformers' detection examples, for few pictures",
        **DETECTING,
    ),
    Prior(
        FAST_DETR,
        ANY,
        1e-4,
        "Zhao et al. 2024 (RT-DETR); Zhu et al. 2021 (deformable DETR) have 2e-4",
        epochs=(10, 20, 72),
        steps_source="Zhao et al. 2024: 72 epochs of COCO from ImageNet; fewer from COCO",
        **DETECTING,
    ),
    Prior(
        frozenset({"yolos"}),
        ANY,
        2.5e-5,
        "Fang et al. 2021 (YOLOS)",
        epochs=(10, 30, 100),
        steps_source="transformers' detection examples, for few pictures",
        **DETECTING,
    ),
    Prior(
        WAVES | SPECTRA,
        UNHEARD,
        3e-3,
        "own run: 3e-3 learns spoken digits from nothing in 30 epochs, 0.2M weights (Whisper)",
        factor=5.0,
        epochs=(10, 30, 80),
        steps_source="as many steps as training from nothing takes",
        batch_sizes=(16, 32),
        feature_mask=(0.1, 0.3),
        time_mask=(0.1, 0.3),
        freeze_encoders=(False,),
        head_inits=("random",),
        layer_decay=(0.8, 1.0, 1.0),
    ),
    Prior(
        WAVES,
        ANY,
        3e-5,
        "transformers' audio classification examples; fairseq's wav2vec 2.0 (3e-5 to 5e-5)",
        epochs=(3, 5, 20),
        steps_source=HEARD,
        batch_sizes=(8, 16, 32),
        weight_decay=(1e-5, 0.005, 0.1),
    ),
    Prior(
        frozenset({"audio-spectrogram-transformer"}),
        ANY,
        2e-5,
        "AST: Gong et al. 2021, 1e-5 to 2.5e-4 by data set",
        epochs=(3, 5, 20),
        steps_source=HEARD,
        batch_sizes=(8, 16, 32),
        time_mask=(0.1, 0.2),
        feature_mask=(0.1, 0.4),
    ),
    Prior(
        frozenset({"whisper"}),
        ANY,
        1e-5,
        "HF's Whisper fine-tuning event: 1e-5, from 3e-6 to 5e-5 by size",
        factor=5.0,
        epochs=(2, 4, 12),
        steps_source="HF's Whisper fine-tuning event: 500 warm-up steps of 5,000",
        batch_sizes=(8, 16, 32),
        label_smoothing=(0.0, 0.1),
    ),
    Prior(DECODERS, ANY, 2e-5, "LoRA Without Regret: a tenth of LoRA's 2e-4"),
    Prior(
        frozenset(),
        40 * M,
        3e-4,
        "own runs: 2e-4 to 4e-4 won on MiniLM-L6",
        adapter_rate=SMALL_ADAPTER_RATE,
        adapter_source=SMALL_ADAPTER_SOURCE,
    ),
    Prior(frozenset(), ANY, 2e-5, "FLAML AutoNLP range"),
)
"""The first row whose families and size match holds."""


GENTLE_SOURCE = (
    "between sentence-transformers' 2e-5 and a classifier's 3e-4; own runs on MiniLM-L6, 1,600 "
    "pairs of STS-B, one seed: Spearman .81 at 5e-5, .83 at 3e-4, .82 untrained"
)


def prior(
    family: str,
    parameters: int,
    train_rows: int,
    rate: float = 1.0,
    most_rate: float = float("inf"),
) -> Prior:
    """Return the row for a model of ``family`` with ``parameters`` weights on ``train_rows``.

    ``rate`` is the task's factor of the learning rate; it is at most ``most_rate``, what the task
    bears.
    """
    found = next(
        row
        for row in PRIORS
        if (not row.families or family in row.families) and parameters <= row.largest
    )
    found = replace(found, methods=next(of for most, of in BY_SIZE if parameters <= most))
    if rate != 1.0:
        found = replace(found, learning_rate=rate * found.learning_rate)
    if found.learning_rate > most_rate:
        found = replace(found, learning_rate=most_rate, source=GENTLE_SOURCE)
    if train_rows < SMALL_DATA_ROWS:
        low, default, high = (
            max(pair) for pair in zip(found.epochs, SMALL_DATA_EPOCHS, strict=True)
        )
        frozen = (True, False) if len(found.frozen_embeddings) > 1 else found.frozen_embeddings
        return replace(found, epochs=(low, default, high), frozen_embeddings=frozen)
    return found
