"""Pixels and image files: the decode guard, formats, perceptual hash, blankness. Synchronous; callers use threads."""
