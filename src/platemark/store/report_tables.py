"""The table of reports on detectors."""

from sqlalchemy import Index, Table

from platemark.store.columns import json, key, metadata, text, time, whole

detector_reports = Table(
    "detector_reports",
    metadata,
    key(),
    *text("project by detector kind version"),
    *text("head head_sha256 calibration", null=True),
    *whole("most"),
    *json("groups notes"),
    *json("thresholds recommended", null=True),
    *time("created_at"),
    Index(None, "project", "id"),
)
