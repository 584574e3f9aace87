"""The numbers of weight files, read once in small pieces: the one part of reading that needs numpy."""
