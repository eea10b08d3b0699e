"""Neware's `.nda` and `.ndax`, read by fastnda (BSD-3; the extra `import`): many versions of a format that is not published.

Currents are signed as ours. Charge and energy begin again with each step. Cycles are counted as BTSDA shows them by default: a
charge after a discharge begins one.
"""

import logging
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np

from labctl.errors import UsageError
from labctl.exchange.vendor_test import (
    VERBS,
    Convention,
    Counts,
    VendorFileError,
    VendorTest,
    changes,
    refuse_backwards,
    split_by_sign,
)
from labctl.sample import Floats

STEPS: Final = {
    "CC_Chg": "charge", "CC_DChg": "discharge", "CV_Chg": "hold", "CV_DChg": "hold", "CCCV_Chg": "charge",
    "CCCV_DChg": "discharge", "CP_Chg": "charge", "CP_DChg": "discharge", "CR_Chg": "charge", "CR_DChg": "discharge",
    "CPCV_Chg": "charge", "CPCV_DChg": "discharge", "CRCV_Chg": "charge", "CRCV_DChg": "discharge",
    "PCCCV_Chg": "charge", "Rest": "rest", "OCV": "rest", "Pause": "rest", "SIM": "profile", "Pulse": "profile",
    "Ramp": "lsv", "CyclicVoltammetry": "cv", "IR": "other", "Control": "other", "End": "other", "Cycle": "other",
}  # fmt: skip


def is_nda(head: bytes) -> bool:
    """Tell whether a file is a `.nda`."""
    return head.startswith(b"NEWARE")


def is_ndax(head: bytes) -> bool:
    """Tell whether a file is a `.ndax`: an archive; what is in it is for the reader to say."""
    return head.startswith(b"PK")


def read(file: Path) -> list[VendorTest]:
    """Read one test.

    Raises:
        UsageError: fastnda is not installed.
        VendorFileError: The file is damaged, cut short, or of a version that fastnda does not know.
    """
    try:
        import fastnda  # type: ignore[import-untyped,unused-ignore] # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(f"{file.name}: Neware's files need fastnda: pip install 'labctl[import]'") from error
    logging.getLogger("fastnda").setLevel(logging.CRITICAL)  # what it warns of is looked for here, and said
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks for samples of new versions
            table = fastnda.read(file, cycle_mode="chg")
            facts = fastnda.read_metadata(file)
    except Exception as error:
        raise VendorFileError(
            f"{file.name}: wanted a Neware file, found one that does not read: {type(error).__name__}: {error}; "
            "it is damaged, was cut off, or is newer than the reader; export it from BTSDA again"
        ) from error
    return [_recording(table, facts, file)]


def _recording(table: Any, facts: dict[str, Any], file: Path) -> VendorTest:
    def column(name: str) -> Floats:
        return np.asarray(table[name].to_numpy(), dtype=np.float64)

    time = column("total_time_s")
    refuse_backwards(time, file.name)
    verb, strange = _verbs(table)
    segment = changes(column("step_count"), verb)
    current = column("current_mA") * 1e-3
    capacity, energy = column("capacity_mAh") * 1e-3, column("energy_mWh") * 1e-3
    charging = np.where(capacity != 0.0, capacity > 0.0, current > 0.0)
    unix = column("unix_time_s")
    notes = [f"steps of a kind that labctl has no word for: {', '.join(strange)}"] if strange else []
    back = np.flatnonzero(np.diff(unix) < 0.0)
    if len(back):
        notes.append(
            f"the clock of the tester goes back {len(back)} times, first at row {back[0] + 2}; test time is used"
        )
    warm = next((name for name in table.columns if name.startswith("aux") and name.endswith("temperature_degC")), None)
    return VendorTest(
        str(facts.get("barcode") or facts.get("Barcode") or file.stem), time, column("voltage_V"), current, segment,
        column("step_index").astype(np.int64), column("cycle_count").astype(np.int64), verb,
        *split_by_sign(capacity, charging, segment), *split_by_sign(energy, charging, segment),
        temperature=column(warm) if warm else None, step_time=column("step_time_s"),
        began=float(unix[0] - time[0]) if len(unix) else None,
        facts={str(key): str(value) for key, value in facts.items() if isinstance(value, str | int | float)},
        conventions=(
            Convention("current", "mA, positive charges", "A, the same sign"),
            Convention("charge, energy", "mAh, mWh, from 0 in each step", "Ah, Wh, counters of the run in each direction"),
            Convention("cycle", "a charge after a discharge begins one", "the same numbers"),
        ),
        notes=tuple(notes),
    )  # fmt: skip


def _verbs(table: Any) -> tuple[Counts, tuple[str, ...]]:
    """Return what each row's step is, and the words for steps that have no verb here: mapped word by word, not row by row."""
    column, other = table["step_type"], VERBS.index("other")
    words = [word or "" for word in column.unique().to_list()]
    places = {word: VERBS.index(STEPS.get(word, "other")) for word in words if word}
    strange = tuple(sorted(word or "nameless" for word in words if places.get(word, other) == other))
    if not places:
        return np.full(len(column), other, dtype=np.int64), strange
    return column.replace_strict(places, default=other).to_numpy().astype(np.int64), strange
