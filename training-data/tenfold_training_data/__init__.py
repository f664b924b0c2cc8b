"""The files that Tenfold trains with, in folders beside this one."""
