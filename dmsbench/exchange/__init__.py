"""Our conditions for other harnesses, and their answers as our records."""
