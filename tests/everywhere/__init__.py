"""Environments that pyunshare has to work in, made and tried one after the other by `run`."""
