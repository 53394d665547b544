"`python -m cytoself_nb` is the command `cytoself-nb`"
import sys

from .cli import main

sys.exit(main())
