#!/bin/sh
# One prompt, one picture, over HTTP.
set -eu

curl -sS "$PLATEMARK_URL/v1/generate" \
  -H "Authorization: Bearer $PLATEMARK_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"prompt": "a red house in a green meadow at sunset", "width": 512, "height": 512}'

# With `Accept: image/png` the answer is the picture itself.
curl -sS --fail-with-body "$PLATEMARK_URL/v1/generate" \
  -H "Authorization: Bearer $PLATEMARK_API_KEY" \
  -H "Content-Type: application/json" \
  -H "Accept: image/png" \
  -d '{"prompt": "a small yellow star on a black background"}' \
  -o star.png
