"""The docs page. Its files come with the service: it loads nothing from another host, and works under any root path."""

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

FILES_URL = "/docs/files"


def add_docs(app: FastAPI) -> None:
    """Serve the docs page at /docs."""
    app.mount(FILES_URL, StaticFiles(packages=[("fastapi_swagger", "resources")]), name="docs_files")

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "").rstrip("/")
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{FILES_URL}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{FILES_URL}/swagger-ui.css",
            swagger_favicon_url=f"{root}{FILES_URL}/favicon-32x32.png",
            swagger_ui_parameters={
                "tryItOutEnabled": True,
                "persistAuthorization": False,
                "displayRequestDuration": True,
            },
        )
