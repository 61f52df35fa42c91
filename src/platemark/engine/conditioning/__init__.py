"""What steers a drawing: prompts, LoRAs, textual inversion, ControlNets, another autoencoder."""
