"""The tests, by what they cost.

unit: milliseconds, no process. integration: one real program or two, such as HAProxy,
waitress or buildout. system: whole stacks, a browser, chaos. support: what they share.
"""
