"""The API of the Smarter operator: the one place that says what a Chatbot and everything around it is."""
