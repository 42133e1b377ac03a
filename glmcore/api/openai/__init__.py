"""OpenAI's endpoints: the same models for every program that can talk to OpenAI."""
