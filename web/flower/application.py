"""Flower's application with a gate before every route, and our routes before Flower's."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import flower
from flower.app import Flower
from flower.options import default_options
from flower.urls import settings as defaults
from tornado.httputil import HTTPServerRequest
from tornado.template import DictLoader
from tornado.web import RequestHandler, StaticFileHandler, url

from domains.errors import Unavailable
from services.settings import Settings
from web.flower import api, desk, gate, page, task
from web.flower.handler import Denied, Forbidden, Ours

HERE: Final = Path(__file__).parent
MAX_TASKS: Final = 10_000
TAB: Final = """
        <li class="nav-item">
          <a class="nav-link{% if active_tab == 'letters' %} active{% end %}" href="{{ reverse_url('letters') }}"
            {% if active_tab == 'letters' %}aria-current="page"{% end %}>Dead letters</a>
        </li>
      </ul>"""


class Application(Flower):  # type: ignore[misc]  # Flower is not typed
    """Flower that lets one user in, starts listed tasks only, and shows the dead letters."""

    def __init__(self, keeper: gate.Gate, staff: desk.Desk, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate, self.desk = keeper, staff
        # These are asked before Flower's own, so that two of them take the place of Flower's.
        self.add_handlers(r".*", list(ROUTES))

    def get_handler_delegate(
        self, request: HTTPServerRequest, target_class: type[RequestHandler], *args: Any, **kwargs: Any
    ) -> Any:
        """Return the handler that serves the request: every route, Flower's next version's too, passes here."""
        if self.gate.user(request.headers.get("Authorization")) is None:
            target_class = Denied
        elif request.method not in gate.READING and not issubclass(target_class, Ours):
            target_class = Forbidden
        if issubclass(target_class, Denied):
            args, kwargs = (), {}
        return super().get_handler_delegate(request, target_class, *args, **kwargs)


def build(set_: Settings, keeper: gate.Gate, staff: desk.Desk, capp: Any) -> Application:
    """Return Flower's application on Celery's, set up by our settings alone."""
    options = SimpleNamespace(
        **default_options.as_dict()
        | {
            "port": set_.flower_port,
            "address": set_.flower_address,
            "max_tasks": MAX_TASKS,
            # Flower's own check is the second lock, and makes it refuse requests that come from other sites.
            "basic_auth": [keeper.credentials.get_secret_value()],
        }
    )
    return Application(
        keeper,
        staff,
        options=options,
        capp=capp,
        **{
            **defaults,
            "template_loader": DictLoader(templates()),
            "xsrf_cookie_kwargs": {"samesite": "Strict"},
            "xsrf_cookies": True,
        },
    )


def templates() -> dict[str, str]:
    """Return Flower's templates, its navigation with our tab, and ours."""
    folders = (Path(flower.__file__).parent / "templates", HERE / "templates")
    found = {path.name: path.read_text("utf-8") for folder in folders for path in folder.glob("*.html")}
    return found | {"navbar.html": with_tab(found["navbar.html"])}


def with_tab(navigation: str) -> str:
    """Return Flower's navigation with our tab after its own. Raises Unavailable when it is not what it was."""
    before, end, after = navigation.partition("</ul>")
    if not end:
        raise Unavailable(
            "Flower's navigation is not what it was", remedy="install the Flower that uv.lock names"
        )
    return before.rstrip() + TAB + after


ROUTES: Final = (
    (r"/api/task/apply/(.+)", task.Apply),
    (r"/api/task/async-apply/(.+)", task.Apply),
    (r"/api/task/send-task/(.+)", task.Send),
    url(r"/dead-letters/static/(.*)", StaticFileHandler, {"path": str(HERE / "static")}),
    *page.ROUTES,
    *api.ROUTES,
)
