"""Use cases: they own the unit of work. Console, CLI, worker and API enter here, never below."""
