"""The front door: what HAProxy does with visitors before Zope hears of them.

``model`` describes it as part of the Stack, ``options`` are its options in [stack], ``values``
and ``sites`` parse them, ``settings`` puts them together, ``tls`` looks at certificates.
"""
