"""What can be asked: the table of options, the grammar, and the values. Private to pyunshare."""
