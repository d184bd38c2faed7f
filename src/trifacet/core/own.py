"""Code of the user's own, named as `module:function`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from trifacet.core.errors import error


def load_own(name: str, *, where: str) -> Any:
    """The user's own `module:function`.

    Raises:
        ConfigError: TRI105, it cannot be imported.
    """
    module_name, _, attribute = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)  # an installed command does not look into the folder it is called from
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except Exception as problem:  # noqa: BLE001  (the user's module may raise anything)
        raise error(
            "TRI105", f"cannot import '{name}'", where=where, got=f"{type(problem).__name__}: {problem}"
        ) from None
