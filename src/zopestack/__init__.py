"""A load-balanced Zope from two numbers in buildout.cfg.

Data flows one way: ``settings`` turns the ``[stack]`` section into a ``model.Stack``,
``rendering`` turns the Stack into configuration files, ``recipe`` hands both to buildout.
"""
