"""What was found before, kept on this disk for as long as the files it was found in have not changed."""
