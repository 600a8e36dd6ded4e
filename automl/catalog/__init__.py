"""Where candidates come from: a folder, the hub, an installed package. Never imports torch."""
