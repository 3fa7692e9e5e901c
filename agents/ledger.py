"""The ledger: what became of each post of the window, exactly once, with the reason in words."""

from collections.abc import Iterable
from dataclasses import replace

from msgspec import UNSET

from domains.development import day
from domains.digest import REASONS, Briefing, DigestStory, Draft, DraftStory, Drop, Plan, Reason
from domains.post import Post
from domains.survey import StorySurvey, Survey


def cited(draft: Draft) -> frozenset[int]:
    """Return the posts that ``draft`` cites."""
    return frozenset(
        one.post
        for story in draft.stories
        for one in (
            *(cited for sentence in (story.headline, *story.sentences) for cited in sentence.citations),
            *(change.now for change in story.changes),
        )
    )


def drops(plan: Plan, twins: dict[int, int], shipped: Draft, survey: Survey) -> tuple[Drop, ...]:
    """Return the fate of each post of the window that ``shipped`` does not cite, by time."""
    shown = cited(shipped)
    told = {story.story for story in shipped.stories}
    home = {post.id: story.id for story in survey.stories for post in story.members}

    def fate(post: Post) -> Drop:
        if post.id in survey.unread:
            return survey.unread[post.id]
        story = home.get(post.id)
        if story is None:
            return Drop(post.id, "below_floor", detail="belongs to no story")
        if story in told:
            return Drop(post.id, "covered", of=story, detail=REASONS["covered"])
        if twins.get(story) in told:
            return Drop(
                post.id, "covered", of=twins[story], detail="another story of the digest tells the same"
            )
        reason = plan.left_out.get(story, "below_floor")
        return _left(
            post.id,
            story,
            "below_floor" if reason == "covered" else reason,
            planned=story not in plan.left_out,
        )

    return tuple(_named(fate(post), post) for post in survey.posts.values() if post.id not in shown)


def _named(drop: Drop, post: Post) -> Drop:
    # By name only: the text of a post that is left out has no business in a digest.
    return replace(drop, ref=post.ref)


def story_rows(draft: Draft, survey: Survey, briefing: Briefing) -> tuple[DigestStory, ...]:
    """Return the stories of ``draft`` with the counts a reader sees."""
    stories = survey.by_story
    return tuple(_shipped(story, stories[story.story], survey, briefing) for story in draft.stories)


def former(draft: Draft, briefing: Briefing) -> tuple[Post, ...]:
    """Return the posts of earlier windows in which the old numbers of the changes that ``draft`` states stand."""
    cited = {
        change.before for story in draft.stories for change in story.changes if change.before is not None
    }
    rows = {one.post for one in cited}
    posts = {post.id: post for one in briefing.precedents for post in one.posts if post.id in rows}
    return tuple(posts[row] for row in sorted(posts))


def sections(digest_stories: Iterable[DigestStory], plan: Plan) -> tuple[str, ...]:
    """Return the planned sections that hold a story, in the plan's order."""
    filled = {story.section for story in digest_stories}
    return tuple(name for name in plan.sections if name in filled)


def _left(post: int, story: int, reason: Reason, *, planned: bool) -> Drop:
    detail = "nothing in its story could be verified" if planned else REASONS[reason]
    return Drop(post, reason, of=story, detail=detail)


def _shipped(story: DraftStory, facts: StorySurvey, survey: Survey, briefing: Briefing) -> DigestStory:
    shown = cited(Draft("", "extractive", (story,)))
    langs = [post.lang for post in facts.readable]
    return DigestStory(
        story=story.story,
        section=story.section,
        headline=story.headline,
        sentences=story.sentences,
        posts=tuple(post.id for post in facts.members),
        sources=facts.sources,
        families=facts.families,
        languages=tuple(sorted(set(langs), key=lambda lang: (-langs.count(lang), lang))),
        since=facts.facts.first_at,
        repeats=sum(briefing.repeats.get(post.id, 0) for post in facts.readable),
        continuing=facts.continuing,
        late=any(survey.posts[row].late for row in shown),
        rung=story.rung,
        day=day(facts.facts.first_at, briefing.window.end, briefing.zone) if facts.facts.thread else UNSET,
        changes=story.changes if facts.facts.thread else UNSET,
        thread=facts.facts.thread or UNSET,
    )
