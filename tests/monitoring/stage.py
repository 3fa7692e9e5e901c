"""A stage on which everything is real: `svodka up`, Prometheus and Alertmanager from Debian, a provider, a webhook, a bot.

    with Stage(folder) as stage:
        stage.play()            # load, then faults

Intervals are a second and alerts wait for nothing, so that minutes of a real installation pass in one.
"""

import json
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import psutil
import yaml
from sqlalchemy import select

from benchmarks.ask import questions_of, scripted
from cli import frame
from domains.window import Schedule
from monitoring import baseline
from monitoring.build import ROOT
from monitoring.route import Receivers, Telegram, alertmanager
from services import delivery, settings, source, stack, subscription
from services.schema import Delivery, Run, Subscription
from tasks import demo, route
from tasks.ask import Asker, Asking
from tests.bot_api import TOKEN, BotApi, Chat, cut
from tests.llm_server import LlmServer, status
from tests.provider import Retelling, author
from tests.receiver import Receiver
from tests.receiver import status as say
from tests.servers import free_port, wait_until

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
PROGRAMS = {
    "prometheus": shutil.which("prometheus"), "promtool": shutil.which("promtool"),
    "alertmanager": ALERTMANAGER, "amtool": shutil.which("amtool"),
}  # fmt: skip
MISSING = sorted(name for name, path in PROGRAMS.items() if path is None)
CHAT = -100_123
# Every so many-th question is asked for the smart path.
SMART = 4
# A day's budget that the digests and questions of the run use up to four fifths within minutes.
MONEY = "5"
PRICE = """
version = "test"
[[price]]
provider = "vllm"
model = "scripted"
currency = "USD"
input = "30"
output = "30"
date = 2026-11-21
verified = false
source = "made up for a drill"
"""
QUERIES = (
    "what's new", "дайджест за день", "show me trending topics", "find posts about the bus fare", "who won the match?",
    "and then?", "thanks!", "розкажи коротко про головне", "купить кроссовки", "что такое бурстовость в потоке",
)  # fmt: skip


@dataclass
class Line:
    """One thing that must hold, and what was found."""

    what: str
    ok: bool
    found: str


class Stage:
    """Everything that runs, below ``folder``."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {name: free_port() for name in ("metrics", "prometheus", "alertmanager")}
        self.url = f"http://127.0.0.1:{self.ports['prometheus']}"
        self.baselines = folder / "before.json", folder / "after.json"
        self.asked = 0
        self._closing = ExitStack()

    def __enter__(self):
        self.provider = self._closing.enter_context(LlmServer(behave(author(Retelling()))))
        self.bot = self._closing.enter_context(BotApi())
        self.bot.chats[CHAT] = Chat("group")
        self.webhook = self._closing.enter_context(Receiver())
        self.reader = self._closing.enter_context(Receiver())
        self.readers_bot = self._closing.enter_context(BotApi())
        self.readers_bot.chats[CHAT] = Chat("group")
        self.environment = self._environment()
        up = [sys.executable, "-c", "import cli; cli.main()", "up", "--json"]
        self.up = self._start("up", up)
        self.running = wait_until(lambda: stack.attach(self.folder / "var"), timeout_s=180)
        self._start_watch()
        self.world = self._world()
        return self

    def __exit__(self, *error):
        self._closing.close()

    def _environment(self):
        (self.folder / "prices.toml").write_text(PRICE)
        self.values = {
            "var": str(self.folder / "var"), "flower_port": "0", "web_port": "0", "metrics_port": str(self.ports["metrics"]),
            "sweep_s": "1", "model_provider": "vllm", "model_name": "scripted", "model_base_url": self.provider.url,
            "model_prices": str(self.folder / "prices.toml"), "budget_day_money": MONEY, "retry_base_s": "3600",
            "lease_s": "20", "allow_private_addresses": "true", "host_interval_s": "0", "tenant": demo.NAME,
            "telegram_token": TOKEN, "telegram_api_url": self.readers_bot.url,
            "webhook_secret": "a secret of the receiver's", "log_level": "warning",
        }  # fmt: skip
        kept = {
            name: value
            for name, value in settings.child_environment().items()
            if not name.startswith("SVODKA_")
        }
        return kept | settings.variables(**self.values)

    def _start(self, name, command):
        log = self._closing.enter_context((self.folder / f"{name}.log").open("w"))
        process = subprocess.Popen(
            command, env=self.environment, cwd=Path(ROOT).parent, stdout=log, stderr=log
        )

        def stop():
            # Not SIGINT: what is begun in a shell's background ignores it, as it should.
            process.terminate()
            process.wait(90)

        self._closing.callback(stop)
        return process

    def _start_watch(self):
        config, rules = self.folder / "prometheus.yml", self.folder / "rules"
        rules.mkdir()
        for path in sorted((ROOT / "alerts").glob("*.yml")):
            (rules / path.name).write_text(yaml.safe_dump(quick(yaml.safe_load(path.read_text("utf-8")))))
        value = yaml.safe_load((ROOT / "prometheus.yml").read_text("utf-8"))
        value["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        value["rule_files"] = [str(rules / "*.yml")]
        value["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{self.ports['metrics']}"]
        targets = [f"127.0.0.1:{self.ports['alertmanager']}"]
        value["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = targets
        config.write_text(yaml.safe_dump(value))
        self.alertmanager = self.folder / "alertmanager.yml"
        receivers = Receivers(Telegram(TOKEN, CHAT, self.bot.url), webhook=f"{self.webhook.url}/alerts")
        self.alertmanager.write_text(alertmanager(receivers, quick=True))
        self._start("prometheus", [
            PROGRAMS["prometheus"], f"--config.file={config}", f"--storage.tsdb.path={self.folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}", "--log.level=warn",
        ])  # fmt: skip
        self._start("alertmanager", [
            ALERTMANAGER, f"--config.file={self.alertmanager}", f"--storage.path={self.folder / 'am'}",
            f"--web.listen-address=127.0.0.1:{self.ports['alertmanager']}", "--cluster.listen-address=",
        ])  # fmt: skip
        wait_until(lambda: self.number("count(svodka_up == 1)"), timeout_s=200)

    def _world(self):
        """The world of a command beside the worker: it counts in the same folder."""
        return self._closing.enter_context(frame.world(**self.values))

    def ask(self, query):
        """What Prometheus answers to a query now; [] while it does not answer."""
        try:
            return baseline.Prometheus(self.url, 10).instant(query)
        except (httpx.HTTPError, ValueError):
            return []

    def number(self, query):
        """The one number that Prometheus answers; 0 without any."""
        found = self.ask(query)
        return float(found[0]["value"][1]) if found else 0.0

    def export(self, path):
        """Export a baseline as a person does."""
        command = [
            sys.executable,
            "-m",
            "monitoring.baseline",
            "--prometheus-url",
            self.url,
            "--output",
            str(path),
        ]
        return subprocess.run(command, env=self.environment, check=False).returncode

    def play(self):
        """Load, a baseline, faults, another baseline."""
        self._load()
        self._questions(16)
        in_time = "sum(svodka_delivery_delay_seconds_count)"
        wait_until(lambda: self.number("sum(svodka_runs_total)") and self.number(in_time), timeout_s=200)
        self.exported = [self.export(self.baselines[0])]
        self._faults()
        self._spend()
        self.exported.append(self.export(self.baselines[1]))

    def _load(self):
        stream = demo.stream(self.world.clock.now())
        self.tenant, row = demo.prepare(self.world, stream)
        for _ in demo.load(self.world, self.tenant, stream):
            pass
        now = self.world.clock.now()
        each_minute = subscription.Wish(
            name="minutes",
            schedule=Schedule(zone="UTC", period=timedelta(minutes=1), anchor=now),
            starts_at=now,
        )
        with self.world.database.transaction() as session:
            subscription.resume(session, row)
            subscription.subscribe(session, self.tenant, each_minute, self.world.channels)

        def delivered():
            with self.world.database.transaction() as session:
                return delivery.settled(session, self.tenant) >= stream.days

        wait_until(delivered, timeout_s=400, every_s=0.3)

    def _questions(self, count):
        """Ask about the posts, on each path, and send what is no question of posts to where it belongs."""
        asker = Asker(self.world)
        for number, text in enumerate(questions_of(self.world, self.tenant, count)):
            path = "smart" if number % SMART == 0 else "auto"
            for _ in "ab":
                asker.ask(self.tenant, Asking(text, path=path))
        for number, query in enumerate(QUERIES):
            route.route(self.world, self.tenant, query, (), request=f"ask-{number}")

    def _faults(self):
        """A feed that fails, lines that cannot be read, a webhook that refuses and one that says nothing, a killed worker."""
        now = self.world.clock.now()
        with self.world.database.transaction() as session:
            known = source.Known(
                "broken",
                "feed",
                "broken",
                f"http://127.0.0.1:{free_port()}/rss",
                polled=True,
                interval_s=900.0,
            )
            source.register(session, self.tenant, known, now=now)
        bad = self.folder / "bad.jsonl"
        bad.write_text('{"id": "1", "text": "Good.", "at": "2026-11-20T10:00:00Z"}\n{"id": 2\n')
        subprocess.run(
            [sys.executable, "-c", "import cli; cli.main()", "source", "import", str(bad)],
            env=self.environment, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.reader.behaviours.append(say(400))
        self.readers_bot.behaviours.append(cut)
        channels = {
            "refused": ("webhook", f"{self.reader.url}/refused"),
            "unanswered": ("telegram", str(CHAT)),
        }
        for name, channel in channels.items():
            self._late(name, channel, now)
            wait_until(partial(self._ended, name), timeout_s=120, every_s=0.3)
        (worker,) = (one.pid for one in self.running.processes if one.name == "worker")
        for child in psutil.Process(worker).children():
            child.kill()
        self.provider.next(*[status(500)] * 3)

    def _late(self, name, channel, now):
        """Subscribe somebody whose window of the last day is due."""
        wish = subscription.Wish(
            name=name, schedule=Schedule(zone="UTC", period=timedelta(days=1), anchor=now - timedelta(hours=24, minutes=1)),
            starts_at=now - timedelta(hours=24, minutes=1), channels=(channel,),
        )  # fmt: skip
        with self.world.database.transaction() as session:
            subscription.subscribe(session, self.tenant, wish, self.world.channels)

    def _ended(self, name):
        with self.world.database.transaction() as session:
            states = session.scalars(
                select(Delivery.state)
                .join(Run, Run.id == Delivery.run_id)
                .join(Subscription, Subscription.id == Run.subscription_id)
                .where(Subscription.name == name)
            ).all()
        return any(state in {"dead", "unknown", "done"} for state in states)

    def _spend(self):
        """Ask until the day's budget has been spent to four fifths."""
        used = 'max(svodka_budget_used_ratio{scope="tenant_day",unit="money"})'
        asker, texts = Asker(self.world), iter(questions_of(self.world, self.tenant, 10_000))

        def spent():
            asker.ask(self.tenant, Asking(f"{next(texts)} ({self.asked})"))
            self.asked += 1
            return self.number(used) >= 0.8

        wait_until(spent, timeout_s=240, every_s=0.05)


def behave(write):
    """A provider that answers questions and routes them within a tenth of a second, and otherwise writes digests."""

    def answer(handler, asked):
        name = asked.get("response_format", {}).get("json_schema", {}).get("name", "")
        if name in {"ask", "explore", "route"}:
            scripted(handler, asked, 0.1)
        else:
            write(handler, asked)

    return answer


def quick(rules):
    """The same rules, looked at each second and waiting for nothing."""
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule["for"] = "1s"
    return rules


def reported(lines):
    """The lines as a person reads them."""
    return "\n".join(f"{'ok  ' if line.ok else 'FAIL'} {line.what}: {line.found}" for line in lines)


def bodies(receiver):
    """The names of the alerts that a webhook was told of."""
    return {
        alert["labels"]["alertname"]
        for _, _, body in receiver.requests
        for alert in json.loads(body)["alerts"]
    }
