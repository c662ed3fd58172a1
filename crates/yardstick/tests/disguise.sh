#!/bin/sh
# Started like the server, serves a rung.
if [ "$1" = serve ]; then
    exec "$YARDSTICK" serve "$RUNG"
fi
echo disguised
