"""Where each design ends, measured on one machine: docs/explanation/scale.rst."""
