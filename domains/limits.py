"""The numbers that bound the product, in one place: quoted by alerts, tests and documents.

Names carry their units. The first block comes from the customer's documents; the rest are ours.
"""

from datetime import timedelta
from typing import Final

DIGEST_DOCUMENTS: Final = 30
DIGEST_GRAPH_DEPTH: Final = 2
TREND_DOCUMENTS: Final = 50
TREND_GRAPH_DEPTH: Final = 3
PLAN_STEPS: Final = 3
FAST_CALLS: Final = 3
FAST_TOKENS: Final = 8_000
FAST_STEPS: Final = 4
FAST_P95_S: Final = 5.0
CHECKLIST_TOKENS: Final = 300
CORRECT_BELOW_SCORE: Final = 0.6
CORRECT_ATTEMPTS: Final = 1
RANK_CANDIDATES: Final = 2
MANIFEST_BYTES: Final = 100 * 1024
DLQ_ATTEMPTS: Final = 3
DLQ_BASE_S: Final = 60.0
ROUTER_MODEL_S: Final = 0.8
ROUTER_CACHE_S: Final = 3600.0
SESSION_S: Final = 1800.0

DLQ_CAP_S: Final = 3600.0
DLQ_RETRY_AFTER_S: Final = 86_400.0
DLQ_MESSAGE_CHARS: Final = 2_000
DLQ_TRACEBACK_CHARS: Final = 8_000
DLQ_PAYLOAD_BYTES: Final = 16 * 1024
# The most letters that one bulk replay takes, and what a list shows at once.
DLQ_BULK: Final = 100_000
DLQ_PAGE: Final = 200
AUDIT: Final = timedelta(days=400)
STORY_SENTENCES: Final = 3
SENTENCE_CHARS: Final = 400
HEADLINE_CHARS: Final = 200
POST_CHARS: Final = 20_000
ENTRY_BYTES: Final = 1_000_000
ENTRY_COUNT: Final = 5_000
FUTURE_SKEW: Final = timedelta(minutes=10)
LATE_HORIZON: Final = timedelta(days=7)
DUPLICATE_WINDOW: Final = timedelta(days=3)
STORY_WINDOW: Final = timedelta(days=3)
FEED_BYTES: Final = 10 * 1024 * 1024
FEED_S: Final = 30.0
FILE_BYTES: Final = 4 * 1024**3
REDIRECTS: Final = 5
TELEGRAM_CHARS: Final = 4_096
MODEL_REPLY_BYTES: Final = 1024 * 1024

MEMORY: Final = timedelta(days=90)
MEMORY_EVENTS: Final = 1_000
MEMORY_PAYLOAD_BYTES: Final = 4 * 1024
PERSONA_SUMMARY_TOKENS: Final = 200
# Ratings and openings halve in weight in this time and are gone after six such times.
PERSONA_HALF_LIFE: Final = timedelta(days=30)
PERSONA_HORIZON: Final = timedelta(days=180)
# Of so many newest ratings and openings a persona is made.
PERSONA_SIGNALS: Final = 2_000
# The stories told by most publishers, of so many at least: nobody's interests hide them.
FLOOR_STORIES: Final = 3
FLOOR_FAMILIES: Final = 3
