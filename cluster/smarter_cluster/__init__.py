"""A real local Kubernetes, for the demo and the tests."""
