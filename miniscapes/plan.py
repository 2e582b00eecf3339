"""The cross-section of a street."""

from dataclasses import dataclass, field

from .dice import Dice
from .styles import CityStyle

FAR = 165.0


@dataclass
class Plan:
    """The cross-section of the street in metres from its centre line; index 0 left, 1 right."""

    half_road: float
    kerb: list[float]  # where the road ends
    walk: list[float]  # where the sidewalk begins (a verge or parking bays may lie between)
    front: list[float]  # where the sidewalk ends and the lots begin
    bays: list[str]  # what lies between kerb and walk: "", "verge" or "parking"
    crossings: list[float] = field(default_factory=list)  # zebra crossings, distance
    junction: tuple[float, float] | None = None  # side street, from and to
    rails: float | None = None  # centre of the tram track
    rails_apart: bool = False  # the track has its own bed
    lanes: int = 1


def random_plan(dice: Dice, style: CityStyle) -> Plan:
    """Draw the cross-section of a street of this city."""
    half = dice.uniform(*style.half_road)
    plan = Plan(half, [half, half], [0, 0], [0, 0], ["", ""])
    plan.lanes = 2 if half > 6.6 else 1
    verge, parking = dice.chance(style.verge), dice.chance(0.16)
    for side in (0, 1):
        gap = 0.0
        if verge and dice.chance(0.8):
            plan.bays[side], gap = "verge", dice.uniform(1.0, 3.0)
        elif parking and dice.chance(0.7):
            plan.bays[side], gap = "parking", dice.uniform(2.3, 4.8)
        plan.walk[side] = plan.kerb[side] + gap
        plan.front[side] = plan.walk[side] + dice.uniform(*style.sidewalk)
    if dice.chance(0.42):
        start = dice.uniform(14, 60)
        plan.junction = (start, start + dice.uniform(7, 12))
    if plan.junction and dice.chance(0.7):
        plan.crossings.append(plan.junction[0] - dice.uniform(3.0, 5.0))
    elif dice.chance(0.22):
        plan.crossings.append(dice.uniform(11, 45))
    return plan
