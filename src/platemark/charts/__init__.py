"""Charts as SVG that we draw ourselves, and pages of them, without script. Pure: values in, text out."""
