"""A real local Kubernetes, for the demo and the tests."""

from smarter_cluster.cluster import Cluster
from smarter_cluster.errors import ClusterError

__all__ = ["Cluster", "ClusterError"]
