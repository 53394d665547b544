"PYTHONSTARTUP of the notebooks' kernels in tests: figures are measured when they are saved"
import sys
from pathlib import Path
sys.path.append(str(Path(__file__).parent))
import measure   # noqa: F401, E402
del sys.path[-1], measure
