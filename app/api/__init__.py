"""The HTTP edge: requests to commands, records to answers, errors to problems."""
