"""The analyses that a protocol may name."""

from collections.abc import Callable, Mapping

from labctl.analysis.bending import analyse_bending
from labctl.analysis.capacitance import analyse_capacitance
from labctl.analysis.capacity import analyse_capacity
from labctl.analysis.differential import analyse_differential
from labctl.analysis.exchange import analyse_exchange_current
from labctl.analysis.gitt import analyse_gitt
from labctl.analysis.half_cycles import analyse_half_cycles
from labctl.analysis.pulse import analyse_dcir
from labctl.analysis.rate import analyse_rate
from labctl.analysis.reservoir import analyse_reservoir
from labctl.analysis.retention import analyse_retention
from labctl.analysis.run_record import Analysis, RunRecord
from labctl.analysis.spectra import (
    analyse_activation,
    analyse_conductivity,
    analyse_electronic,
    analyse_impedance,
    analyse_transference,
)
from labctl.analysis.standing import analyse_leakage, analyse_open_circuit, analyse_self_discharge
from labctl.analysis.symmetric import analyse_ccd, analyse_life, analyse_nucleation
from labctl.analysis.titration import analyse_interruption, analyse_pitt
from labctl.analysis.voltammetry import (
    analyse_b_value,
    analyse_limiting_current,
    analyse_voltammetry,
)
from labctl.analysis.window import analyse_window

ANALYSES: Mapping[str, Callable[[RunRecord, Mapping[str, str]], Analysis]] = {
    "capacity": analyse_capacity,
    "retention": analyse_retention,
    "rate": analyse_rate,
    "ccd": analyse_ccd,
    "life": analyse_life,
    "nucleation": analyse_nucleation,
    "reservoir": analyse_reservoir,
    "gitt": analyse_gitt,
    "bending": analyse_bending,
    "dcir": analyse_dcir,
    "window": analyse_window,
    "impedance": analyse_impedance,
    "conductivity": analyse_conductivity,
    "activation": analyse_activation,
    "transference": analyse_transference,
    "electronic": analyse_electronic,
    "voltammetry": analyse_voltammetry,
    "b_value": analyse_b_value,
    "exchange_current": analyse_exchange_current,
    "limiting_current": analyse_limiting_current,
    "differential": analyse_differential,
    "half_cycles": analyse_half_cycles,
    "capacitance": analyse_capacitance,
    "open_circuit": analyse_open_circuit,
    "leakage": analyse_leakage,
    "self_discharge": analyse_self_discharge,
    "pitt": analyse_pitt,
    "interruption": analyse_interruption,
}
