"""A site under load that is restarted, scaled, reloaded and killed, and loses nothing.

tests/system/chaos/test_chaos.py runs it in a short form, scripts/chaos in a long one.
"""
