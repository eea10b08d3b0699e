"""Write what is found in every bad file of the corpus beside it; look at the difference before it is committed."""

import sys
from pathlib import Path

from labctl.finding import Finding
from labctl.plan.check import check
from labctl.protocol.cellfile import read_cell
from labctl.protocol.load import read
from labctl.station.load import read_station

HERE = Path(__file__).parent
DRIVERS = ("keithley_2400", "simulated")


class Beside:
    """The files beside a protocol of the corpus; those of the library are known by name."""

    def __call__(self, name: str) -> str | None:
        path = HERE / "beside" / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def names(self, ending: str) -> list[str]:
        folders = (HERE / "beside", HERE.parents[1] / "protocols")
        return sorted({path.name for folder in folders for path in folder.glob(f"*{ending}")})


beside = Beside()


def findings(path: Path) -> tuple[Finding, ...]:
    source, name = path.read_bytes(), path.name
    match path.parent.name:
        case "cells":
            return read_cell(source, name)[1]
        case "stations":
            return read_station(source, name, DRIVERS)[1]
    return check(read(source, name, beside))


def rendered(path: Path) -> str:
    return "\n\n".join(str(finding) for finding in findings(path)) + "\n"


def bad_files() -> list[Path]:
    return sorted(path for path in HERE.glob("*/*.yaml") if path.parent.name != "beside")


def main() -> int:
    for path in bad_files():
        path.with_suffix(".txt").write_text(rendered(path), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
