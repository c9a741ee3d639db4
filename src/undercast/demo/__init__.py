"""`undercast demo`: the tutorial, played on the real thing."""
