"""`python -m services.frontend.npm ...`: npm of the Node.js that builds the web frontend, for the Makefile."""

import os
import sys

from services.frontend.errors import FrontendError
from services.frontend.node import ADVICE, find_node

if __name__ == "__main__":
    try:
        node = find_node()
    except FrontendError as error:
        sys.exit(str(error))
    if node.npm is None:
        sys.exit(f"{node.executable} came without npm: {ADVICE}")
    os.execvpe(node.npm[0], [*node.npm, *sys.argv[1:]], {**os.environ, "PATH": node.environment["PATH"]})
