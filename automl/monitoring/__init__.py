"""Whether rows are still like those that a model was scored on; between tasks and their users."""
