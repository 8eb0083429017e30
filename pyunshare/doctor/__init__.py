"""The check-up of this machine, ``python3 -I -m pyunshare.doctor``. Private to pyunshare."""
