"""What a text is like: its language, its sentiment, its topic. Pure: text in, a value out."""
