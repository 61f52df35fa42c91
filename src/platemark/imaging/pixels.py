"""Conversions between decoded pictures and stored ones. Nothing here meets bytes that were not checked."""

import io
from functools import cache

from PIL import Image, ImageCms

from platemark.core.model import OutputFormat

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def make_plain(image: Image.Image, profile: bytes | None, orientation: int) -> Image.Image:
    """RGB, or RGBA where there is transparency, in sRGB and upright (`orientation` as in EXIF, 1 to 8)."""
    has_alpha = image.has_transparency_data
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow clips 16-bit grey instead of scaling it.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    alpha = image.convert("RGBA").getchannel("A") if has_alpha else None
    image = _to_srgb(image, profile) if profile and needs_conversion(profile) else image
    image = image.convert("RGBA" if has_alpha else "RGB")
    if alpha is not None:
        image.putalpha(alpha)
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def needs_conversion(profile: bytes | None) -> bool:
    """True for a readable colour profile other than sRGB."""
    if not profile:
        return False
    try:
        return "srgb" not in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).lower()
    except (ImageCms.PyCMSError, OSError, TypeError):
        return False


def encode(image: Image.Image, output_format: OutputFormat, compress_level: int) -> bytes:
    """Encode RGB or RGBA. JPEG has no alpha: transparent parts become white."""
    out = io.BytesIO()
    if output_format == "png":
        image.save(out, "PNG", compress_level=compress_level)
    elif output_format == "jpeg":
        on_white(image).save(out, "JPEG", quality=92, subsampling=0)
    else:
        # Method 2 is a third of the default's time for files that are a few per cent larger.
        image.save(out, "WEBP", quality=92, method=2)
    return out.getvalue()


def on_white(image: Image.Image) -> Image.Image:
    """RGB; transparent parts of RGBA become white."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    image = image if image.mode in ("L", "CMYK") else image.convert("RGB")
    try:
        return ImageCms.profileToProfile(image, source, _srgb(), outputMode="RGB") or image
    except ImageCms.PyCMSError:
        # A profile for other channels than the picture has: as wrong as no profile.
        return image


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
