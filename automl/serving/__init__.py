"""A bundle at work: prediction from the command line and from Python."""
