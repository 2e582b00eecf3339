"""The look of each invented city. Train, val and test share no city."""

from dataclasses import dataclass, field

from .canvas import Color

PLASTER = (
    (214, 196, 160), (198, 176, 140), (222, 214, 196), (206, 160, 128), (188, 186, 170),
    (176, 150, 120), (226, 204, 150), (170, 178, 170),
)
PASTEL = (
    (226, 190, 172), (200, 214, 190), (232, 220, 170), (188, 204, 220), (232, 226, 214),
    (214, 160, 140), (216, 190, 110),
)
BRICK = ((150, 82, 62), (134, 74, 60), (168, 104, 78), (120, 70, 60), (176, 128, 100))
CONCRETE = ((160, 160, 156), (142, 146, 148), (182, 178, 170), (124, 128, 132), (196, 194, 188))
STONE = ((168, 158, 138), (150, 142, 126), (186, 174, 148), (134, 128, 116))
NORDIC = ((170, 60, 48), (222, 220, 208), (206, 170, 80), (84, 104, 120), (120, 130, 104))

TILES = ((142, 72, 52), (122, 64, 50), (158, 90, 66), (108, 70, 60))
SLATE = ((78, 82, 90), (94, 94, 98), (66, 70, 76), (104, 98, 92))

SUMMER = ((74, 100, 44), (62, 90, 46), (88, 110, 52), (56, 80, 44), (96, 112, 60))
SPRING = ((110, 140, 62), (124, 148, 70), (96, 128, 66), (138, 150, 84))
AUTUMN = ((150, 104, 40), (170, 122, 46), (126, 96, 50), (110, 106, 52), (150, 78, 42))
DRY = ((104, 106, 60), (118, 114, 70), (90, 98, 60), (128, 120, 78))
DARK = ((46, 68, 46), (52, 76, 50), (60, 80, 56), (44, 62, 50))


@dataclass(frozen=True)
class CityStyle:
    """What scenes of one city have in common. Lengths are in metres, shares and factors from 0."""

    facades: tuple[Color, ...] = PLASTER
    roofs: tuple[Color, ...] = TILES
    kinds: dict[str, float] = field(default_factory=lambda: {"old": 3, "shop": 2, "modern": 1})
    floors: tuple[int, int] = (3, 5)
    half_road: tuple[float, float] = (3.5, 5.4)
    sidewalk: tuple[float, float] = (3.3, 5.8)
    verge: float = 0.25  # share of streets with a strip of grass beside the sidewalk
    trees: float = 0.5  # share of streets with rows of trees
    leaves: tuple[Color, ...] = SUMMER
    bare: float = 0.0  # share of trees without leaves
    lots: dict[str, float] = field(
        default_factory=lambda: {
            "building": 7, "garden": 1.2, "park": 1, "wall": 0.6, "fence": 0.6, "hedge": 0.6,
        }
    )
    parked: float = 0.55
    traffic: float = 0.8  # as the next two: a factor of how many there are
    people: float = 0.6
    bicycles: float = 0.4
    tram: float = 0.08  # twice the share of streets with a tram
    asphalt: Color = (104, 102, 104)
    paving: Color = (150, 142, 136)
    cobbles: float = 0.1
    weather: dict[str, float] = field(
        default_factory=lambda: {
            "clear": 2, "cloudy": 3, "overcast": 3, "hazy": 1, "dusk": 0.7, "rain": 0.8,
            "morning": 1,
        }
    )
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)  # the camera's white balance


STYLES: dict[str, dict[str, CityStyle]] = {
    "train": {
        "altenbruck": CityStyle(),
        "birkhaven": CityStyle(
            facades=BRICK + PLASTER[:2], roofs=SLATE, floors=(2, 4), trees=0.7, verge=0.45,
            kinds={"old": 3, "shop": 2, "house": 2}, bicycles=0.9, asphalt=(94, 92, 92),
            paving=(150, 116, 100), balance=(0.99, 1.0, 1.02),
            weather={"overcast": 4, "rain": 2, "cloudy": 3, "clear": 1, "hazy": 1, "dusk": 0.6},
        ),
        "carmolen": CityStyle(
            facades=PASTEL, floors=(3, 6), half_road=(3.6, 5.0), sidewalk=(2.7, 4.6), verge=0.05,
            trees=0.25, cobbles=0.35, people=0.9, balance=(1.03, 1.0, 0.95), leaves=DRY,
            weather={"clear": 5, "cloudy": 2, "hazy": 1, "dusk": 1, "morning": 2},
            lots={"building": 10, "wall": 0.8, "park": 0.6, "hedge": 0.2},
        ),
        "dornwick": CityStyle(
            facades=CONCRETE + PLASTER[:3], roofs=SLATE, floors=(4, 9), half_road=(5.2, 8.1),
            sidewalk=(4.0, 7.3), kinds={"panel": 3, "modern": 3, "shop": 2}, trees=0.45, tram=0.16,
            traffic=1.2, paving=(158, 156, 152), asphalt=(112, 112, 116), verge=0.3,
            lots={"building": 6, "park": 1.2, "wall": 0.6, "fence": 0.9, "hedge": 0.5},
        ),
        "eskerau": CityStyle(
            facades=NORDIC + PASTEL[:2], roofs=SLATE + TILES[:1], floors=(1, 3), verge=0.7,
            kinds={"house": 5, "old": 1.5, "shop": 1}, trees=0.75, half_road=(3.2, 4.6),
            lots={"garden": 4.5, "building": 3, "park": 2, "hedge": 1.4, "fence": 1.2, "wall": 0.6},
            people=0.35, parked=0.35, leaves=SUMMER + DARK, asphalt=(96, 98, 104), traffic=0.6,
        ),
        "falkmoor": CityStyle(
            facades=STONE, roofs=SLATE, floors=(3, 5), trees=0.6, leaves=AUTUMN, bare=0.15,
            cobbles=0.25, paving=(136, 130, 124), balance=(1.02, 1.0, 0.97),
            weather={
                "overcast": 3, "cloudy": 2, "hazy": 2, "morning": 2, "dusk": 1, "rain": 1,
                "clear": 1,
            },
        ),
        "grunlund": CityStyle(
            facades=PLASTER + BRICK[:2], floors=(2, 4), trees=0.95, verge=0.8, half_road=(4.0, 6.4),
            lots={"park": 4, "building": 4, "garden": 2, "hedge": 1.5, "fence": 1, "wall": 0.5},
            leaves=SPRING + SUMMER, tram=0.08, people=0.5, bicycles=0.6,
        ),
        "hollenstadt": CityStyle(
            facades=CONCRETE[:3] + BRICK + STONE[:2], roofs=SLATE, floors=(3, 7), tram=0.12,
            kinds={"shop": 4, "old": 2, "modern": 2, "panel": 1}, people=1.1, traffic=1.0,
            bicycles=0.6, sidewalk=(4.0, 6.8), leaves=DARK + SUMMER, bare=0.08, trees=0.4,
            asphalt=(88, 90, 96), balance=(0.98, 1.0, 1.03),
        ),
    },
    "val": {
        "ilverton": CityStyle(
            facades=BRICK[2:] + PASTEL[3:] + STONE[:2], roofs=TILES + SLATE, floors=(2, 5),
            trees=0.55, verge=0.35, kinds={"old": 3, "shop": 2, "house": 1.2, "modern": 1},
            asphalt=(110, 106, 102), paving=(164, 148, 132), bicycles=0.6, tram=0.10,
            leaves=SUMMER + AUTUMN[:2], balance=(1.02, 1.0, 0.98),
            lots={
                "building": 6, "garden": 1.5, "park": 1.4, "wall": 0.8, "fence": 0.8, "hedge": 0.8,
            },
        ),
        "jorvelde": CityStyle(
            facades=CONCRETE + PLASTER[3:6], roofs=SLATE, floors=(3, 8), half_road=(4.4, 7.2),
            kinds={"modern": 3, "panel": 2, "shop": 3, "old": 1}, trees=0.5, tram=0.14,
            sidewalk=(3.5, 6.8), paving=(140, 140, 144), asphalt=(98, 100, 106), people=0.8,
            leaves=DARK + SPRING, bare=0.05, balance=(0.97, 1.0, 1.03), traffic=1.0,
        ),
    },
    "test": {
        "kestrana": CityStyle(
            facades=PASTEL[:3] + STONE + TILES[2:3], floors=(2, 5), half_road=(3.7, 5.6),
            leaves=DRY + SUMMER, trees=0.45, cobbles=0.25, people=0.8, tram=0.08,
            paving=(172, 160, 140), asphalt=(116, 112, 106), balance=(1.04, 1.0, 0.95),
            weather={"clear": 4, "morning": 2, "cloudy": 2, "hazy": 2, "dusk": 1, "overcast": 1},
            lots={"building": 7, "wall": 1.3, "park": 1, "garden": 0.8, "fence": 0.6, "hedge": 0.4},
        ),
        "lindermark": CityStyle(
            facades=NORDIC[1:] + BRICK[:2] + CONCRETE[:2], roofs=SLATE, floors=(2, 4), trees=0.8,
            verge=0.6, kinds={"house": 2, "old": 2, "modern": 1.5, "shop": 1}, bicycles=0.9,
            leaves=SPRING[:2] + DARK, asphalt=(92, 94, 100), tram=0.10,
            lots={"building": 4, "garden": 2.5, "park": 2, "hedge": 1, "fence": 1, "wall": 0.6},
        ),
        "morvessa": CityStyle(
            facades=CONCRETE[:4] + STONE[1:] + BRICK[:1], roofs=SLATE, floors=(4, 9), tram=0.14,
            kinds={"modern": 2.5, "shop": 3, "panel": 2, "old": 1}, half_road=(4.8, 7.6),
            sidewalk=(4.0, 7.3), people=1.1, traffic=1.1, trees=0.4, leaves=SUMMER + AUTUMN[2:4],
            bare=0.1, paving=(150, 148, 150), balance=(0.98, 1.0, 1.0),
        ),
    },
}


def cities(split: str) -> tuple[str, ...]:
    """The names of a split's cities."""
    return tuple(STYLES[split])
