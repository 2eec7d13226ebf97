"""The conventions in which applications speak to the gateway, one per file."""
