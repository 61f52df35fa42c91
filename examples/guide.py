"""The call of the usual guides, unchanged but for the address. The key is in SD_API_KEY; any HTTP library will do."""

import os

import requests

API_URL = os.environ.get("PLATEMARK_URL", "http://127.0.0.1:8460") + "/v1/generate"
headers = {
    "Authorization": f"Bearer {os.environ['SD_API_KEY']}",
    "Content-Type": "application/json",
}
payload = {
    "prompt": "a clean editorial illustration of a city skyline at sunrise, soft lighting, modern vector style",
    "negative_prompt": "blurry, distorted, extra limbs, text artifacts, watermark",
    "width": 1024,
    "height": 1024,
    "steps": 30,
    "cfg_scale": 7,
    "seed": 12345,
    "model": "stable-diffusion-xl",
}

response = requests.post(API_URL, headers=headers, json=payload, timeout=60)
response.raise_for_status()
result = response.json()

print(result["id"], result["model"], *(warning["message"] for warning in result["warnings"]), sep="\n")
for image in result["images"]:
    content = requests.get(image["url"], headers=headers, timeout=60)
    content.raise_for_status()
    with open(f"{image['id']}.png", "wb") as file:
        file.write(content.content)
    print(file.name, image["seed"], image["moderation"]["state"], image["inspection"]["verdict"])
