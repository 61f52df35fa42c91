"""The part of a picture that a mask lies on, as a picture of its own: the mask tells what is to be changed."""

from platemark.imaging.sources import as_png, open_source

# Around the masked part, as a share of its longer side: without what is beside it, it cannot be told what it is.
_MARGIN = 0.1


def masked_region(image: bytes, mask: bytes, *, max_bytes: int, max_pixels: int) -> bytes:
    """PNG of the box around what the mask selects, with a margin. Raises InvalidImage, TooLarge.

    A mask of another size than the image's is stretched over it; one that selects nothing gives the whole picture.
    """
    picture = open_source(image, "image", max_bytes=max_bytes, max_pixels=max_pixels)
    mask_levels = open_source(mask, "mask", max_bytes=max_bytes, max_pixels=max_pixels).resize(picture.size)
    left, up, right, down = mask_levels.getbbox() or (0, 0, *picture.size)
    margin = round(max(right - left, down - up) * _MARGIN)
    box = (
        max(0, left - margin),
        max(0, up - margin),
        min(picture.width, right + margin),
        min(picture.height, down + margin),
    )
    return as_png(picture.crop(box))
