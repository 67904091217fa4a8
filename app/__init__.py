"""A closed-loop wallet service for application credits."""

__version__ = "0.1.0"
