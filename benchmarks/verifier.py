"""How well deterministic support checking tells a faithful summary from an edited one, on SummEdits (arXiv:2305.14540).

Every sentence of a summary is an assertion that cites the whole document, held against the product's own rules for
numbers, dates and names. Beside them stand graded scores, none of them fitted here:

    rules     minus the number of sentences to which a rule objects
    overlap   share of the summary's content lemmas that occur in the document (the usual baseline)
    pairs     share of neighbouring content lemmas that meet in one sentence of the document
    both      rules first, overlap between equals: what the verifier could say beyond yes and no

A graded score's balanced accuracy uses the threshold that is best on one half of the documents, measured on the other.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve

from domains.digest import Citation, Draft, DraftStory, Sentence
from domains.post import Post
from domains.terms import Lexicon
from domains.text import normalise
from domains.verify import RULES, Brief, Evidence, assertions
from services.language import OfflineLanguage

SUMMEDITS = Path(__file__).resolve().parents[2] / "shared" / "data" / "summedits.jsonl"
CHECKED = tuple(rule for rule in RULES if rule.name in {"numbers", "facts", "names"})


@dataclass(frozen=True)
class Case:
    """A summary with its document. ``kinds`` are the edits that made it unfaithful."""

    doc: str
    summary: str
    faithful: bool
    domain: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """What was found: which rules objected, and the graded scores, higher being more faithful."""

    rules: tuple[str, ...]
    scores: dict[str, float]


class Judge:
    """Holds summaries against documents; remembers what it read of a document."""

    def __init__(self) -> None:
        self._language = OfflineLanguage()
        self._lexicon = Lexicon(self._language)
        self._read: Callable[[str], tuple[Post, frozenset[str], frozenset[frozenset[str]]]] = cache(
            self._document
        )

    def judge(self, case: Case) -> Judged:
        post, known, meeting = self._read(case.doc)
        sentences = [case.summary[start:end] for start, end in self._language.sentences(case.summary, "en")]
        objections = self._objections(post, sentences)
        terms = [self._lexicon.terms(sentence, "en") for sentence in sentences]
        overlap = _share([term in known for own in terms for term in own])
        pairs = _share([frozenset(pair) in meeting for own in terms for pair in pairwise(own)])
        rules = -float(len({path for path, _ in objections}))
        scores = {"rules": rules, "overlap": overlap, "pairs": pairs, "both": rules + overlap}
        return Judged(tuple(name for _, name in objections), scores)

    def _objections(self, post: Post, sentences: Sequence[str]) -> list[tuple[str, str]]:
        citation = Citation(post.id, (0, len(post.text)), post.text)
        lines = [Sentence(text, (citation,)) for text in sentences]
        draft = Draft("summedits", "model", (DraftStory(1, "main", lines[0], tuple(lines[1:])),))
        evidence = Evidence(
            posts={post.id: post},
            members={1: frozenset({post.id})},
            briefs=(Brief(1, "en", frozenset(), 1, len(lines)),),
            told={},
            lexicon=self._lexicon,
            detect=self._language.detect,
        )
        return [
            (one.path, rule.name)
            for one in assertions(draft, evidence)
            for rule in CHECKED
            if rule.objection(one, evidence)
        ]

    def _document(self, doc: str) -> tuple[Post, frozenset[str], frozenset[frozenset[str]]]:
        spans = self._language.sentences(doc, "en")
        post = Post(
            1, "doc/1", "doc", "doc", datetime(2026, 1, 1, tzinfo=UTC), doc, "en", "", sentences=spans
        )
        gists = [self._lexicon.gist(doc[start:end], "en") for start, end in spans]
        meeting = {frozenset((one, other)) for gist in gists for one in gist for other in gist}
        return post, frozenset[str]().union(*gists), frozenset(meeting)


def load(path: Path = SUMMEDITS, every: int = 1) -> list[Case]:
    """Return each ``every``-th case of the file."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][::every]
    return [
        Case(
            normalise(row["doc"]),
            normalise(row["summary"]).replace("\n", " "),
            row["label"] == 1,
            row["domain"],
            tuple(row["edit_types"]),
        )
        for row in rows
    ]


def held_out_accuracy(faithful: np.ndarray, scores: np.ndarray, half: np.ndarray) -> float:
    """Return the mean balanced accuracy over both halves, each at the threshold that is best on the other."""
    found = []
    for side in (False, True):
        false, true, thresholds = roc_curve(faithful[half == side], scores[half == side])
        best = thresholds[int(np.argmax(true - false))]
        found.append(balanced_accuracy_score(faithful[half != side], scores[half != side] >= best))
    return float(np.mean(found))


def report(cases: list[Case], judged: list[Judged]) -> None:
    faithful = np.array([case.faithful for case in cases])
    half = np.array([crc32(case.doc.encode()) % 2 == 1 for case in cases])
    flagged = np.array([bool(one.rules) for one in judged])
    print(f"SummEdits: {len(cases)} summaries, {faithful.mean():.2f} of them faithful")
    print(f"rules as they stand: balanced accuracy {balanced_accuracy_score(faithful, ~flagged):.3f}")
    print(
        f"  unfaithful found {flagged[~faithful].mean():.3f}, faithful accused {flagged[faithful].mean():.3f}"
        f", precision of an objection {(~faithful)[flagged].mean():.3f}"
    )
    for name in judged[0].scores:
        scores = np.array([one.scores[name] for one in judged])
        print(
            f"  {name:8} ROC AUC {roc_auc_score(faithful, scores):.3f}"
            f", balanced accuracy on unseen documents {held_out_accuracy(faithful, scores, half):.3f}"
        )
    by_rule = Counter(name for one in judged for name in set(one.rules))
    wrong = Counter(
        name for case, one in zip(cases, judged, strict=True) if case.faithful for name in set(one.rules)
    )
    print(
        "by rule: "
        + ", ".join(f"{name} {by_rule[name]} ({wrong[name]} faithful)" for name in sorted(by_rule))
    )
    _table(
        "found by kind of the only edit",
        cases,
        flagged,
        lambda case: case.kinds if len(case.kinds) == 1 else (),
    )
    _table(
        "found by number of edits", cases, flagged, lambda case: (str(len(case.kinds)),) if case.kinds else ()
    )
    for domain in sorted({case.domain for case in cases}):
        own = np.array([case.domain == domain for case in cases])
        score = balanced_accuracy_score(faithful[own], ~flagged[own])
        print(f"  {domain:12} balanced accuracy of the rules {score:.3f} of {own.sum()}")


def _table(
    title: str, cases: list[Case], flagged: np.ndarray, keys: Callable[[Case], tuple[str, ...]]
) -> None:
    found: dict[str, list[bool]] = defaultdict(list)
    for case, hit in zip(cases, flagged, strict=True):
        if not case.faithful:
            for key in keys(case):
                found[key].append(bool(hit))
    print(title)
    for key, hits in sorted(found.items()):
        print(f"  {key:28} {np.mean(hits):.3f} of {len(hits)}")


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else 1.0


def main() -> None:
    if not SUMMEDITS.exists():
        print("verifier: skipped, ../shared/data/summedits.jsonl is not here")
        return
    cases = load()
    judge = Judge()
    report(cases, [judge.judge(case) for case in cases])


if __name__ == "__main__":
    main()
