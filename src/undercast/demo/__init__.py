"""`undercast demo`: the tutorial, played on the real thing."""

from undercast.demo.play import CHAPTERS, run

__all__ = ["CHAPTERS", "run"]
