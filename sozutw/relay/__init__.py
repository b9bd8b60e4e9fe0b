"""One request and its response, from client to backend and back; knows neither side."""
