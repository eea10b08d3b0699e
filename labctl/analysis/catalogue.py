"""The analyses that a protocol may name."""

from collections.abc import Callable, Mapping

from labctl.analysis.bending import analyse_bending
from labctl.analysis.capacity import analyse_capacity, analyse_retention
from labctl.analysis.gitt import analyse_gitt
from labctl.analysis.pulse import analyse_dcir
from labctl.analysis.rate import analyse_rate
from labctl.analysis.record import Analysis, Record
from labctl.analysis.symmetric import analyse_ccd, analyse_life, analyse_nucleation
from labctl.analysis.window import analyse_window

ANALYSES: Mapping[str, Callable[[Record, Mapping[str, str]], Analysis]] = {
    "capacity": analyse_capacity,
    "retention": analyse_retention,
    "rate": analyse_rate,
    "ccd": analyse_ccd,
    "life": analyse_life,
    "nucleation": analyse_nucleation,
    "gitt": analyse_gitt,
    "bending": analyse_bending,
    "dcir": analyse_dcir,
    "window": analyse_window,
}
