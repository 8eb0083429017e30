"""The check-up of this machine, ``python3 -m pyunshare.doctor``. Private to pyunshare."""
