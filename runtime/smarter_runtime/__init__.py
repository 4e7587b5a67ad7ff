"""The runtime: one small process that serves one chatbot."""
