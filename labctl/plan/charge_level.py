"""Where between its two voltage ends a cell is likely to stand, by what has passed since it was at one of them."""

import math
from dataclasses import dataclass, replace
from typing import Final

SAME: Final = 1e-6  # of a charge, by which its sum may differ from it


@dataclass(frozen=True, slots=True)
class ChargeLevel:
    """Charge in C taken since a charge came to its voltage, and put in since a discharge did; None where none is known to have.

    A cell whose voltage is at its upper end has 0 below the top. Of one that was just put in nothing is known, except of a bare
    collector: there is nothing to strip.
    """

    below_top: float | None = None
    above_bottom: float | None = None

    def room(self, sign: float, nominal: float | None) -> float:
        """Return what is likely to pass until a charge (sign 1) or a discharge (-1) comes to its voltage; infinite if not known."""
        near, far = (self.below_top, self.above_bottom) if sign > 0 else (self.above_bottom, self.below_top)
        if near is not None:
            return near
        if nominal is None:
            return math.inf
        return nominal if far is None else max(nominal - far, 0.0)

    def ended(self, sign: float, nominal: float | None) -> "ChargeLevel":
        """Return where a charge or a discharge stands that has come to its voltage."""
        return ChargeLevel(0.0, nominal) if sign > 0 else ChargeLevel(nominal, 0.0)

    def differs(self, before: "ChargeLevel", net: float) -> bool:
        """Tell whether a cell stands by a net charge elsewhere than before, and did not come to a voltage in between."""
        sides = ((before.below_top, self.below_top, -net), (before.above_bottom, self.above_bottom, net))
        known = [(now - then, by) for then, now, by in sides if then is not None and now is not None]
        return any(abs(gone - by) <= SAME * abs(by) for gone, by in known)

    def moved(self, net: float, nominal: float | None) -> "ChargeLevel":
        """Return where a cell stands after a net charge, charging positive; no further than its ends."""
        most = math.inf if nominal is None else nominal
        top = None if self.below_top is None else min(max(self.below_top - net, 0.0), most)
        bottom = None if self.above_bottom is None else min(max(self.above_bottom + net, 0.0), most)
        return replace(self, below_top=top, above_bottom=bottom)
