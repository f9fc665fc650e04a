"""What runs inside each Zope: it counts requests, answers health, and drains on SIGTERM.

A PasteDeploy filter in the instance's pipeline. It imports nothing of the recipe, the
templates or the operator commands, so an instance starts no slower for them.
"""
