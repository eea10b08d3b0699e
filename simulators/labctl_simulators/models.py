"""The shipped models by name: parameter files built into cells, and the command that lists them.

Four ways to use a cell, all of the same numbers. A segment is one drive held for a while, exact at any time:

>>> from labctl_simulators.cell import Current, Stop, Voltage
>>> cell = load_model("voc1-atfb")
>>> state = cell.initial(seed=1)
>>> segment = cell.segment(state, Current(-5e-6), 86400.0, [Stop("voltage", False, 2.15, number=1)])
>>> segment.stop, round(segment.end / 3600.0, 2)
(1, 3.9)
>>> rows = segment.rows([0.0, 3600.0, segment.end])
>>> round(float(rows.voltage[-1]), 6), round(float(rows.discharging[-1]) / 3.6e-3, 1)
(2.15, 19.5)

Setting it back is taking an earlier state; a state is a JSON value:

>>> halfway = segment.state(0.5 * segment.end)
>>> type(halfway).from_json(halfway.to_json()).charge == halfway.charge
True

A stepper is one live cell in plain floats, a batch many:

>>> stepper = cell.stepper(halfway)
>>> 2.0 < stepper.step(-5e-6, 1.0) < 3.0
True
>>> batch = cell.batch([cell.initial(soc=0.2), cell.initial(soc=0.8)])
>>> lower, upper = batch.step(0.0, 1.0)
>>> bool(lower < upper)
True

And the impedance about a state, in ohm, here at 100 kHz and 1 Hz:

>>> high, low = cell.impedance(halfway, [1e5, 1.0])
>>> bool(0.0 < high.real < low.real)
True
"""

from collections.abc import Sequence

from labctl_simulators.assembly.build import ModelInfo, build_cell, list_models, load_model

__all__ = ["ModelInfo", "build_cell", "list_models", "load_model", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """List the models: the body of `labctl models`.

    Args:
        argv: words after the verb; `--json` for a program, names to see their numbers and sources.

    Returns:
        0, or 1 where a name is not that of a model.
    """
    from labctl_simulators.assembly import listing  # noqa: PLC0415 - rich is wanted by this command only

    return listing.main(argv)
