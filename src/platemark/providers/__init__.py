"""Adapters that make images for their models; one file is one provider."""
