"""The front door: HAProxy as it is rendered, in front of instances that tell what they saw."""
