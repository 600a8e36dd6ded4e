"""Recipe + data + candidates → Plan. Never imports torch."""
