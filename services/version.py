"""The version of this program; the wheel, the HTTP API and attached consoles take it from here."""

VERSION = "0.1.0"
