"""What builds produce and ship: ELF files, wheels, archives; read, judged and compared."""
