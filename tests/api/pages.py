"""Lists followed from page to page."""

from typing import Any

import httpx2


async def pages_of(client: httpx2.AsyncClient, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Follow the links from page to page."""
    pages: list[list[dict[str, Any]]] = []
    url = httpx2.URL(f"http://localhost{path}", params=query)
    while True:
        answer = await client.get(url)
        body = answer.json()
        assert answer.status_code == 200, answer.text
        assert body.keys() == {"data", "next_cursor", "has_more"}
        assert body["has_more"] is (body["next_cursor"] is not None) is ("link" in answer.headers)
        pages.append(body["data"])
        if not body["has_more"]:
            return pages
        url = url.join(answer.links["next"]["url"])
        assert dict(url.params) == {name: str(each) for name, each in query.items()} | {"cursor": body["next_cursor"]}


async def joined(client: httpx2.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    return [each for page in await pages_of(client, path, **query) for each in page]
