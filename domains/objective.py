"""What we promise and when somebody is told: the numbers that alerts guard and tests hold to them, in one place.

Names carry their units; a rate is a share from 0 to 1. The first block is the customer's.
"""

from typing import Final

from domains import limits

FAST_P95_HIGH_S: Final = limits.FAST_P95_S
FAST_P95_CRITICAL_S: Final = 10.0
FAST_CALLS: Final = limits.FAST_CALLS
FAST_TOKENS: Final = limits.FAST_TOKENS
FAST_STEPS: Final = limits.FAST_STEPS
ROUTER_CACHE_RATE: Final = 0.5
CACHE_RATE: Final = 0.3
VISION_CONFIDENCE: Final = 0.5
VISION_UNSURE_RATE: Final = 0.2
VISION_S: Final = 15.0
VISION_ERROR_RATE: Final = 0.05
# A digest is delivered so soon after its window's close ...
DELIVERED_WITHIN_S: Final = 600.0
# ... in this share of cases. Burning the rest of a month's at 14.4 times the even pace uses 2 % of it in an hour, at 6
# times 5 % in six hours (Site Reliability Workbook, chapter 5).
DELIVERED_RATE: Final = 0.995
FAST_BURN: Final = 14.4
SLOW_BURN: Final = 6.0

BUDGET_WARN_RATE: Final = 0.8
BUDGET_GONE_RATE: Final = 1.0
# Before so much is spent, a forecast to the end of the day says more about the hour than about the day.
BUDGET_FORECAST_FROM_RATE: Final = 0.25
# Work that is due waits for the next sweep at most; so many sweeps' worth is trouble.
DUE_AGE_S: Final = 900.0
SILENT_INTERVALS: Final = 3
INDEX_LAG_S: Final = 1_800.0
SCORE_LOW: Final = limits.CORRECT_BELOW_SCORE
BEAT_SILENT_S: Final = 600.0
DISK_FREE_RATE: Final = 0.1
DISK_FULL_RATE: Final = 0.03
ERROR_RATE: Final = 0.05
# No share of fewer cases than this pages anybody: one slow request at night is no trouble.
LEAST_CASES: Final = 20
# What is counted one by one: so many in half an hour are no accident ...
LEAST_EXCEEDED: Final = 3
LEAST_EXPIRIES: Final = 3
LETTERS_GROWTH: Final = 5
# ... and of these one is too many.
UNPRICED_CALLS: Final = 0
OVERDUE_DIGESTS: Final = 0
PERMANENT_LETTERS: Final = 0
UNKNOWN_DELIVERIES: Final = 0
SILENT_SOURCES: Final = 0
SCORE_DROP: Final = 0.1
