"""Submit without waiting, then follow the steps as they happen."""

from platemark import Client

with Client() as client:
    generation = client.generate("a blue boat on the sea", width=128, height=128, steps=8, wait=False)
    for event in client.generations.events(generation.id):
        print(event.type, event.data["status"], event.data["progress"])
    print(generation.refresh().images[0].save(f"{generation.id}.png", overwrite=True))
