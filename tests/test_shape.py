"""The shape of the product, read from its source; docs/adr and pyproject.toml hold the rules that linters can check.

A rule takes one parsed file and yields what breaks it. Each rule is tried on a source that breaks it, since a check
that cannot fail checks nothing.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import median

import pytest

import celeryconfig

ROOT = Path(__file__).parent.parent
ROOMS = [
    "agents",
    "cli",
    "domains",
    "examples",
    "lab",
    "migrations",
    "monitoring",
    "services",
    "tasks",
    "web",
]
FUNCTION_LINES, MEDIAN_LINES, FILE_LINES = 60, 12, 400
# A migration lists tables in order and is never edited again; cutting it up would only hide the order.
LONG = "migrations/versions/"
STATE = {
    ("tasks/celery.py", "app"): "Celery finds its application by this name",
    ("tasks/celery.py", "process"): "a worker process holds its connections somewhere; this is the place",
    ("migrations/env.py", "given"): "Alembic runs this file as a script, once",
}
# A baseline is also exported by a program of its own, which may not know services; spans bear the time they are made.
CLOCKS = {"services/clock.py", "monitoring/baseline.py", "monitoring/tracing.py"}
ENVIRONMENT = "services/settings.py"
CONTAINERS = {"list", "dict", "set", "bytearray", "defaultdict", "OrderedDict", "Counter", "deque"}
MUTATORS = {
    "append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear",
    "sort", "reverse", "appendleft", "popleft", "__setitem__", "difference_update", "intersection_update",
}  # fmt: skip
MUTABLE = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
Rule = Callable[[ast.Module, str], Iterator[str]]


def long_functions(tree: ast.Module, path: str) -> Iterator[str]:
    for node in functions(tree):
        if lines_of(node) > FUNCTION_LINES and not path.startswith(LONG):
            yield f"{path}:{node.lineno} {node.name} has {lines_of(node)} lines, at most {FUNCTION_LINES}"


# What large packages stand behind is loaded where it is used, by its name in a table: a command of the command line, the
# adapter of a model, the client of a vector server. None of them is imported by what it imports.
LOADED_LATE = {("cli/frame.py", "get_command"), ("services/llm/factory.py", "open_model"), ("services/wiring.py", "_store")}  # fmt: skip


def hidden_imports(tree: ast.Module, path: str) -> Iterator[str]:
    for node in functions(tree):
        for inner in ast.walk(node):
            by_name = (
                called(inner) in {"__import__", "import_module"} and (path, node.name) not in LOADED_LATE
            )
            if by_name or isinstance(inner, ast.Import | ast.ImportFrom):
                yield f"{path}:{inner.lineno} an import hides inside {node.name}"


def broad_excepts(tree: ast.Module, path: str) -> Iterator[str]:
    for node in ast.walk(tree):
        caught: list[ast.expr | None] = []
        if isinstance(node, ast.ExceptHandler):
            caught = [*node.type.elts] if isinstance(node.type, ast.Tuple) else [node.type]
        elif isinstance(node, ast.Call) and called(node) == "suppress":
            caught = [*node.args]
        if any(kind is None or name_of(kind) in {"Exception", "BaseException"} for kind in caught):
            yield f"{path}:{node.lineno} catches everything"


def module_state(tree: ast.Module, path: str) -> Iterator[str]:
    """A module holds constants only. A table in capitals is one as long as nobody changes it (`changed_tables`)."""
    for name, value in assignments(tree):
        constant = name.isupper() or name == "__all__" or path == "celeryconfig.py" or (path, name) in STATE
        container = isinstance(value, MUTABLE) or called(value) in CONTAINERS
        built = isinstance(value, ast.Call) and name.islower() and called(value) != "getLogger"
        if (container or built) and not constant:
            yield f"{path}:{value.lineno} {name} is state of a module"
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield f"{path}:{node.lineno} global {', '.join(node.names)}"


def growing_caches(tree: ast.Module, path: str) -> Iterator[str]:
    """A cached function without parameters is a constant built when first needed; with them it is a store."""
    for node in functions(tree):
        cached = {name_of(part.func if isinstance(part, ast.Call) else part) for part in node.decorator_list}
        if cached & {"cache", "lru_cache"} and ast.unparse(node.args):
            yield f"{path}:{node.lineno} {node.name} keeps results in its module"


def changed_tables(tree: ast.Module, path: str) -> Iterator[str]:
    for node in ast.walk(tree):
        touched: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            touched = node.value
        elif isinstance(node, ast.AugAssign):
            touched = node.target
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS
        ):
            touched = node.func.value
        if touched is not None and name_of(touched).isupper():
            yield f"{path}:{node.lineno} changes the constant {name_of(touched)}"


def environment_readers(tree: ast.Module, path: str) -> Iterator[str]:
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    for node in ast.walk(tree):
        imported = (
            isinstance(node, ast.ImportFrom) and node.module == "os" and {a.name for a in node.names} & names
        )
        read = isinstance(node, ast.Attribute) and node.attr in names and name_of(node.value) == "os"
        if (imported or read) and path != ENVIRONMENT:
            yield f"{path}:{node.lineno} reads the environment, which only {ENVIRONMENT} does"


def clock_readers(tree: ast.Module, path: str) -> Iterator[str]:
    clocks = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and f"{name_of(node.value)}.{node.attr}" in clocks
            and path not in CLOCKS
        ):
            yield f"{path}:{node.lineno} reads the clock; it is handed in"


RULES: tuple[Rule, ...] = (
    long_functions, hidden_imports, module_state, growing_caches, changed_tables, environment_readers, clock_readers,
)  # fmt: skip


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, FUNCTION))


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return node.end_lineno - node.lineno + 1


def name_of(node: ast.AST) -> str:
    """The last part of a dotted name, "" for any other expression."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def called(node: ast.AST) -> str:
    return name_of(node.func) if isinstance(node, ast.Call) else ""


def assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names bound at the top level of a module, also under `if` and `try`."""
    for node in top_level(tree.body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            yield from ((target.id, node.value) for target in targets if isinstance(target, ast.Name))


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for part in ("body", "orelse", "finalbody"):
                yield from top_level(getattr(node, part, []))


@cache
def product() -> dict[str, ast.Module]:
    files = [ROOT / "celeryconfig.py", *(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))]
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text("utf-8"), str(file)) for file in files}


def broken(rule: Rule) -> list[str]:
    return [what for path, tree in product().items() for what in rule(tree, path)]


def task_names(tree: ast.Module) -> list[str]:
    """The `name=` of every `@app.task(...)`; "?" for one without."""
    decorators = (part for node in functions(tree) for part in node.decorator_list)
    found = (
        part for part in decorators if called(part) in {"task", "shared_task"} or name_of(part) == "task"
    )
    return [
        next((key.value.value for key in getattr(part, "keywords", ()) if key.arg == "name"), "?")
        for part in found
    ]


def schedule_faults(
    schedule: Mapping[str, Mapping], routes: Mapping[str, Mapping], queues: set[str]
) -> list[str]:
    faults = [
        f"{name}: no expires" for name, entry in schedule.items() if not entry["options"].get("expires")
    ]
    faults += [
        f"{name}: {entry['task']} has no route"
        for name, entry in schedule.items()
        if entry["task"] not in routes
    ]
    return faults + [
        f"{task}: no queue {route['queue']}" for task, route in routes.items() if route["queue"] not in queues
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_product_keeps_the_rule(rule):
    assert broken(rule) == []


def test_exactly_one_except_catches_everything_and_it_wraps_the_tasks():
    found = broken(broad_excepts)
    assert len(found) == 1, found
    assert found[0].startswith("tasks/")


def test_functions_are_short():
    lengths = [lines_of(node) for tree in product().values() for node in functions(tree)]
    assert median(lengths) <= MEDIAN_LINES


def test_files_are_short():
    counts = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in product()}
    assert {path: n for path, n in counts.items() if n > FILE_LINES and not path.startswith(LONG)} == {}


def test_every_exception_to_a_rule_is_still_needed():
    bound = {(path, name) for path, tree in product().items() for name, _ in assignments(tree)}
    assert set(STATE) <= bound


def test_every_task_is_routed_to_a_queue_that_exists_and_every_beat_entry_expires():
    tasks = [
        name for path, tree in product().items() if path.startswith("tasks/") for name in task_names(tree)
    ]
    assert sorted(tasks) == sorted(celeryconfig.task_routes)
    queues = {queue.name for queue in celeryconfig.task_queues}
    assert schedule_faults(celeryconfig.beat_schedule, celeryconfig.task_routes, queues) == []


BAD: tuple[tuple[Rule, str], ...] = (
    (long_functions, "def f():\n" + "    pass\n" * FUNCTION_LINES),
    (hidden_imports, "def f():\n    if x:\n        import os"),
    (hidden_imports, "class A:\n    async def f(self):\n        from a import b"),
    (hidden_imports, "def f():\n    return importlib.import_module('os')"),
    (broad_excepts, "try: x()\nexcept: pass"),
    (broad_excepts, "try: x()\nexcept Exception: pass"),
    (broad_excepts, "try: x()\nexcept (ValueError, builtins.BaseException): pass"),
    (broad_excepts, "with contextlib.suppress(OSError, Exception): x()"),
    (module_state, "seen = []"),
    (module_state, "_seen: Final[dict[str, int]] = {}"),
    (module_state, "seen = collections.defaultdict(list)"),
    (module_state, "if x:\n    engine = create_engine(url)"),
    (module_state, "Seen = set()"),
    (module_state, "def f():\n    global x"),
    (growing_caches, "@functools.lru_cache(maxsize=9)\ndef f(x): ..."),
    (growing_caches, "@cache\ndef f(*, x): ..."),
    (changed_tables, "TABLE['x'] = 1"),
    (changed_tables, "def f():\n    del limits.TABLE['x']"),
    (changed_tables, "digest.REASONS.update(x=1)"),
    (changed_tables, "WORDS += ['x']"),
    (environment_readers, "os.environ['X']"),
    (environment_readers, "from os import getenv"),
    (clock_readers, "at = datetime.datetime.now(UTC)"),
    (clock_readers, "started = time.time()"),
)  # fmt: skip
GOOD = """
import logging, re
from functools import cache
__all__ = ["f"]
TABLE: Final = {"a": 1}
T = TypeVar("T")
logger = logging.getLogger("x")
limit = 5
@cache
def f():
    found = []
    found.append(TABLE["a"])
    found[0] = time.monotonic()
    try: return found
    except ValueError: return os.path.sep
"""


@pytest.mark.parametrize(("rule", "source"), BAD)
def test_a_rule_fires(rule, source):
    assert len(list(rule(ast.parse(source), "services/made_up.py"))) == 1


@pytest.mark.parametrize("rule", [*RULES, broad_excepts], ids=lambda rule: rule.__name__)
def test_no_rule_fires_on_what_is_allowed(rule):
    assert list(rule(ast.parse(GOOD), "services/made_up.py")) == []


def test_a_task_without_a_name_a_route_a_queue_or_an_expiry_is_found():
    source = (
        "@app.task\ndef f(): ...\n@app.task(name='a.b')\ndef g(): ...\n@app.task(bind=True)\ndef h(self): ..."
    )
    assert task_names(ast.parse(source)) == ["?", "a.b", "?"]
    schedule = {"one": {"task": "a.b", "options": {}}, "two": {"task": "a.c", "options": {"expires": 60}}}
    faults = schedule_faults(schedule, {"a.b": {"queue": "nowhere"}}, {"control"})
    assert [re.sub(":.*", "", fault) for fault in faults] == ["one", "two", "a.b"]
