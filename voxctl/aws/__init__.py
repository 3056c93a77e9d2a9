"""AWS as one person sees it: configuration, credentials, and what the control plane knows of an endpoint."""
