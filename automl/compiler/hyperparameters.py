"""The hyperparameters a recipe may search: their kinds and hard limits. No defaults: see priors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from automl.plan import Scalar


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One hyperparameter; ``low`` and ``high`` are what makes sense at all, both included."""

    name: str
    kind: Literal["float", "int", "choice"]
    description: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[Scalar, ...] = ()
    relative: bool = False
    """Searched as a factor of the model family's prior."""
    rule: str = ""
    """Said of a value that is not among ``choices``; left out, the choices are listed."""

    def fault(self, value: Scalar) -> str | None:
        """Return the rule that ``value`` breaks, or None when it may be used."""
        if self.kind == "choice":
            same = any(type(each) is type(value) and each == value for each in self.choices)
            return None if same else self.rule or f"must be one of {self.words()}"
        if isinstance(value, bool | str) or not math.isfinite(value):
            return "must be a number"
        if self.kind == "int" and value != int(value):
            return "must be a whole number"
        if not self.low <= value <= self.high:
            return f"must be from {self.low:g} to {self.high:g}"
        return None

    def words(self) -> str:
        """Return the choices as a recipe writes them."""
        return ", ".join(str(each).lower() for each in self.choices)

    def cast(self, value: Scalar) -> Scalar:
        """Return a faultless value in this hyperparameter's own type."""
        if isinstance(value, str) or self.kind == "choice":
            return value
        return int(value) if self.kind == "int" else float(value)


METHOD = "method"
QUANTIZED = "qlora"
"""The method whose frozen layers have four bits a weight."""
HYPERPARAMETERS = {
    each.name: each
    for each in (
        Hyperparameter(
            METHOD,
            "choice",
            "what is trained: full trains every weight, lora small matrices beside frozen layers, "
            "qlora the same beside layers in four bits, probe a logistic regression on the frozen "
            "encoder's features",
            choices=("full", "lora", "qlora", "probe"),
        ),
        Hyperparameter(
            "learning_rate", "float", "AdamW's peak learning rate", 1e-8, 1.0, relative=True
        ),
        Hyperparameter("epochs", "int", "passes over the training rows", 1, 1000),
        Hyperparameter(
            "batch_size", "int", "rows per optimizer step, over all processes", 1, 65536
        ),
        Hyperparameter(
            "lora_rank", "int", "columns of an adapter's matrices: its capacity", 1, 1024
        ),
        Hyperparameter(
            "lora_alpha", "int", "strength of adapters, which is divided by their rank", 1, 4096
        ),
        Hyperparameter(
            "lora_targets",
            "choice",
            "layers that get adapters: all-linear, or those of attention alone",
            choices=("all-linear", "attention"),
        ),
        Hyperparameter("lora_dropout", "float", "dropout before adapters", 0.0, 0.9),
        Hyperparameter(
            "pooling",
            "choice",
            "what the head reads: mean of all tokens' features, or stock, the family's own way",
            choices=("mean", "stock"),
        ),
        Hyperparameter(
            "head_init",
            "choice",
            "the head's first weights: random, or probe, a logistic regression on the frozen "
            "encoder's features",
            choices=("random", "probe"),
        ),
        Hyperparameter(
            "layer_decay",
            "float",
            "factor of the learning rate from each layer to the one below it; 1 is none",
            0.1,
            1.0,
        ),
        Hyperparameter(
            "freeze_embeddings",
            "choice",
            "whether the embeddings stay as they are: faster, with less to overfit",
            choices=(False, True),
            rule="must be true or false",
        ),
        Hyperparameter(
            "keep_layers", "int", "layers kept, the lowest ones: fewer are faster", 1, 1000
        ),
        Hyperparameter("weight_decay", "float", "AdamW's decoupled weight decay", 0.0, 1.0),
        Hyperparameter("warmup_ratio", "float", "share of the steps that warm up", 0.0, 0.9),
        Hyperparameter(
            "schedule",
            "choice",
            "how the learning rate falls after warm-up",
            choices=("linear", "cosine", "constant"),
        ),
        Hyperparameter(
            "label_smoothing", "float", "share of the target spread over all classes", 0.0, 0.9
        ),
        Hyperparameter(
            "max_grad_norm", "float", "norm gradients are clipped to; 0 clips nothing", 0.0, 1e6
        ),
        Hyperparameter("dropout", "float", "dropout before the classifier", 0.0, 0.9),
        Hyperparameter(
            "freeze_norm",
            "choice",
            "whether batch normalisation keeps the statistics of pretraining: of few pictures its "
            "own are noise",
            choices=(False, True),
            rule="must be true or false",
        ),
        Hyperparameter(
            "augmentation",
            "choice",
            "how pictures are changed at random in training: light crops, flips and shifts "
            "colours; randaugment draws two of 14 operations besides",
            choices=("none", "light", "randaugment"),
        ),
        Hyperparameter("magnitude", "int", "strength of randaugment's operations", 1, 10),
        Hyperparameter(
            "flip",
            "choice",
            "whether pictures are mirrored at random: not where left and right differ",
            choices=(False, True),
            rule="must be true or false",
        ),
        Hyperparameter(
            "crop",
            "float",
            "least share of a picture that a random crop keeps; 1 is all",
            0.05,
            1.0,
        ),
        Hyperparameter(
            "mixing",
            "choice",
            "whether pictures of a batch are mixed in training, and their classes by the same "
            "shares: mixup blends them, cutmix puts a part of one into another; tried only where a "
            "recipe asks for it",
            choices=("none", "mixup", "cutmix"),
        ),
        Hyperparameter(
            "mixing_alpha", "float", "how evenly pictures are mixed: Beta(alpha, alpha)", 0.01, 10.0
        ),
        Hyperparameter(
            "sound_augmentation",
            "choice",
            "how sounds are changed at random in training: light moves them by up to a tenth, "
            "makes them louder or softer, adds noise",
            choices=("none", "light"),
        ),
        Hyperparameter(
            "noise", "float", "decibels that sounds are above the noise they get, at least", -10, 80
        ),
        Hyperparameter(
            "time_mask", "float", "share of the frames hidden in training (SpecAugment)", 0.0, 0.5
        ),
        Hyperparameter(
            "feature_mask",
            "float",
            "share of the mel bands, or of the features, hidden in training (SpecAugment)",
            0.0,
            0.5,
        ),
        Hyperparameter(
            "freeze_feature_encoder",
            "choice",
            "whether the convolutions over samples stay as they are, as pretraining made them",
            choices=(False, True),
            rule="must be true or false",
        ),
        Hyperparameter(
            "packing",
            "choice",
            "whether short rows are put side by side instead of padded; rows of like length share "
            "a batch anyway, so it is tried only where a recipe asks for it",
            choices=(False, True),
            rule="must be true or false",
        ),
        Hyperparameter(
            "preference_loss",
            "choice",
            "how preferred answers are learnt: dpo against the model before training, orpo along "
            "with what they say",
            choices=("dpo", "orpo"),
        ),
        Hyperparameter(
            "beta", "float", "DPO: how far the model is held to what it was before", 1e-3, 10.0
        ),
        Hyperparameter(
            "odds_weight", "float", "ORPO: what the odds of the two answers weigh", 1e-3, 10.0
        ),
        Hyperparameter(
            "class_weights",
            "choice",
            "how much more rare classes weigh in the loss: balanced, inverse to their rows, or "
            "sqrt, to the root of them; tried only where a recipe asks for it",
            choices=("none", "balanced", "sqrt"),
        ),
        Hyperparameter(
            "embedding_pooling",
            "choice",
            "which tokens' states make an embedding: own is what the model's folder says, else all "
            "tokens' mean, or a decoder's last; tried only where a recipe asks for it",
            choices=("own", "mean", "cls", "lasttoken"),
        ),
        Hyperparameter(
            "matryoshka",
            "int",
            "fewest first dimensions of an embedding that are to do alone, and twice as many, and "
            "so on; 0 asks that of the whole embedding only",
            0,
            65536,
        ),
        Hyperparameter(
            "temperature", "float", "what cosines are divided by in a contrastive loss", 1e-3, 1.0
        ),
        Hyperparameter(
            "score_loss",
            "choice",
            "loss of pairs with scores: cosent, of their order, or cosine, of their cosines' error",
            choices=("cosent", "cosine"),
        ),
        Hyperparameter(
            "pair_loss",
            "choice",
            "loss of pairs that are alike or not: contrastive, or online, of the hard ones alone",
            choices=("online", "contrastive"),
        ),
        Hyperparameter(
            "mask_share", "float", "share of the words that are hidden in training", 0.01, 0.9
        ),
        Hyperparameter(
            "whole_words",
            "choice",
            "whether all tokens of a word are hidden together in training",
            choices=(False, True),
            rule="must be true or false",
        ),
    )
}
"""By name, in the order of the search space: the method first, which the others depend on."""


def names() -> tuple[str, ...]:
    """Return the names of all hyperparameters, in the order of the search space."""
    return tuple(HYPERPARAMETERS)
