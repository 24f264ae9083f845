"""Count the tweets that name each entity, and notice when tweets change."""
