"""The first content of a database that Zope's own processes open, without a server of this stack.

A section of zope.conf around a storage of any kind (``component.xml``). Whoever opens an empty
storage first sets it up, and everybody else waits for that. This room imports no other one.
"""
