"""The tests of pyunshare; what they share is in helpers/."""
