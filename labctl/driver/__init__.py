"""What an instrument offers: the only contract that a driver imports, with the ground floor.

An instrument is one connection with one or many channels. It runs *programs*: the longest run of plan steps that it can
hold by itself, with their ends, limits and record rules. A source meter holds one step, a potentiostat or a simulated cell
one step with its ends, a cycler a whole block. What a program cannot hold, the daemon watches at its poll rate.

Values are SI, positive current charges the cell; a driver converts at its wire and nowhere else. A driver has no clock, no
retry policy and no log: verbs state what should hold and confirm it by reading back, and every verb may be repeated.
"""

from labctl.driver.instrument import (
    Autonomous,
    Instrument,
    Placed,
    Stepped,
    Timed,
    Translating,
)
from labctl.driver.modes import (
    Bend,
    Chamber,
    ConstantLoad,
    ConstantPower,
    Foreign,
    Galvanostatic,
    Mode,
    Potentiostatic,
    Profile,
    Rest,
    Spectrum,
    Sweep,
)
from labctl.driver.program import (
    OPEN,
    OWNER_DIGITS,
    Bounds,
    Loop,
    Owner,
    Program,
    ProgramStep,
    RecordRule,
    Span,
    Threshold,
    Watched,
)
from labctl.driver.reply import (
    Capabilities,
    Changed,
    Ended,
    Fault,
    Identity,
    Points,
    ReadBack,
    Reading,
    Readings,
    Status,
)
from labctl.driver.simulated_cell import (
    SIMULATED_CELL,
    Examines,
    Misfit,
    ParameterOrigin,
)

__all__ = [
    "OPEN",
    "OWNER_DIGITS",
    "SIMULATED_CELL",
    "Autonomous",
    "Bend",
    "Bounds",
    "Capabilities",
    "Chamber",
    "Changed",
    "ConstantLoad",
    "ConstantPower",
    "Ended",
    "Examines",
    "Fault",
    "Foreign",
    "Galvanostatic",
    "Identity",
    "Instrument",
    "Loop",
    "Misfit",
    "Mode",
    "Owner",
    "ParameterOrigin",
    "Placed",
    "Points",
    "Potentiostatic",
    "Profile",
    "Program",
    "ProgramStep",
    "ReadBack",
    "Reading",
    "Readings",
    "RecordRule",
    "Rest",
    "Span",
    "Spectrum",
    "Status",
    "Stepped",
    "Sweep",
    "Threshold",
    "Timed",
    "Translating",
    "Watched",
]
