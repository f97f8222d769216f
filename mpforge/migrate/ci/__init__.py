"""Find the runs of cibuildwheel in the files of CI services, with the options that each one gets."""
