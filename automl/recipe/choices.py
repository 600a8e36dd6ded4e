"""What each name that a recipe may choose by is for, in words; the schema says which there are."""

from __future__ import annotations

from collections.abc import Mapping

SAMPLERS: Mapping[str, str] = {
    "auto": "what serves best in general: `tpe`",
    "tpe": "learns which regions do well, also where parameters depend on each other's values; "
    "the default, for any space",
    "random": "learns nothing; a baseline, and for many more slots than sampling can keep up with",
    "gp": "models the space as smooth: few trials, few dimensions, mostly numbers",
    "cmaes": "adapts a normal distribution: more than 100 trials over numbers alone",
    "nsga2": "breeds configurations from the best: hundreds of trials, many of them at once",
    "grid": "goes through every combination of lists: small spaces that are to be covered",
}
STRATEGIES: Mapping[str, str] = {
    "auto": "what serves best in general: `promotion`",
    "promotion": "trials pause at rungs, one in three goes on from its checkpoint: most trials "
    "cost a fraction, and none is lost for good",
    "hyperband": "Optuna's pruner of that name: like `promotion`, but what is ended stays ended",
    "median": "ends trials that are worse than half of the others at the same point; cautious",
    "none": "trains every trial to its end: few trials, or a study of the space itself",
}
