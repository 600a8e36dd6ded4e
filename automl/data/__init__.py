"""Data: sources, column inference, splits, fingerprints, profile. Never imports torch."""
