-- What holds when all work is done, whatever died on the way. Each row is a violation: the law, the row, what was found.
-- The caller fills the temporary table sent(key) with what channels handed over, a line each time.

WITH step (name, seq) AS (
    SELECT * FROM unnest(ARRAY['begin', 'brief', 'plan', 'retrieve', 'draft', 'verify', 'correct', 'rank', 'gate'])
        WITH ORDINALITY
), work (place, id, state, owner, until, expiries) AS (
    SELECT 'run', id, state, lease_owner, lease_until, expiries FROM run
    UNION ALL SELECT 'tenant', id, state, lease_owner, lease_until, expiries FROM tenant
    UNION ALL SELECT 'source', id, state, lease_owner, lease_until, expiries FROM source
    UNION ALL SELECT 'delivery', id, state, lease_owner, lease_until, expiries FROM delivery
), expected_delivery (run_id, channel) AS (
    SELECT run.id, pair ->> 0
    FROM run JOIN subscription ON subscription.id = run.subscription_id
    CROSS JOIN jsonb_array_elements(subscription.channels) AS pair
), expected_fate (run_id, post_id) AS (
    SELECT run.id, post.id
    FROM run JOIN subscription ON subscription.id = run.subscription_id
    JOIN post ON post.tenant_id = run.tenant_id AND post.at >= run.window_start AND post.at < run.window_end
    JOIN source ON source.id = post.source_id
    WHERE subscription.sources = '[]' OR subscription.sources ? source.name
), tile AS (
    SELECT run.id, subscription_id, window_start, window_end, starts_at, covered_until,
        lag(window_end) OVER w AS before, lead(window_start) OVER w AS after
    FROM run JOIN subscription ON subscription.id = run.subscription_id
    WINDOW w AS (PARTITION BY subscription_id ORDER BY window_end)
)

SELECT 'every due run ends, and ships' AS law, 'run ' || id AS row,
    concat_ws(' ', state, decision, why, ended_at, digest_sha256) AS found
FROM run WHERE state <> 'done' OR decision NOT IN ('ship', 'degraded') OR decision IS NULL OR ended_at IS NULL OR digest_sha256 IS NULL

UNION ALL SELECT 'windows tile time', 'run ' || id, window_start || ' .. ' || window_end
FROM tile WHERE window_start <> coalesce(before, starts_at) OR (after IS NULL AND window_end <> covered_until)

UNION ALL SELECT 'no lease is left', place || ' ' || id, concat_ws(' ', state, owner, until)
FROM work WHERE state = 'leased' OR owner IS NOT NULL OR until IS NOT NULL

UNION ALL SELECT 'counted deaths are forgiven', place || ' ' || id, expiries::text
FROM work WHERE state = 'done' AND expiries <> 0

UNION ALL SELECT 'each step is recorded once, in order', 'run ' || run.id,
    string_agg(run_step.name, ' ' ORDER BY run_step.seq)
FROM run LEFT JOIN run_step ON run_step.run_id = run.id AND run_step.name !~ '^(write|taste)'
GROUP BY run.id
HAVING array_agg(run_step.name ORDER BY run_step.seq) IS DISTINCT FROM (SELECT array_agg(name ORDER BY seq) FROM step)

UNION ALL SELECT 'no two steps have a place or a name in common', 'run ' || run_id, max(seq)::text
FROM run_step GROUP BY run_id
HAVING count(DISTINCT seq) < count(*) OR count(DISTINCT name) < count(*) OR max(seq) <> count(*)

UNION ALL SELECT 'nothing is reserved for ever', 'reservation ' || id, concat_ws(' ', state, lease_until)
FROM reservation WHERE state IN ('held', 'sent')

UNION ALL SELECT 'what budgets hold is what is under way', 'budget ' || kind || ' ' || key,
    concat_ws(' ', reserved_calls, reserved_tokens, reserved_micros)
FROM budget WHERE reserved_calls <> 0 OR reserved_tokens <> 0 OR reserved_micros <> 0

UNION ALL SELECT 'one delivery a run and channel', 'run ' || coalesce(delivery.run_id, expected_delivery.run_id),
    coalesce(delivery.channel, expected_delivery.channel)
FROM expected_delivery FULL JOIN delivery USING (run_id, channel)
WHERE delivery.id IS NULL OR expected_delivery.run_id IS NULL

-- Only a channel that cannot take a parcel twice may leave it unknown.
UNION ALL SELECT 'every delivery is made', 'delivery ' || id, concat_ws(' ', channel, state, receipt)
FROM delivery
WHERE NOT (state = 'done' AND delivered_at IS NOT NULL AND receipt IS NOT NULL)
    AND NOT (state = 'unknown' AND channel = 'pigeon')

UNION ALL SELECT 'what cannot be taken back is sent once', 'delivery ' || delivery.id, state || ' sent ' || count(sent.key)
FROM delivery LEFT JOIN sent ON sent.key = 'run-' || delivery.run_id || '-' || delivery.channel
GROUP BY delivery.id
HAVING channel = 'pigeon' AND (count(sent.key) > 1 OR (state = 'done' AND count(sent.key) = 0))

UNION ALL SELECT 'nothing is sent without a delivery', sent.key, ''
FROM sent LEFT JOIN delivery ON sent.key = 'run-' || delivery.run_id || '-' || delivery.channel
WHERE delivery.id IS NULL

UNION ALL SELECT 'no letter stays open, only outages and operators'' replays are resolved', 'letter ' || id,
    concat_ws(' ', task, row_id, kind, state, error, message)
FROM dead_letter WHERE state <> 'resolved' OR kind NOT IN ('transient', 'poison')

-- The key of fate allows no second one in a run. A run that was overtaken leaves to its follower what that one has
-- told as late; two runs of a subscription never answer for one post.
UNION ALL SELECT 'each post of a window has its fate', 'run ' || run_id, 'post ' || post_id
FROM expected_fate AS missing JOIN run ON run.id = missing.run_id
WHERE NOT EXISTS (
    SELECT FROM fate JOIN run AS any_run ON any_run.id = fate.run_id
    WHERE fate.post_id = missing.post_id AND any_run.subscription_id = run.subscription_id)

UNION ALL SELECT 'a post is answered for once', 'subscription ' || run.subscription_id, 'post ' || fate.post_id
FROM fate JOIN run ON run.id = fate.run_id
GROUP BY run.subscription_id, fate.post_id HAVING count(*) > 1

-- A post from before the window is late: its own window's run told nothing of it before.
UNION ALL SELECT 'a fate is of the window, or late', 'run ' || fate.run_id, 'post ' || fate.post_id
FROM fate JOIN run ON run.id = fate.run_id JOIN subscription ON subscription.id = run.subscription_id
JOIN post ON post.id = fate.post_id
WHERE post.tenant_id <> run.tenant_id OR post.at >= run.window_end OR post.at < subscription.starts_at
    OR (post.at < run.window_start AND EXISTS (
        SELECT FROM fate AS told JOIN run AS earlier ON earlier.id = told.run_id
        WHERE told.post_id = fate.post_id AND earlier.subscription_id = run.subscription_id
            AND earlier.window_end <= run.window_start AND earlier.ended_at < run.ended_at))

UNION ALL SELECT 'a claim is what its post says', 'claim ' || claim.id, claim.sentence
FROM claim JOIN post ON post.id = claim.post_id
WHERE post.version <> claim.post_version OR claim.start < 0 OR claim."end" <= claim.start
    OR claim."end" > length(post.text)
    -- What a model wrote is held against what it cites by the verifier; without one it is the post, word for word.
    OR (position('.changes[' IN claim.place) = 0
        AND substr(post.text, claim.start + 1, claim."end" - claim.start) <> claim.sentence
        AND NOT EXISTS (SELECT FROM run_step WHERE run_step.run_id = claim.run_id AND run_step.name = 'write'))
    -- A change names what is new ("cars: 12 → 17"); the sentence it cites says that.
    OR (position('.changes[' IN claim.place) > 0 AND position(split_part(claim.sentence, ' → ', -1)
        IN substr(post.text, claim.start + 1, claim."end" - claim.start)) = 0)

UNION ALL SELECT 'what is claimed is shown, and the other way round', 'run ' || coalesce(fate.run_id, cited.run_id),
    'post ' || coalesce(fate.post_id, cited.post_id)
FROM (SELECT run_id, post_id FROM fate WHERE reason IS NULL) AS fate
FULL JOIN (SELECT DISTINCT run_id, post_id FROM claim) AS cited USING (run_id, post_id)
WHERE fate.run_id IS NULL OR cited.run_id IS NULL

UNION ALL SELECT 'each sentence is claimed once', 'run ' || run_id, place || ' post ' || post_id
FROM claim GROUP BY run_id, place, post_id, start HAVING count(*) > 1

UNION ALL SELECT 'every post is analysed', 'post ' || id, concat_ws(' ', indexed_at, story_id, boilerplate)
FROM post WHERE indexed_at IS NULL OR (story_id IS NULL AND boilerplate IS NULL)

UNION ALL SELECT 'a story spans its posts', 'story ' || story.id, story.first_at || ' .. ' || story.last_at
FROM story LEFT JOIN post ON post.story_id = story.id
GROUP BY story.id
HAVING count(post.id) = 0 OR min(post.at) <> story.first_at OR max(post.at) <> story.last_at

ORDER BY 1, 2, 3
