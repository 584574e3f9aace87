"""Rules about scripts (DT2): what the user's own code asks for, against what is known of the classes it asks of."""
