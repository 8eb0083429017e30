"""The Python interface, which ``pyunshare`` itself offers by name. Private to pyunshare."""
