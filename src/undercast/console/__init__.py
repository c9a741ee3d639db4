"""The built web console, served by the gateway from `static/` where it is there."""
