"""How a verdict is told to a webhook: as a CloudEvent over HTTP, signed by Standard Webhooks."""
