"""Calling OpenAI-compatible upstreams: which deployment, how long, how often, and for how much."""

from gateway.upstreams.pool import Pool
from gateway.upstreams.upstreams import Upstreams

__all__ = ["Pool", "Upstreams"]
