"""Every number that makes the drawn scenes easier or harder, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difficulty:
    """How hard the scenes of make_scenes are; each field says which way it works.

    Lengths are shares of the image height, colour amounts are of 0..1 (saturation, value) or
    degrees (hue), light amounts are factors on 0..255.
    """

    object_counts: tuple[float, ...] = (0.25, 0.3, 0.25, 0.13, 0.07)
    """Chance of 1, 2, 3, ... objects in an image; more objects hide more of each other."""
    foreground: tuple[float, float] = (0.22, 0.52)
    """Share of the image that the objects would cover together if none hid another."""
    reach: float = 0.46
    """Largest half extent of an object; smaller makes thin kinds (chair, lamp) smaller."""
    thin: float = 0.014
    """Thinnest line: legs, strings, masts. Below one pixel nothing learns them."""
    hue_jitter: float = 8.0
    """Spread (standard deviation, degrees) of a kind's hue about its own; more, more overlap."""
    tone_jitter: float = 0.07
    """Spread of saturation and value about the kind's own."""
    off_colour: float = 0.05
    """Chance that an object has a hue that belongs to no kind: only its shape tells then."""
    tilt: float = 15.0
    """Spread of the rotation of upright kinds, degrees; the others turn freely or thrice this."""
    shear: float = 0.14
    stretch: float = 0.12
    """Spread of the shear, and of the logarithm of width / height."""
    pattern_contrast: tuple[float, float] = (0.6, 1.0)
    """How far from the first colour of a pattern its second colour lies, of the full way."""
    backdrop_saturation: tuple[float, float] = (0.03, 0.42)
    """Saturation of backdrops; the objects' is 0.4 to 0.95: overlap makes finding them harder."""
    clutter: tuple[int, int] = (5, 14)
    """Fewest and most shapes of no class in the backdrop; some carry the objects' textures."""
    loud_clutter: float = 0.12
    """Chance that one of them is as saturated as an object."""
    shadow: float = 0.35
    shading: float = 0.28
    light: tuple[float, float] = (0.78, 1.15)
    """Depth of shadows, of the shading across an object, and the range of the overall light."""
    noise: tuple[float, float] = (2.0, 8.0)
    """Standard deviation of the pixel noise, in grey levels."""
