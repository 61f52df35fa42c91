"""Detectors: one file each; every one measures text or an image and answers with signals."""
