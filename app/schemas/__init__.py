"""What goes over HTTP: requests, answers, problems. HTTP only, and only the API layer imports it."""
