"""The agent: code that runs inside each Zope instance.

It counts requests, answers health checks, and drains the instance on SIGTERM. It is a
PasteDeploy filter in the instance's pipeline. It imports nothing of the recipe, the templates
or the operator commands, so that it does not slow down the start of an instance.
"""
