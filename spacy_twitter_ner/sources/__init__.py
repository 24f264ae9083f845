"""Files of tweets: formats, compression, encodings, and what can be read of damaged ones."""
