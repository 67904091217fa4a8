"""One file a resource. A route parses, builds one command or question, makes one call and answers."""
