"""What an image says about itself: C2PA credentials, XMP source type, generators' metadata, and who signs ours."""
