"""Tests against real processes: Zope, ZEO, HAProxy and supervisord."""
