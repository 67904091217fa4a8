"""All SQL of the program, set-based. Repositories take a connection inside a unit of work and return frozen records."""
