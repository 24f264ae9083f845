"""Files of tweets: formats, compression, encodings, and recovery of damaged files."""
