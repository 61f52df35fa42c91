"""Several pictures of one prompt, asynchronously, in the batch lane, with progress and every kind of error."""

import asyncio
import sys

from platemark import AsyncClient, Progress, errors


def show(now: Progress) -> None:
    print(f"{now.status:9} {now.fraction:4.0%}", file=sys.stderr)


async def main() -> None:
    async with AsyncClient() as client:
        generation = await client.generate(
            "a blue boat on the sea at night",
            n=4,
            lane="batch",
            seed=100,
            user="reader-17",
            tags={"campaign": "spring"},
            on_progress=show,
        )
        for image in generation.images:
            path = await image.save("boats/", overwrite=True)
            record = await image.record
            print(path, image.seed, image.moderation.state, record.usage and record.usage.cost.status)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except errors.Unsupported as error:
        sys.exit("\n".join(f"{field.pointer}: {field.message}" for field in error.errors))
    except errors.Blocked as error:
        sys.exit(f"refused ({error.code}, {error.reason_code}): {error.detail}")
    except errors.PlatemarkError as error:
        sys.exit(f"{error.code}: {error.detail} (request {error.request_id})")
