"""Run the command line as `python -m labctl`."""

import sys

from labctl.cli.main import main

sys.exit(main())
