"""Language models behind one port: adapters, checked answers, prices, cache, transcripts and the ladder."""
