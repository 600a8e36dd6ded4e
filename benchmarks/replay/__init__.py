"""Replay of recorded learning curves with the project's own scheduler and study; see __main__."""
