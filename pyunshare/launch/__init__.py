"""Doing what was asked, step by step. Private to pyunshare."""
