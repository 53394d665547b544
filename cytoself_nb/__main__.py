"`python -m cytoself_nb` runs the notebooks, as `python -m cytoself_nb.pipeline` does"
import sys

from .pipeline import main

sys.exit(main())
