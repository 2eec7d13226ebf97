"""What Opslayer promises, measured from outside; each program prints its bars as JSON.

They stand up what tests stand up, and make what examples make, under the names these go by there.
"""

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("tests", "examples")]
