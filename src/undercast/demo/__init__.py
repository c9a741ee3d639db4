"""`undercast demo`: the tutorial, played on the real thing."""

from undercast.demo.play import run

__all__ = ["run"]
