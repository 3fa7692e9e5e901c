"""The statements of `services.graph`: openCypher that Neo4j and ArcadeDB both take. Every value is a parameter.

(:Post)-[:MENTIONS {count}]->(:Entity)      an entity is also a :Person, :Org, :Place, :Product, :Hashtag or :Link
(:Post)-[:IN_STORY]->(:Story)
(:Post)-[:FROM]->(:Source)-[:OF]->(:Family)
(:Post)-[:REPLIES]->(:Post)                  (:Post)-[:FORWARDED]->(:Source)
(:Entity)-[:CO_OCCURS {count, first_at, last_at}]->(:Entity)   once a pair, from the lesser id to the greater

Every node has its tenant, and posts, stories and entities have the ids of their rows.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SCHEMA: Final = (
    "CREATE CONSTRAINT post_id IF NOT EXISTS FOR (n:Post) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT story_id IF NOT EXISTS FOR (n:Story) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT entity_id IF NOT EXISTS FOR (n:Entity) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT source_id IF NOT EXISTS FOR (n:Source) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT family_id IF NOT EXISTS FOR (n:Family) REQUIRE n.id IS UNIQUE",
    "CREATE INDEX post_at IF NOT EXISTS FOR (n:Post) ON (n.tenant, n.at)",
)

# Writing the property takes the node's lock: what is read after that stays true until the commit.
POSTS: Final = """
UNWIND $rows AS r MERGE (p:Post {id: r.id}) SET p.tenant = r.tenant, p.at = r.at
RETURN p.id AS id, p.named AS named
"""
COUNTED: Final = """
UNWIND $ids AS id MATCH (p:Post {id: id}) SET p.gone = true RETURN p.id AS id, p.named AS named
"""
CUT: Final = """
UNWIND $ids AS id MATCH (p:Post {id: id})-[r:MENTIONS|IN_STORY|FROM|REPLIES|FORWARDED]->() DELETE r
"""
REMOVE: Final = "UNWIND $ids AS id MATCH (p:Post {id: id}) DETACH DELETE p"
DRAWN: Final = "UNWIND $ids AS id MATCH (e:Entity {id: id}) RETURN e.id AS id"
# New ones by kind. A label is given with the node or never: ArcadeDB cannot add one where ids are unique. So ``kind`` is
# what an entity is now; its label is what it was when it was first drawn, until the next rebuild.
ENTITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "name": "UNWIND $ids AS id MERGE (e:Entity {id: id})",
        **{
            kind: f"UNWIND $ids AS id MERGE (e:Entity:{kind.capitalize()} {{id: id}})"
            for kind in ("person", "org", "place", "product", "hashtag", "link")
        },
    }
)
DESCRIBE: Final = """
UNWIND $rows AS r MATCH (e:Entity {id: r.id})
SET e.tenant = r.tenant, e.kind = r.kind, e.name = r.name, e.key = r.key
"""
# How many posts mention an entity, so that one that half of all posts mention is not walked through.
TALLY: Final = """
UNWIND $rows AS r MATCH (e:Entity {id: r.id}) SET e.posts = coalesce(e.posts, 0) + r.change
"""
MENTIONS: Final = """
UNWIND $rows AS r MATCH (p:Post {id: r.post}) MATCH (e:Entity {id: r.entity})
CREATE (p)-[:MENTIONS {count: r.count}]->(e)
"""
NAMED: Final = "UNWIND $rows AS r MATCH (p:Post {id: r.id}) SET p.named = r.named"
STORIES: Final = """
UNWIND $rows AS r MERGE (s:Story {id: r.id})
SET s.tenant = r.tenant, s.title = r.title, s.first_at = r.first_at, s.last_at = r.last_at
"""
IN_STORY: Final = """
UNWIND $rows AS r MATCH (p:Post {id: r.post}) MATCH (s:Story {id: r.story}) CREATE (p)-[:IN_STORY]->(s)
"""
FAMILIES: Final = "UNWIND $rows AS r MERGE (f:Family {id: r.id}) SET f.tenant = r.tenant, f.name = r.name"
SOURCES: Final = """
UNWIND $rows AS r MERGE (s:Source {id: r.id}) SET s.tenant = r.tenant, s.name = r.name
"""
OF: Final = """
UNWIND $rows AS r MATCH (s:Source {id: r.source}) MATCH (f:Family {id: r.family}) MERGE (s)-[:OF]->(f)
"""
FROM: Final = """
UNWIND $rows AS r MATCH (p:Post {id: r.post}) MATCH (s:Source {id: r.source}) CREATE (p)-[:FROM]->(s)
"""
FORWARDED: Final = """
UNWIND $rows AS r MATCH (p:Post {id: r.post}) MATCH (s:Source {id: r.source}) CREATE (p)-[:FORWARDED]->(s)
"""
REPLIES: Final = """
UNWIND $rows AS r MATCH (p:Post {id: r.post}) MERGE (q:Post {id: r.of}) SET q.tenant = r.tenant
CREATE (p)-[:REPLIES]->(q)
"""
CO_OCCURS: Final = """
UNWIND $rows AS r MATCH (a:Entity {id: r.a}) MATCH (b:Entity {id: r.b}) MERGE (a)-[c:CO_OCCURS]->(b)
SET c.count = coalesce(c.count, 0) + r.change,
    c.first_at = CASE WHEN c.first_at IS NULL OR r.first < c.first_at THEN r.first ELSE c.first_at END,
    c.last_at = CASE WHEN c.last_at IS NULL OR r.last > c.last_at THEN r.last ELSE c.last_at END
"""
PARTED: Final = """
UNWIND $rows AS r MATCH (a:Entity {id: r.a})-[c:CO_OCCURS]->(b:Entity {id: r.b}) WHERE c.count <= 0 DELETE c
"""
UNNAMED: Final = "UNWIND $ids AS id MATCH (e:Entity {id: id}) WHERE e.posts <= 0 DETACH DELETE e"
# A graph is emptied in portions: one transaction would hold all of it in memory.
EMPTY: Final = "MATCH (n) WITH n LIMIT $portion DETACH DELETE n RETURN count(*) AS gone"

SEEDS: Final = """
UNWIND $ids AS id MATCH (p:Post {id: id})-[:MENTIONS]->(e:Entity)
WHERE p.tenant = $tenant AND e.tenant = $tenant AND e.posts <= $hub
RETURN e.id AS entity, e.posts AS posts, count(*) AS seeds
"""
NEAR: Final = """
UNWIND $entities AS id MATCH (e:Entity {id: id})<-[:MENTIONS]-(q:Post)
WHERE q.tenant = $tenant AND q.at >= $since AND q.at < $until
RETURN id AS entity, q.id AS post, q.at AS at ORDER BY at DESC, post LIMIT $fan
"""
TOLD: Final = """
UNWIND $ids AS id MATCH (p:Post {id: id})-[:IN_STORY]->(s:Story) WHERE p.tenant = $tenant
WITH s, count(*) AS seeds
MATCH (s)<-[:IN_STORY]-(q:Post) WHERE q.tenant = $tenant AND q.at >= $since AND q.at < $until
RETURN seeds, q.id AS post, q.at AS at ORDER BY at DESC, post LIMIT $fan
"""
ANSWERED: Final = """
UNWIND $ids AS id MATCH (p:Post {id: id})-[:REPLIES]-(q:Post)
WHERE p.tenant = $tenant AND q.tenant = $tenant AND q.at >= $since AND q.at < $until
RETURN q.id AS post, q.at AS at ORDER BY at DESC, post LIMIT $fan
"""
BESIDE: Final = """
UNWIND $entities AS id MATCH (e:Entity {id: id})-[c:CO_OCCURS]-(f:Entity)
WHERE e.tenant = $tenant AND f.tenant = $tenant AND f.posts <= $hub AND c.last_at >= $since
RETURN id AS entity, f.id AS other, f.posts AS posts, f.kind AS kind, f.name AS name, c.count AS count,
       c.first_at AS first_at, c.last_at AS last_at
ORDER BY count DESC, other LIMIT $fan
"""
