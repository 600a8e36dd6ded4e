"""Optuna behind ask / report / tell / best."""
