import importlib.util
import sys
from pathlib import Path

WORLD = Path(__file__).parents[2] / "unit" / "engine" / "world.py"

if "engine_world" not in sys.modules:
    spec = importlib.util.spec_from_file_location("engine_world", WORLD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["engine_world"] = module
    spec.loader.exec_module(module)
