"""From messages to a stream of text: engines behind one Protocol, answers that outlive their page."""
