"""Makes `python -m smarter_cluster` work."""

import sys

from smarter_cluster.cli import main

sys.exit(main())
