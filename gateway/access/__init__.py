"""Who may call, how often, and for how much."""

from gateway.access.access import Access
from gateway.access.denied import Denied
from gateway.access.limits import Limits
from gateway.access.purse import Hold, Purse

__all__ = ["Access", "Denied", "Hold", "Limits", "Purse"]
