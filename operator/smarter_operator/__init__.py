"""The operator: Chatbots in, running and reachable chatbots out."""
