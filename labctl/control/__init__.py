"""One table of orders, two faces: HTTP on this machine, MQTT from elsewhere."""
