"""From messages to a stream of text: engines behind one small Protocol, and answers that outlive the page that asked."""
