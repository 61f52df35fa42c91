"""One prompt, one picture, and whether its record holds."""

from platemark import Client

with Client() as client:
    generation = client.generate("a red house in a green meadow at sunset", width=512, height=512)
    image = generation.images[0]
    print(image.save("house.png", overwrite=True), image.record.chain.verified)
