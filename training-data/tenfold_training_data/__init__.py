"""The files that Tenfold trains with, in the folders `mnist` and `fonts` beside this one."""
